#include "formats/gguf_writer.h"
#include "model/model_contents.h"
#include "model/profile.h"
#include "ops/quantize/metadata_override.h"
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

// Keys that are about the file itself.
bool is_written_anew(std::string_view key) {
  return key == kGgufAlignmentKey || key == "general.quantization_version" ||
         key == "general.file_type" || key.starts_with("quantize.imatrix.");
}

std::vector<GgufEntry> carried_metadata(const Model& model) {
  std::vector<GgufEntry> entries;
  for (const GgufEntry& entry : ModelAccess::contents(model).gguf_metadata)
    if (!is_written_anew(entry.key)) entries.push_back(entry);
  return entries;
}

std::string_view architecture_of(const Profile& profile) {
  const bool known = profile.model_type_source == "config" && !profile.model_type.empty();
  return known ? std::string_view(profile.model_type) : "unknown";
}

// `profile` keeps what the entries show.
std::vector<GgufEntry> model_metadata(const OutputDescription& output, const Profile& profile) {
  switch (output.inputs.naming) {
    case Naming::Carried: return carried_metadata(output.model);
    case Naming::Exported: {
      const auto entries = output.inputs.metadata->entries();
      return {entries.begin(), entries.end()};
    }
    case Naming::Own: break;
  }
  return {{"general.architecture", architecture_of(profile)},
          {"general.type", std::string_view("model")},
          {"general.name", std::string_view(profile.base_model_name)}};
}

}  // namespace

Result<FilePlan> plan_gguf_output(const OutputDescription& output) {
  const Profile profile = make_profile(output.model);
  std::vector<GgufEntry> entries = model_metadata(output, profile);
  if (output.importance.is_given())
    add_importance(output.importance.file(), output.options.imatrix, entries);
  entries.push_back({"general.quantization_version", kQuantizationVersion});
  entries.push_back({"general.file_type", output.file_type});
  STKIT_TRY(apply_overrides(output.options.metadata, entries));

  std::vector<TensorSpec> specs;
  for (const QuantizePlan::Tensor& tensor : output.inputs.tensors)
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
