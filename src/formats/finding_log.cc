#include "formats/finding_log.h"

#include <fmt/format.h>

#include "stkit/text.h"

namespace stkit {

std::vector<Finding> FindingLog::take() {
  for (size_t i = 0; i < kChecks; ++i)
    if (seen_[i] > max_of_a_kind_)
      findings_[last_[i]].message +=
          fmt::format(" (and {} more like it)", format_grouped(seen_[i] - max_of_a_kind_));
  return std::move(findings_);
}

std::string quoted_name(std::string_view name) {
  // Longer than any name in a published model, short enough for a log.
  constexpr size_t kMaxColumns = 160;
  return fmt::format("'{}'", printable(name, kMaxColumns));
}

}  // namespace stkit
