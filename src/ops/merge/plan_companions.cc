#include "ops/merge/plan_companions.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/glob.h"
#include "model/model_contents.h"
#include "stkit/text.h"

namespace stkit {
namespace {

bool is_companion(const ModelFile& file) {
  return file.role != FileRole::Weights && file.role != FileRole::Index;
}

}  // namespace

Result<std::vector<CompanionFile>> plan_companions(MergeWork& work) {
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
  }
  if (companions.empty() && which != "all")
    work.warnings.push_back(
        fmt::format("no companion file matches --copy-files '{}'", printable(which, 80)));
  return companions;
}

}  // namespace stkit
