// Looking at findings in tests.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "stkit/finding.h"
#include "stkit/model.h"

namespace stkit::test {

// "IX003 model-00002-of-00003.safetensors" for every finding that is not of the header alone.
inline std::vector<std::string> listed(const Model& model) {
  std::vector<std::string> lines;
  for (const Finding& finding : model.findings()) {
    if (finding.severity() == Severity::Note) continue;
    lines.push_back(std::string(info(finding.check).id) + " " +
                    std::filesystem::path(finding.path).filename().string());
  }
  std::ranges::sort(lines);
  return lines;
}

inline const Finding* find(const Model& model, Check check) {
  const auto found = std::ranges::find(model.findings(), check, &Finding::check);
  return found == model.findings().end() ? nullptr : &*found;
}

inline size_t count(const Model& model, Check check) {
  return static_cast<size_t>(std::ranges::count(model.findings(), check, &Finding::check));
}

}  // namespace stkit::test
