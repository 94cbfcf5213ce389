#include <map>

#include "ops/quantize/output_layout.h"
#include "stkit/json.h"
#include "stkit/writer.h"

namespace stkit {
namespace {

std::string block_description(const QuantizePlan::Tensor& tensor) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().field("type", name(tensor.to)).key("shape").begin_array();
  for (const uint64_t dimension : tensor.shape) json.value(dimension);
  json.end_array().end_object();
  return text;
}

// Rows of bytes in place of rows of elements.
TensorSpec bytes_of_blocks(const QuantizePlan::Tensor& tensor) {
  TensorSpec spec{tensor.name, DType::U8, tensor.shape};
  const DTypeInfo& type = info(tensor.to);
  spec.shape.back() = spec.shape.back() / type.block_elements * type.block_bytes;
  return spec;
}

}  // namespace

Result<FilePlan> plan_safetensors_output(const OutputDescription& output) {
  std::vector<TensorSpec> specs;
  std::map<std::string, std::string, std::less<>> metadata = {{"format", "pt"},
                                                              {"quantization", "ggml"}};
  for (const QuantizePlan::Tensor& tensor : output.inputs.tensors) {
    if (info(tensor.to).in_safetensors()) {
      specs.push_back({tensor.name, tensor.to, tensor.shape});
      continue;
    }
    specs.push_back(bytes_of_blocks(tensor));
    metadata["ggml." + tensor.name] = block_description(tensor);
  }
  STKIT_ASSIGN(SafetensorsLayout layout,
               plan_safetensors(specs, metadata,
                                {.max_header_bytes = output.options.open.max_header_bytes}));
  FilePlan file{.name = {},
                .header = std::move(layout.header),
                .tensors = {},
                .file_bytes = layout.file_bytes};
  for (const SafetensorsLayout::Entry& entry : layout.entries)
    file.tensors.push_back({entry.spec, entry.offset_bytes, entry.size_bytes});
  return file;
}

}  // namespace stkit
