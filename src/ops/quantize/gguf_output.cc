#include "formats/gguf_writer.h"
#include "model/model_contents.h"
#include "model/profile.h"
#include "ops/quantize/output_layout.h"

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

std::string architecture_of(const Profile& profile, const QuantizeOptions& options) {
  if (!options.arch.empty()) return options.arch;
  const bool known = profile.model_type_source == "config" && !profile.model_type.empty();
  return known ? profile.model_type : "unknown";
}

// Of a GGUF file everything but what is about that very file.
std::vector<GgufEntry> carried_metadata(const Model& model, const QuantizeOptions& options) {
  std::vector<GgufEntry> entries;
  for (const GgufEntry& entry : ModelAccess::contents(model).gguf_metadata) {
    const bool written_anew =
        entry.key == kGgufAlignmentKey || entry.key == "general.quantization_version" ||
        entry.key == "general.file_type" || entry.key.starts_with("quantize.imatrix.");
    if (written_anew) continue;
    entries.push_back(entry);
    if (entry.key == "general.architecture" && !options.arch.empty())
      entries.back().value = std::string_view(options.arch);
  }
  return entries;
}

}  // namespace

Result<FilePlan> plan_gguf_output(const OutputDescription& output) {
  const Profile profile = make_profile(output.model);
  const std::string architecture = architecture_of(profile, output.options);
  std::vector<GgufEntry> entries;
  if (output.model.format() == FileFormat::Gguf) {
    entries = carried_metadata(output.model, output.options);
  } else {
    entries = {{"general.architecture", std::string_view(architecture)},
               {"general.type", std::string_view("model")},
               {"general.name", std::string_view(profile.base_model_name)}};
  }
  if (output.importance.is_given())
    add_importance(output.importance.file(), output.options.imatrix, entries);
  entries.push_back({"general.quantization_version", kQuantizationVersion});
  entries.push_back({"general.file_type", output.base.file_type});

  std::vector<TensorSpec> specs;
  for (const QuantizePlan::Tensor& tensor : output.tensors)
    specs.push_back({tensor.name, tensor.to, tensor.shape});
  STKIT_ASSIGN(GgufLayout layout, plan_gguf(entries, specs));
  FilePlan file{.name = {},
                .header = std::move(layout.header),
                .tensors = {},
                .file_bytes = layout.file_bytes};
  for (const GgufLayout::Entry& entry : layout.entries)
    file.tensors.push_back({entry.spec, entry.offset_bytes, entry.size_bytes});
  return file;
}

}  // namespace stkit
