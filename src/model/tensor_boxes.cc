#include "model/tensor_boxes.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>
#include <utility>

namespace stkit {
namespace {

// What is read at once to pick elements from, where they do not lie side by side.
constexpr size_t kScratchBytes = size_t{64} << 10;
// Elements further apart than this are read one by one: a page would be read for each anyway.
constexpr uint64_t kMaxGapBytes = 4096;

// One dimension of a copy: so many units, so far apart in the file and in the output.
struct Loop {
  uint64_t count;
  uint64_t from;
  uint64_t to;
};

void pick_units(const std::byte* from, uint64_t from_step, std::byte* to, uint64_t to_step,
                uint64_t count, size_t unit) {
  const auto copy = [&](auto constant) {
    for (uint64_t i = 0; i < count; ++i)
      std::memcpy(to + i * to_step * constant, from + i * from_step * constant, constant);
  };
  switch (unit) {
    case 1: return copy(std::integral_constant<size_t, 1>());
    case 2: return copy(std::integral_constant<size_t, 2>());
    case 4: return copy(std::integral_constant<size_t, 4>());
    case 8: return copy(std::integral_constant<size_t, 8>());
    default: return copy(unit);
  }
}

void swap_numbers(std::span<std::byte> bytes, size_t number_bytes) {
  for (size_t at = 0; at + number_bytes <= bytes.size(); at += number_bytes)
    std::ranges::reverse(bytes.subspan(at, number_bytes));
}

std::vector<uint64_t> row_major(std::span<const uint64_t> shape) {
  std::vector<uint64_t> strides(shape.size());
  uint64_t step = 1;
  for (size_t i = shape.size(); i-- > 0; step *= std::max<uint64_t>(shape[i], 1)) strides[i] = step;
  return strides;
}

// Drops loops of one round and joins those that continue each other on both sides.
void simplify(std::vector<Loop>& loops) {
  std::erase_if(loops, [](const Loop& loop) { return loop.count == 1; });
  for (size_t i = loops.size(); i-- > 1;) {
    const Loop& inner = loops[i];
    Loop& outer = loops[i - 1];
    if (outer.from != inner.from * inner.count || outer.to != inner.to * inner.count) continue;
    outer = {outer.count * inner.count, inner.from, inner.to};
    loops.erase(loops.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

class BoxReader {
 public:
  BoxReader(const BoxedTensor& tensor, uint64_t first, std::span<std::byte> out, OpenBoxFile open)
      : tensor_(tensor),
        steps_(row_major(tensor.shape)),
        first_(first),
        out_(out),
        open_(open),
        low_(tensor.shape.size()),
        high_(tensor.shape) {}

  Result<void> read() {
    STKIT_TRY(read_range(0, first_, first_ + out_.size() / tensor_.unit_bytes));
    if (tensor_.swap_bytes > 1) swap_numbers(out_, tensor_.swap_bytes);
    return {};
  }

 private:
  // A run of units is at most a part of a row, whole rows and a part of a row, at each dimension.
  // `begin` and `end` count from the start of the row that low_ and high_ fix in front of
  // `dimension`.
  Result<void> read_range(size_t dimension, uint64_t begin, uint64_t end) {
    if (begin == end) return {};
    if (dimension == tensor_.shape.size()) return read_region();
    const uint64_t step = steps_[dimension];
    const auto within = [&](uint64_t row, uint64_t from, uint64_t to) -> Result<void> {
      low_[dimension] = row;
      high_[dimension] = row + 1;
      return read_range(dimension + 1, from, to);
    };
    uint64_t row = begin / step;
    const uint64_t last = end / step;
    if (row == last) return within(row, begin % step, end % step);
    if (begin % step != 0) STKIT_TRY(within(row++, begin % step, step));
    if (row < last) {
      low_[dimension] = row;
      high_[dimension] = last;
      for (size_t i = dimension + 1; i < low_.size(); ++i) low_[i] = 0, high_[i] = tensor_.shape[i];
      STKIT_TRY(read_region());
    }
    return within(last, 0, end % step);
  }

  // All boxes' parts of low_ <= index < high_.
  Result<void> read_region() {
    for (const TensorBox& box : tensor_.boxes) {
      uint64_t from = box.offset_bytes, to = 0;
      std::vector<Loop> loops;
      bool meets = true;
      for (size_t i = 0; i < low_.size() && meets; ++i) {
        const uint64_t low = std::max(low_[i], box.origin[i]);
        const uint64_t high = std::min(high_[i], box.origin[i] + box.size[i]);
        meets = low < high;
        if (!meets) break;
        from += (low - box.origin[i]) * box.strides[i] * tensor_.unit_bytes;
        to += low * steps_[i];
        loops.push_back({high - low, box.strides[i], steps_[i]});
      }
      if (!meets) continue;
      STKIT_ASSIGN(const auto file, open_(box.file));
      simplify(loops);
      STKIT_TRY(copy(*file, from, (to - first_) * tensor_.unit_bytes, std::move(loops)));
    }
    return {};
  }

  // The loop whose units lie closest together in the file becomes the innermost; loops that stay
  // at one place come just around it, so that what was read is used again.
  Result<void> copy(const RandomAccessFile& file, uint64_t from, uint64_t to,
                    std::vector<Loop> loops) {
    std::ranges::sort(loops, [](const Loop& a, const Loop& b) {
      return a.from != b.from ? a.from > b.from : a.to > b.to;
    });
    const auto moving =
        std::ranges::find_if(loops, [](const Loop& loop) { return loop.from == 0; });
    Loop inner{1, 1, 1}, next{1, 0, 0};
    const bool repeats = moving != loops.end();
    if (moving != loops.begin()) {
      inner = *(moving - 1);
      loops.erase(moving - 1);
    }
    if (!repeats && !loops.empty()) {
      next = loops.back();
      loops.pop_back();
    }
    const size_t unit = tensor_.unit_bytes;
    std::vector<uint64_t> round(loops.size());
    loaded_from_ = kNothing;
    while (true) {
      STKIT_TRY(copy_runs(file, from, to, next, inner));
      size_t i = loops.size();
      while (i-- > 0) {
        from += loops[i].from * unit;
        to += loops[i].to * unit;
        if (++round[i] < loops[i].count) break;
        from -= loops[i].from * unit * loops[i].count;
        to -= loops[i].to * unit * loops[i].count;
        round[i] = 0;
      }
      if (i == size_t{0} - 1) return {};
    }
  }

  // Short runs that lie close together, like a slice of columns, come in one read of many.
  Result<void> copy_runs(const RandomAccessFile& file, uint64_t from, uint64_t to, const Loop& next,
                         const Loop& run) {
    const size_t unit = tensor_.unit_bytes;
    const uint64_t run_bytes = ((run.count - 1) * run.from + 1) * unit;
    const uint64_t step_bytes = next.from * unit;
    if (next.count == 1 || run_bytes > kMaxGapBytes || step_bytes > run_bytes + kMaxGapBytes) {
      for (uint64_t i = 0; i < next.count; ++i)
        STKIT_TRY(copy_run(file, from + i * step_bytes, to + i * next.to * unit, run));
      return {};
    }
    const uint64_t at_once = (kScratchBytes - run_bytes) / step_bytes + 1;
    for (uint64_t done = 0; done < next.count;) {
      const uint64_t count = std::min(at_once, next.count - done);
      scratch_.resize(static_cast<size_t>((count - 1) * step_bytes + run_bytes));
      STKIT_TRY(file.read_at(from + done * step_bytes, scratch_));
      for (uint64_t i = 0; i < count; ++i)
        pick_units(scratch_.data() + i * step_bytes, run.from,
                   out_.data() + to + (done + i) * next.to * unit, run.to, run.count, unit);
      done += count;
    }
    return {};
  }

  Result<void> copy_run(const RandomAccessFile& file, uint64_t from, uint64_t to, const Loop& run) {
    const size_t unit = tensor_.unit_bytes;
    std::byte* const target = out_.data() + to;
    const bool again = from == loaded_from_;
    if (run.from == 1 && run.to == 1) {
      const auto bytes = static_cast<size_t>(run.count * unit);
      if (again)
        std::memcpy(target, out_.data() + loaded_to_, bytes);
      else
        STKIT_TRY(file.read_at(from, {target, bytes}));
    } else if (again) {
      pick_units(out_.data() + loaded_to_, run.to, target, run.to, run.count, unit);
    } else if (run.from * unit > kMaxGapBytes) {
      for (uint64_t i = 0; i < run.count; ++i)
        STKIT_TRY(file.read_at(from + i * run.from * unit, {target + i * run.to * unit, unit}));
    } else {
      STKIT_TRY(copy_close(file, from, target, run));
    }
    loaded_from_ = from;
    loaded_to_ = to;
    return {};
  }

  Result<void> copy_close(const RandomAccessFile& file, uint64_t from, std::byte* target,
                          const Loop& run) {
    const size_t unit = tensor_.unit_bytes;
    const uint64_t at_once = (kScratchBytes / unit - 1) / run.from + 1;
    for (uint64_t done = 0; done < run.count;) {
      const uint64_t count = std::min(at_once, run.count - done);
      scratch_.resize(static_cast<size_t>(((count - 1) * run.from + 1) * unit));
      STKIT_TRY(file.read_at(from + done * run.from * unit, scratch_));
      pick_units(scratch_.data(), run.from, target + done * run.to * unit, run.to, count, unit);
      done += count;
    }
    return {};
  }

  static constexpr uint64_t kNothing = UINT64_MAX;

  const BoxedTensor& tensor_;
  const std::vector<uint64_t> steps_;
  const uint64_t first_;
  const std::span<std::byte> out_;
  OpenBoxFile open_;
  std::vector<uint64_t> low_, high_;
  std::vector<std::byte> scratch_;
  uint64_t loaded_from_ = kNothing, loaded_to_ = 0;
};

}  // namespace

BoxedTensor strided_tensor(uint32_t file, uint64_t offset_bytes, std::span<const uint64_t> shape,
                           std::span<const uint64_t> strides, uint16_t unit_bytes) {
  BoxedTensor tensor{.unit_bytes = unit_bytes};
  TensorBox box{.file = file, .offset_bytes = offset_bytes};
  const bool empty = std::ranges::find(shape, uint64_t{0}) != shape.end();
  for (size_t i = 0; i < shape.size() && !empty; ++i) {
    if (shape[i] == 1) continue;
    if (!box.strides.empty() && box.strides.back() == shape[i] * strides[i]) {
      tensor.shape.back() *= shape[i];
      box.strides.back() = strides[i];
    } else {
      tensor.shape.push_back(shape[i]);
      box.strides.push_back(strides[i]);
    }
  }
  if (tensor.shape.empty()) {
    tensor.shape = {empty ? uint64_t{0} : uint64_t{1}};
    box.strides = {1};
  }
  box.origin.resize(tensor.shape.size());
  box.size = tensor.shape;
  tensor.boxes.push_back(std::move(box));
  return tensor;
}

bool is_contiguous(const BoxedTensor& tensor) {
  return tensor.boxes.size() == 1 && tensor.swap_bytes <= 1 &&
         tensor.boxes.front().size == tensor.shape &&
         tensor.boxes.front().strides == row_major(tensor.shape);
}

Result<void> read_boxes(const BoxedTensor& tensor, uint64_t first, std::span<std::byte> out,
                        OpenBoxFile open) {
  if (out.empty()) return {};
  if (tensor.sources.empty()) return BoxReader(tensor, first, out, open).read();
  const auto source = [&](uint32_t file) -> Result<std::shared_ptr<const RandomAccessFile>> {
    return tensor.sources[file];
  };
  return BoxReader(tensor, first, out, source).read();
}

}  // namespace stkit
