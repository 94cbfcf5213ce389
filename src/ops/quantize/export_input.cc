#include "ops/quantize/export_input.h"

#include "gguf_export/element_reader.h"

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

}  // namespace

Result<std::unique_ptr<const ElementInput>> open_export_input(const Model& model,
                                                              const TensorInput& input) {
  STKIT_ASSIGN(auto reader, gguf_export::ElementReader::open(model, input.source));
  return std::make_unique<const ExportInput>(std::move(reader));
}

}  // namespace stkit
