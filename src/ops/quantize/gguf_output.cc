#include <fmt/format.h>

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

// All parts are open at once until all are whole.
constexpr size_t kMaxParts = 200;

Result<void> check_part_count(size_t parts) {
  if (parts <= kMaxParts) return {};
  return fail(ErrorCode::Usage,
              fmt::format("--split-max-size makes {} files, and at most {} are supported", parts,
                          kMaxParts),
              "choose a larger size");
}

std::string part_path(const std::string& path, size_t part, size_t count) {
  if (count == 1) return path;
  constexpr std::string_view kEnding = ".gguf";
  const std::string_view prefix = std::string_view(path).substr(
      0, path.size() - (path.ends_with(kEnding) ? kEnding.size() : 0));
  return gguf_part_name(prefix, part, count);
}

FilePlan file_of(GgufLayout layout, std::string path) {
  FilePlan file{.name = std::move(path),
                .header = std::move(layout.header),
                .tensors = {},
                .file_bytes = layout.file_bytes};
  for (const GgufLayout::Entry& entry : layout.entries)
    file.tensors.push_back({entry.spec, entry.offset_bytes, entry.size_bytes});
  return file;
}

}  // namespace

Result<std::vector<FilePlan>> plan_gguf_output(const OutputDescription& output) {
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
  std::vector<GgufLayout> layouts;
  if (output.options.split_max_bytes > 0) {
    STKIT_ASSIGN(layouts, plan_split_gguf(entries, specs, output.options.split_max_bytes));
    STKIT_TRY(check_part_count(layouts.size()));
  } else {
    STKIT_ASSIGN(GgufLayout layout, plan_gguf(entries, specs));
    layouts.push_back(std::move(layout));
  }
  std::vector<FilePlan> files;
  for (GgufLayout& layout : layouts)
    files.push_back(
        file_of(std::move(layout), part_path(output.path, files.size(), layouts.size())));
  return files;
}

}  // namespace stkit
