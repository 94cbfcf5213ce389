#include "gguf_export/element_reader.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "kernels/convert.h"

namespace stkit::gguf_export {
namespace {

// Read of an input at a time, on the stack: it stays in the L1 cache until it is converted.
constexpr size_t kPieceBytes = 16 * 1024;
constexpr size_t kMaxElementBytes = 8;
constexpr size_t kPieceElements = kPieceBytes / kMaxElementBytes;
// Elements that lie further apart than this are read one by one, nearer ones with what is between.
constexpr uint64_t kMaxStep = 8;

size_t element_bytes(DType dtype) {
  const DTypeInfo& type = info(dtype);
  STKIT_CHECK(type.block_elements == 1 && type.block_bytes <= kMaxElementBytes);
  return type.block_bytes;
}

// Axes of one element vanish, and two that are one run of the input become one: what remains is
// at the end of the array.
void merge_axes(Box& box) {
  std::array<Axis, Box::kMaxAxes> merged = {};
  size_t at = Box::kMaxAxes;
  for (size_t i = Box::kMaxAxes; i-- > 0;) {
    const Axis axis = box.axes[i];
    if (axis.count == 1) continue;
    if (at < Box::kMaxAxes && axis.stride == merged[at].count * merged[at].stride)
      merged[at].count *= axis.count;
    else
      merged[--at] = axis;
  }
  box.axes = merged;
}

}  // namespace

std::optional<DType> stored_dtype(const Model& model, const ElementSource& source) {
  if (source.boxes.empty() || source.shift != 0) return std::nullopt;
  const DType first = model.tensors()[source.boxes.front().tensor].dtype;
  for (const Box& box : source.boxes)
    if (box.scale || model.tensors()[box.tensor].dtype != first) return std::nullopt;
  return first;
}

Result<ElementReader> ElementReader::open(const Model& model, ElementSource source) {
  ElementReader reader(model, std::move(source));
  reader.stored_ = gguf_export::stored_dtype(model, reader.source_);
  uint64_t end = 0;
  for (Box& box : reader.source_.boxes) {
    merge_axes(box);
    reader.ends_.push_back(end += box.element_count());
  }
  if (reader.ends_.empty()) reader.ends_.push_back(reader.source_.constants.size());
  STKIT_TRY(reader.load_scales());
  return reader;
}

Result<void> ElementReader::load_scales() {
  scales_.resize(source_.boxes.size());
  for (size_t i = 0; i < scales_.size(); ++i) {
    if (!source_.boxes[i].scale) continue;
    const TensorInfo& tensor = model_->tensors()[source_.boxes[i].scale->tensor];
    std::vector<std::byte> bytes(tensor.size_bytes);
    STKIT_TRY(model_->read(tensor, 0, tensor.element_count, bytes));
    scales_[i].resize(tensor.element_count);
    kernels::to_float(tensor.dtype, bytes, scales_[i]);
  }
  return {};
}

std::optional<ByteRun> ElementReader::run() const {
  if (!stored_ || source_.boxes.size() != 1) return std::nullopt;
  const Box& box = source_.boxes.front();
  const TensorInfo& tensor = model_->tensors()[box.tensor];
  const Axis& last = box.axes.back();
  if (!tensor.contiguous || last.count != box.element_count()) return std::nullopt;
  if (last.count > 1 && last.stride != 1) return std::nullopt;
  const uint64_t bytes = element_bytes(tensor.dtype);
  return ByteRun{tensor.file, tensor.offset_bytes + box.first_element * bytes, last.count * bytes};
}

Result<void> ElementReader::for_each_run(uint64_t first, uint64_t count, UseRun use) const {
  uint64_t done = 0;
  auto at = static_cast<size_t>(std::ranges::upper_bound(ends_, first) - ends_.begin());
  while (done < count) {
    const uint64_t start = at == 0 ? 0 : ends_[at - 1];
    const uint64_t part = std::min(count - done, ends_[at] - (first + done));
    STKIT_TRY(for_each_run_of(source_.boxes[at], first + done - start, part, done, use));
    done += part;
    ++at;
  }
  return {};
}

Result<void> ElementReader::for_each_run_of(const Box& box, uint64_t first, uint64_t count,
                                            uint64_t output_first, UseRun use) const {
  // Where the last axis jumps far through the input but the one before it does not, the two are
  // read crosswise: as many whole rows of the output as are wanted, column by column.
  const Axis& inner = box.axes[Box::kMaxAxes - 1];
  const Axis& before = box.axes[Box::kMaxAxes - 2];
  const bool is_near = inner.stride <= kMaxStep;
  const bool crosswise = !is_near && before.stride <= kMaxStep;
  const uint64_t run_elements = is_near ? inner.count : 1;

  for (uint64_t done = 0; done < count;) {
    uint64_t rest = first + done, input = box.first_element;
    std::array<uint64_t, Box::kMaxAxes> index;
    for (size_t i = Box::kMaxAxes; i-- > 0;) {
      index[i] = rest % box.axes[i].count;
      rest /= box.axes[i].count;
      input += index[i] * box.axes[i].stride;
    }
    const uint64_t left = count - done;
    if (crosswise && index[Box::kMaxAxes - 1] == 0 && left >= inner.count) {
      const uint64_t rows = std::min(left / inner.count, before.count - index[Box::kMaxAxes - 2]);
      for (uint64_t column = 0; column < inner.count; ++column)
        STKIT_TRY(use({box, input + column * inner.stride, before.stride, rows,
                       output_first + done + column, inner.count}));
      done += rows * inner.count;
      continue;
    }
    const uint64_t part = std::min(left, run_elements - index[Box::kMaxAxes - 1] % run_elements);
    STKIT_TRY(use({box, input, is_near ? inner.stride : 1, part, output_first + done, 1}));
    done += part;
  }
  return {};
}

Result<void> ElementReader::read(uint64_t first, uint64_t count, std::span<float> out) const {
  STKIT_CHECK(out.size() == count && count <= element_count() && first <= element_count() - count);
  if (source_.boxes.empty())
    std::ranges::copy(std::span(source_.constants).subspan(first, count), out.begin());
  else
    STKIT_TRY(for_each_run(first, count, [&](const Run& run) { return read_run(run, out); }));
  if (source_.shift != 0)
    for (float& value : out) value += source_.shift;
  return {};
}

Result<size_t> ElementReader::read_piece(const Run& run, uint64_t done,
                                         std::span<std::byte> bytes) const {
  const TensorInfo& tensor = model_->tensors()[run.box.tensor];
  const size_t size = element_bytes(tensor.dtype);
  const size_t step = run.input_step;
  const auto count = static_cast<size_t>(
      std::min<uint64_t>(std::max<size_t>(bytes.size() / size / step, 1), run.count - done));
  // Nothing is read behind the last element: it may be the last of its file.
  const size_t elements = (count - 1) * step + 1;
  STKIT_TRY(
      model_->read(tensor, run.input_first + done * step, elements, bytes.first(elements * size)));
  if (step > 1)
    for (size_t i = 1; i < count; ++i) std::memcpy(&bytes[i * size], &bytes[i * step * size], size);
  return count;
}

Result<void> ElementReader::read_run(const Run& run, std::span<float> out) const {
  const DType dtype = model_->tensors()[run.box.tensor].dtype;
  std::array<std::byte, kPieceBytes> bytes;
  std::array<float, kPieceElements> strided;
  const auto buffer = std::span(bytes).first(kPieceElements * element_bytes(dtype));
  for (uint64_t done = 0; done < run.count;) {
    STKIT_ASSIGN(const size_t count, read_piece(run, done, buffer));
    const uint64_t place = run.output_first + done * run.output_step;
    const auto values =
        run.output_step == 1 ? out.subspan(place, count) : std::span<float>(strided).first(count);
    kernels::to_float(dtype, buffer.first(count * element_bytes(dtype)), values);
    if (run.box.scale) scale(run, done, values);
    if (run.output_step != 1)
      for (size_t i = 0; i < count; ++i) out[place + i * run.output_step] = values[i];
    done += count;
  }
  return {};
}

void ElementReader::scale(const Run& run, uint64_t done, std::span<float> values) const {
  const BlockScale& scale = *run.box.scale;
  const auto& scales = scales_[static_cast<size_t>(&run.box - source_.boxes.data())];
  const uint64_t row_scales = (scale.columns + scale.block_columns - 1) / scale.block_columns;
  for (size_t i = 0; i < values.size();) {
    const uint64_t element = run.input_first + (done + i) * run.input_step;
    const uint64_t row = element / scale.columns, column = element % scale.columns;
    const uint64_t block = column / scale.block_columns;
    const uint64_t block_end = std::min((block + 1) * scale.block_columns, scale.columns);
    const float factor = scales[row / scale.block_rows * row_scales + block];
    const uint64_t in_block = (block_end - column + run.input_step - 1) / run.input_step;
    const size_t end = i + std::min<uint64_t>(values.size() - i, in_block);
    for (; i < end; ++i) values[i] *= factor;
  }
}

Result<void> ElementReader::read_stored(uint64_t first, uint64_t count,
                                        std::span<std::byte> out) const {
  STKIT_CHECK(stored_ && count <= element_count() && first <= element_count() - count);
  STKIT_CHECK(out.size() == count * element_bytes(*stored_));
  return for_each_run(first, count, [&](const Run& run) { return read_run_stored(run, out); });
}

Result<void> ElementReader::read_run_stored(const Run& run, std::span<std::byte> out) const {
  const size_t size = element_bytes(*stored_);
  if (run.input_step == 1 && run.output_step == 1)
    return model_->read(model_->tensors()[run.box.tensor], run.input_first, run.count,
                        out.subspan(run.output_first * size, run.count * size));
  std::array<std::byte, kPieceBytes> bytes;
  for (uint64_t done = 0; done < run.count;) {
    STKIT_ASSIGN(const size_t count, read_piece(run, done, bytes));
    for (size_t i = 0; i < count; ++i)
      std::memcpy(&out[(run.output_first + (done + i) * run.output_step) * size], &bytes[i * size],
                  size);
    done += count;
  }
  return {};
}

}  // namespace stkit::gguf_export
