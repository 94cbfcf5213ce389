// Findings of one file, a bounded number of each kind.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stkit/finding.h"

namespace stkit {

class FindingLog {
 public:
  FindingLog(std::string path, size_t max_of_a_kind)
      : path_(std::move(path)), max_of_a_kind_(max_of_a_kind) {}

  // `message` makes the text, and is called only where it will be shown: a file may break one rule
  // a million times. The finding is valid until the next one; null when it was only counted.
  template <class Message>
  Finding* add(Check check, std::string_view tensor, Message message) {
    if (++seen_[index(check)] > max_of_a_kind_) return nullptr;
    last_[index(check)] = findings_.size();
    findings_.push_back({check, path_, std::string(tensor), message(), {}, {}});
    return &findings_.back();
  }

  std::vector<Finding> take();

 private:
  static constexpr size_t kChecks = 0
#define STKIT_CHECK_ROW(symbol, id, slug, severity, summary, cure) +1
#include "stkit/checks.inc"
#undef STKIT_CHECK_ROW
      ;
  static constexpr size_t index(Check check) { return static_cast<size_t>(check); }

  std::string path_;
  size_t max_of_a_kind_;
  std::vector<Finding> findings_;
  std::array<size_t, kChecks> seen_{};
  std::array<size_t, kChecks> last_{};  // index into findings_, meaningful where seen_ is not 0
};

// A name from a file as messages show it: safe for a terminal, in quotes, of bounded length.
std::string quoted_name(std::string_view name);

}  // namespace stkit
