#include "pipeline/write_file.h"

#include <algorithm>
#include <deque>
#include <numeric>
#include <vector>

#include "base/check.h"
#include "io/block_sharing.h"
#include "stkit/dtype.h"

namespace stkit {
namespace {

// What is read of an input at a time: it stays in the L2 cache while it is encoded.
constexpr uint64_t kInputPieceBytes = uint64_t{256} << 10;
// Over a network: all that a piece of the output is made of, in one request.
constexpr uint64_t kRemotePieceBytes = uint64_t{4} << 20;

uint64_t bytes_of(DType dtype, uint64_t elements) {
  const auto bytes = storage_bytes(dtype, elements);
  STKIT_CHECK(bytes.has_value());
  return *bytes;
}

std::span<std::byte> scratch(size_t bytes) {
  thread_local std::vector<std::byte> buffer;
  if (buffer.size() < bytes) buffer.resize(bytes);
  return std::span(buffer).first(bytes);
}

DType input_dtype(const TensorRecipe& recipe) {
  return recipe.source == nullptr ? recipe.input->dtype() : recipe.source->dtype;
}

std::optional<ByteRun> input_run(const TensorRecipe& recipe) {
  return recipe.source == nullptr ? recipe.input->run() : recipe.source->run();
}

// The bytes of an output tensor that is no plain copy of a run of bytes.
class TensorProducer final : public BlockProducer {
 public:
  TensorProducer(const Model& model, const TensorRecipe& recipe, DType dtype, size_t tensor,
                 TensorWatcher* watcher)
      : model_(model),
        recipe_(recipe),
        from_(input_dtype(recipe)),
        dtype_(dtype),
        tensor_(tensor),
        watcher_(watcher) {
    const uint64_t in_block = info(from_).block_elements;
    unit_elements_ = recipe.encoding == nullptr ? in_block : recipe.encoding->unit_elements();
    STKIT_CHECK(unit_elements_ % in_block == 0 && unit_elements_ % info(dtype).block_elements == 0);
  }

  uint64_t unit_bytes() const { return bytes_of(dtype_, unit_elements_); }

  Result<void> produce(uint64_t first_block, std::span<std::byte> out) override {
    STKIT_TRY(compute(first_block, out));
    if (watcher_ != nullptr) watcher_->see(tensor_, first_block * unit_bytes(), out);
    return {};
  }

 private:
  Result<void> compute(uint64_t first_block, std::span<std::byte> out) {
    uint64_t first = first_block * unit_elements_;
    uint64_t left = out.size() / unit_bytes() * unit_elements_;
    if (recipe_.encoding == nullptr) return read(first, left, out);

    const uint64_t in_unit = bytes_of(from_, unit_elements_);
    const bool is_remote = model_.folder().useful_readers() > 0;
    const uint64_t read_bytes = is_remote ? kRemotePieceBytes : kInputPieceBytes;
    const uint64_t piece = std::max<uint64_t>(read_bytes / in_unit, 1) * unit_elements_;
    while (left > 0) {
      const uint64_t count = std::min(piece, left);
      const auto in = scratch(static_cast<size_t>(bytes_of(from_, count)));
      STKIT_TRY(read(first, count, in));
      const auto part = out.first(static_cast<size_t>(bytes_of(dtype_, count)));
      STKIT_TRY(encode(first, in, part));
      out = out.subspan(part.size());
      first += count;
      left -= count;
    }
    return {};
  }

  // In pieces that stay in the cache.
  Result<void> encode(uint64_t first, std::span<const std::byte> in, std::span<std::byte> out) {
    const uint64_t in_unit = bytes_of(from_, unit_elements_);
    const uint64_t units = std::max<uint64_t>(kInputPieceBytes / in_unit, 1);
    while (!in.empty()) {
      const uint64_t count = std::min<uint64_t>(units, in.size() / in_unit);
      const auto from = in.first(static_cast<size_t>(count * in_unit));
      const auto to = out.first(static_cast<size_t>(count * unit_bytes()));
      STKIT_TRY(recipe_.encoding->encode(first, from, to));
      in = in.subspan(from.size());
      out = out.subspan(to.size());
      first += count * unit_elements_;
    }
    return {};
  }

  Result<void> read(uint64_t first, uint64_t count, std::span<std::byte> out) const {
    return recipe_.source == nullptr ? recipe_.input->read(first, count, out)
                                     : model_.read(*recipe_.source, first, count, out);
  }

  const Model& model_;
  const TensorRecipe& recipe_;
  const DType from_, dtype_;
  const size_t tensor_;  // of the file
  TensorWatcher* const watcher_;
  uint64_t unit_elements_;
};

// The segments of one file, and what computes them.
class Segments {
 public:
  Segments(const Model& model, const OutputPlan& plan, const FilePlan& file,
           const WriteFileOptions& options)
      : model_(model),
        plan_(plan),
        watcher_(options.watcher),
        progress_item_(options.progress_item) {
    add_text(0, file.header);
    auto text = file.texts.begin();
    for (size_t i = 0; i < file.tensors.size(); ++i) {
      const FilePlan::Tensor& tensor = file.tensors[i];
      for (; text != file.texts.end() && text->offset_bytes <= tensor.offset_bytes; ++text)
        add_text(text->offset_bytes, text->bytes);
      const bool again = i > 0 && file.tensors[i - 1].offset_bytes == tensor.offset_bytes;
      if (tensor.size_bytes > 0 && (!again || end_ == tensor.offset_bytes)) add_tensor(i, tensor);
    }
    for (; text != file.texts.end(); ++text) add_text(text->offset_bytes, text->bytes);
    fill_up_to(file.file_bytes);
  }

  std::span<const Segment> all() const { return segments_; }

 private:
  void add_text(uint64_t offset, const std::string& text) {
    if (text.empty()) return;
    fill_up_to(offset);
    add(offset, text.size(), Segment::MemoryBytes{reinterpret_cast<const std::byte*>(text.data())});
  }

  void add_tensor(size_t index, const FilePlan::Tensor& tensor) {
    fill_up_to(tensor.offset_bytes);
    const TensorRecipe& recipe = plan_.recipes[tensor.recipe];
    const auto run = input_run(recipe);
    if (recipe.encoding == nullptr && run && watcher_ == nullptr) {
      if (!extend_copy(tensor, *run))
        add(tensor.offset_bytes, tensor.size_bytes,
            Segment::FileBytes{run->file, run->offset_bytes});
      return;
    }
    TensorProducer& producer =
        producers_.emplace_back(model_, recipe, plan_.specs[tensor.recipe].dtype, index, watcher_);
    add(tensor.offset_bytes, tensor.size_bytes,
        Segment::ProducedBytes{&producer, producer.unit_bytes()});
  }

  void fill_up_to(uint64_t offset) {
    STKIT_CHECK(end_ <= offset);
    if (end_ < offset) add(end_, offset - end_, Segment::Zeros{});
  }

  void add(uint64_t offset, uint64_t size, decltype(Segment::content) content) {
    segments_.push_back({offset, size, content, progress_item_});
    end_ = offset + size;
  }

  // Neighbours that stay neighbours are one copy.
  bool extend_copy(const FilePlan::Tensor& tensor, const ByteRun& run) {
    if (segments_.empty()) return false;
    Segment& last = segments_.back();
    const auto* copy = std::get_if<Segment::FileBytes>(&last.content);
    if (copy == nullptr || copy->file != run.file ||
        copy->offset_bytes + last.size_bytes != run.offset_bytes)
      return false;
    last.size_bytes += tensor.size_bytes;
    end_ += tensor.size_bytes;
    return true;
  }

  const Model& model_;
  const OutputPlan& plan_;
  TensorWatcher* const watcher_;
  const uint32_t progress_item_;
  uint64_t end_ = 0;
  std::vector<Segment> segments_;
  std::deque<TensorProducer> producers_;
};

}  // namespace

Result<AssemblyReport> write_file(const Model& model, const OutputPlan& plan, size_t index,
                                  AtomicOutput& output, const WriteFileOptions& options) {
  const Segments segments(model, plan, plan.files[index], options);
  return assemble(output, segments.all(),
                  {[&](uint32_t source) { return model.open_file(source); }, options.io,
                   options.run, model.folder().useful_readers()});
}

uint64_t shareable_bytes(const Model& model, const OutputPlan& plan, size_t index,
                         uint64_t block_bytes) {
  return shareable_bytes(Segments(model, plan, plan.files[index], {}).all(), block_bytes);
}

}  // namespace stkit
