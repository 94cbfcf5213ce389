#include "stkit/finding.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/ascii.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr CheckInfo kChecks[] = {
#define STKIT_CHECK_ROW(symbol, id, slug, severity, summary, cure) \
  {Check::symbol, id, slug, Severity::severity, summary, cure},
#include "stkit/checks.inc"
#undef STKIT_CHECK_ROW
};

}  // namespace

std::string_view name(Severity severity) {
  constexpr std::string_view kNames[] = {"note", "warning", "error"};
  return kNames[static_cast<size_t>(severity)];
}

std::span<const CheckInfo> checks() { return kChecks; }

const CheckInfo& info(Check check) { return kChecks[static_cast<size_t>(check)]; }

std::optional<Check> find_check(std::string_view id_or_slug) {
  for (const CheckInfo& row : kChecks)
    if (ascii::equal_ignoring_case(row.id, id_or_slug) ||
        ascii::equal_ignoring_case(row.slug, id_or_slug))
      return row.check;
  return std::nullopt;
}

Error to_error(const Finding& finding, size_t more) {
  std::string message = finding.message;
  if (more > 0)
    message += fmt::format(" (and {}; list all with: stkit validate)", counted(more, "more error"));
  return {ErrorCode::Corrupt, std::move(message),
          finding.hint.empty() ? std::string(info(finding.check).cure) : finding.hint,
          finding.path};
}

}  // namespace stkit
