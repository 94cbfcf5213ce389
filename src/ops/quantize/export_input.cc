#include "ops/quantize/export_input.h"

#include "gguf_export/element_reader.h"
#include "gguf_export/packed_rows.h"

namespace stkit {
namespace {

class ExportInput final : public ElementInput {
 public:
  explicit ExportInput(gguf_export::ElementReader reader) : reader_(std::move(reader)) {}

  DType dtype() const override { return reader_.stored_dtype().value_or(DType::F32); }
  std::optional<ByteRun> run() const override { return reader_.run(); }

  Result<void> read(uint64_t first, uint64_t count, std::span<std::byte> out) const override {
    if (reader_.stored_dtype()) return reader_.read_stored(first, count, out);
    // The pipeline's buffers are aligned as memory of operator new is.
    return reader_.read(first, count, {reinterpret_cast<float*>(out.data()), count});
  }

 private:
  gguf_export::ElementReader reader_;
};

// Blocks that are kept as they are.
class PackedInput final : public ElementInput {
 public:
  PackedInput(const Model& model, const gguf_export::PackedRows& rows)
      : model_(model), rows_(rows) {}

  DType dtype() const override { return DType::MXFP4; }
  std::optional<ByteRun> run() const override { return std::nullopt; }
  Result<void> read(uint64_t first, uint64_t, std::span<std::byte> out) const override {
    return read_packed(model_, rows_, first / gguf_export::kPackedBlockElements, out);
  }

 private:
  const Model& model_;
  const gguf_export::PackedRows rows_;
};

}  // namespace

Result<std::unique_ptr<const ElementInput>> open_export_input(const Model& model,
                                                              const TensorInput& input) {
  if (input.source.packed) return std::make_unique<const PackedInput>(model, *input.source.packed);
  STKIT_ASSIGN(auto reader, gguf_export::ElementReader::open(model, input.source));
  return std::make_unique<const ExportInput>(std::move(reader));
}

}  // namespace stkit
