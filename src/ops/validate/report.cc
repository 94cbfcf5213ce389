#include "ops/validate/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "stkit/json.h"
#include "stkit/text.h"

namespace stkit {
namespace {

bool comes_before(const Finding& a, const Finding& b) {
  if (a.path != b.path) return natural_less(a.path, b.path);
  if (a.severity() != b.severity()) return a.severity() > b.severity();
  if (a.check != b.check) return info(a.check).id < info(b.check).id;
  if (a.tensor != b.tensor) return natural_less(a.tensor, b.tensor);
  return a.message < b.message;
}

bool same_kind(const Finding& a, const Finding& b) {
  return a.check == b.check && a.path == b.path && a.severity() == b.severity();
}

}  // namespace

void take_findings(std::vector<Finding> findings, ValidateReport& report) {
  std::ranges::sort(findings, comes_before);
  for (size_t first = 0; first < findings.size();) {
    size_t last = first;
    while (last < findings.size() && same_kind(findings[first], findings[last])) ++last;
    // One more is not worth a line that says so.
    const bool fold = last - first > kMaxListed + 1;
    const size_t listed = fold ? first + kMaxListed : last;
    for (size_t i = first; i < listed; ++i) report.findings.push_back(std::move(findings[i]));
    if (fold) {
      const Finding& kind = findings[listed];
      const size_t rest = last - listed;
      report.folded[static_cast<size_t>(kind.severity())] += rest - 1;
      report.findings.push_back(
          {.check = kind.check,
           .path = kind.path,
           .message =
               format_grouped(rest) + " more of this kind" +
               (kind.tensor.empty() ? std::string() : fmt::format(", from '{}' on", kind.tensor)),
           .severity_override = kind.severity()});
    }
    first = last;
  }
}

uint64_t ValidateReport::count(Severity severity) const {
  const auto listed = std::ranges::count(findings, severity, &Finding::severity);
  return static_cast<uint64_t>(listed) + folded[static_cast<size_t>(severity)];
}

bool ValidateReport::ok(bool strict) const {
  return count(Severity::Error) == 0 && (!strict || count(Severity::Warning) == 0);
}

void write_json(JsonWriter& json, const ValidateReport& report, bool strict) {
  json.begin_object();
  json.field("path", report.reference).field("ok", report.ok(strict));
  json.field("errors", report.count(Severity::Error));
  json.field("warnings", report.count(Severity::Warning));
  json.field("notes", report.count(Severity::Note));
  json.field("files", report.files).field("tensors", report.tensors).field("bytes", report.bytes);
  if (report.model_digest) json.field("model_digest", *report.model_digest);
  json.key("findings").begin_array();
  for (const Finding& finding : report.findings) {
    const CheckInfo& row = info(finding.check);
    json.begin_object();
    json.field("id", row.id).field("name", row.slug);
    json.field("severity", name(finding.severity()));
    json.field("path", finding.path).field("tensor", finding.tensor);
    json.field("message", finding.message);
    json.field("hint", finding.hint.empty() ? row.cure : std::string_view(finding.hint));
    json.end_object();
  }
  json.end_array();
  json.end_object();
}

}  // namespace stkit
