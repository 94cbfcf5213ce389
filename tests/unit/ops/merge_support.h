#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "stkit/merge.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace stkit::test {

// Every regular file below a folder, by its name in it.
inline std::map<std::string, std::string> files_below(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  if (!std::filesystem::exists(folder)) return files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file())
      files[std::filesystem::relative(entry.path(), folder).string()] = read_file(entry.path());
  return files;
}

inline std::set<std::string> names_below(const std::filesystem::path& folder) {
  std::set<std::string> names;
  for (const auto& [name, content] : files_below(folder)) names.insert(name);
  return names;
}

struct MergeRun {
  MergeOptions options = {.sync = false};  // no test pulls the plug
  RunOptions run = {};
};

inline Result<MergeReport> try_merge(const std::filesystem::path& from,
                                     const std::filesystem::path& to, const MergeRun& with = {}) {
  STKIT_ASSIGN(const MergePlan plan, MergePlan::make(from.string(), to.string(), with.options));
  return merge(plan, with.run);
}

inline MergeReport must_merge(const std::filesystem::path& from, const std::filesystem::path& to,
                              const MergeRun& with = {}) {
  Result<MergeReport> report = try_merge(from, to, with);
  if (report) return *std::move(report);
  ADD_FAILURE() << report.error().path << ": " << report.error().message;
  return {};
}

}  // namespace stkit::test
