#include "ops/quantize/gguf_output.h"

#include <algorithm>

#include "model/profile.h"

namespace stkit {
namespace {

// Of the layouts of GGML's blocks, which have not changed since 2023.
constexpr uint32_t kQuantizationVersion = 2;
// What llama.cpp cuts the texts about an importance matrix to.
constexpr size_t kMaxImatrixText = 127;

std::string_view cut(std::string_view text) { return text.substr(0, kMaxImatrixText); }

void add_importance(const Imatrix& imatrix, std::string_view path,
                    std::vector<GgufEntry>& entries) {
  entries.push_back({"quantize.imatrix.file", cut(path)});
  if (!imatrix.datasets.empty())
    entries.push_back({"quantize.imatrix.dataset", cut(imatrix.datasets.front())});
  entries.push_back(
      {"quantize.imatrix.entries_count", static_cast<uint32_t>(imatrix.entries.size())});
  if (imatrix.chunk_count > 0)
    entries.push_back(
        {"quantize.imatrix.chunks_count", static_cast<uint32_t>(imatrix.chunk_count)});
}

}  // namespace

GgufDescription describe_gguf(const Model& model, const QuantizeOptions& options,
                              const quant::QuantType& base) {
  const Profile profile = make_profile(model);
  GgufDescription description{options.arch, profile.base_model_name, base.file_type};
  if (description.architecture.empty() && profile.model_type_source == "config")
    description.architecture = profile.model_type;
  if (description.architecture.empty()) description.architecture = "unknown";
  return description;
}

Result<GgufLayout> plan_gguf_output(const GgufDescription& description,
                                    std::span<const QuantizePlan::Tensor> tensors,
                                    const Importance& importance, const std::string& imatrix_path) {
  std::vector<GgufEntry> entries = {
      {"general.architecture", std::string_view(description.architecture)},
      {"general.type", std::string_view("model")},
      {"general.name", std::string_view(description.name)},
  };
  if (importance.is_given()) add_importance(importance.file(), imatrix_path, entries);
  entries.push_back({"general.quantization_version", kQuantizationVersion});
  entries.push_back({"general.file_type", description.file_type});

  std::vector<TensorSpec> specs;
  for (const QuantizePlan::Tensor& tensor : tensors)
    specs.push_back({tensor.name, tensor.to, tensor.shape});
  return plan_gguf(entries, specs);
}

}  // namespace stkit
