#include "ops/merge/plan_companions.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/glob.h"
#include "model/model_contents.h"
#include "ops/merge/config_edit.h"
#include "stkit/text.h"

namespace stkit {
namespace {

bool is_companion(const ModelFile& file) {
  return file.role != FileRole::Weights && file.role != FileRole::Index;
}

constexpr std::string_view kConfig = "config.json";

// config.json with what the merge changes about the weights; nothing when that is nothing.
Result<std::optional<std::string>> changed_config(const MergeWork& work, std::string weights_file) {
  // What cannot be parsed was found to be broken already, and is copied as it is.
  if (!ModelAccess::contents(work.model).config) return std::nullopt;
  STKIT_ASSIGN(const std::string text, work.model.read_companion(kConfig));
  std::string changed = edit_config(
      text, {work.casts.empty() ? std::nullopt : work.options.dtype, std::move(weights_file)});
  if (changed == text) return std::nullopt;
  return changed;
}

}  // namespace

Result<std::vector<CompanionFile>> plan_companions(MergeWork& work, std::string weights_file) {
  std::vector<CompanionFile> companions;
  const std::string& which = work.options.copy_files;
  if (work.is_single_file || which == "none") return companions;

  const Glob wanted(which == "all" ? "*" : which);
  const std::string& subfolder = ModelAccess::contents(work.model).subfolder;
  const std::span<const ModelFile> files = work.model.files();
  for (uint32_t i = 0; i < files.size(); ++i) {
    if (!is_companion(files[i])) continue;
    const std::string_view name = std::string_view(files[i].name).substr(subfolder.size());
    if (!wanted.matches(name)) continue;
    companions.push_back({std::string(name), files[i].size_bytes, MergeOutput::Copy{i}});
    if (name != kConfig) continue;
    STKIT_ASSIGN(auto config, changed_config(work, weights_file));
    if (!config) continue;
    companions.back().size_bytes = config->size();
    companions.back().content = MergeOutput::Text{*std::move(config)};
  }
  if (companions.empty() && which != "all")
    work.warnings.push_back(
        fmt::format("no companion file matches --copy-files '{}'", printable(which, 80)));
  return companions;
}

}  // namespace stkit
