#include "render_validate.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "stkit/text.h"
#include "table.h"

namespace stkit::cli {
namespace {

std::string paint_severity(const Paint& paint, Severity severity, std::string_view text) {
  switch (severity) {
    case Severity::Error: return paint.red(text);
    case Severity::Warning: return paint.yellow(text);
    case Severity::Note: break;
  }
  return paint.cyan(text);
}

std::string_view hint_of(const Finding& finding) {
  return finding.hint.empty() ? info(finding.check).cure : std::string_view(finding.hint);
}

void render_finding(Output& out, const Paint& paint, const Finding& finding) {
  const CheckInfo& check = info(finding.check);
  const std::string word(name(finding.severity()));
  std::string message = printable(finding.message);
  if (!finding.tensor.empty() && finding.message.find(finding.tensor) == std::string::npos)
    message = fmt::format("tensor '{}': {}", printable(finding.tensor), message);
  out.write(fmt::format("  {}{} {} {}\n      {}\n", paint_severity(paint, finding.severity(), word),
                        std::string(7 - word.size(), ' '), check.id, paint.dim(check.slug),
                        message));
  if (const std::string_view hint = hint_of(finding); !hint.empty())
    out.write(fmt::format("      hint: {}\n", printable(hint)));
}

// Values of annotations: what would end them, or start another, is percent-encoded.
std::string annotation_text(std::string_view text, bool property) {
  std::string out;
  for (const char c : text) {
    const bool separator = property && (c == ':' || c == ',');
    if (c == '%' || c == '\r' || c == '\n' || separator)
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out;
}

std::string_view annotation_level(Severity severity) {
  return severity == Severity::Note ? "notice" : name(severity);
}

}  // namespace

void render_findings(Output& out, const Terminal& terminal, std::string_view reference,
                     const ValidateReport& report, bool strict) {
  const Paint paint(terminal.color);
  const std::string* path = nullptr;
  for (const Finding& finding : report.findings) {
    if (out.closed()) return;
    if (path == nullptr || *path != finding.path) {
      out.write(paint.bold(printable(finding.path.empty() ? reference : finding.path)) + "\n");
      path = &finding.path;
    }
    render_finding(out, paint, finding);
  }
  std::string verdict =
      report.ok(strict) ? paint.green("ok") : paint.red(strict ? "failed (strict)" : "failed");
  const uint64_t errors = report.count(Severity::Error);
  const uint64_t warnings = report.count(Severity::Warning);
  const uint64_t notes = report.count(Severity::Note);
  if (errors > 0) verdict += ", " + counted(errors, "error");
  if (warnings > 0) verdict += ", " + counted(warnings, "warning");
  if (notes > 0) verdict += ", " + counted(notes, "note");
  out.write(fmt::format("{}: {} ({}, {}, {})\n", printable(reference), verdict,
                        counted(report.files, "file"), counted(report.tensors, "tensor"),
                        format_bytes(report.bytes)));
  if (report.model_digest) out.write(fmt::format("model digest: {}\n", *report.model_digest));
}

std::string path_in_workspace(const std::string& path, const std::string& workspace) {
  namespace fs = std::filesystem;
  fs::path shown = fs::path(path).lexically_normal();
  std::error_code error;
  if (!workspace.empty())
    if (const fs::path whole = fs::absolute(shown, error); !error) {
      const fs::path below =
          whole.lexically_normal().lexically_relative(fs::path(workspace).lexically_normal());
      if (!below.empty() && *below.begin() != "..") shown = below;
    }
  return shown.string();
}

void render_annotations(Output& out, const ValidateReport& report, const std::string& workspace) {
  for (const Finding& finding : report.findings) {
    const CheckInfo& check = info(finding.check);
    std::string line = fmt::format("::{} ", annotation_level(finding.severity()));
    if (!finding.path.empty())
      line += fmt::format(
          "file={},", annotation_text(printable(path_in_workspace(finding.path, workspace)), true));
    line += fmt::format("title={} {}::{}", check.id, check.slug,
                        annotation_text(printable(finding.message), false));
    if (const std::string_view hint = hint_of(finding); !hint.empty())
      line += "%0Ahint: " + annotation_text(printable(hint), false);
    out.write(line + '\n');
  }
}

void render_check_list(Output& out, const Terminal& terminal) {
  const Column columns[] = {{"", false, false, &Paint::cyan}, {""}, {""}, {"", false, true}};
  write_table(
      out, terminal, columns, checks().size(),
      [](size_t i, std::vector<std::string>& cells) {
        const CheckInfo& check = checks()[i];
        cells = {std::string(check.id), std::string(name(check.severity)), std::string(check.slug),
                 std::string(check.summary)};
      },
      0);
}

void render_check(Output& out, const Terminal& terminal, const CheckInfo& check) {
  const Paint paint(terminal.color);
  const unsigned columns = terminal.columns == 0 ? 100 : std::min(terminal.columns, 100u);
  out.write(fmt::format("{} {} ({})\n", paint.bold(check.id), check.slug,
                        paint_severity(paint, check.severity, name(check.severity))));
  out.write(wrap_text(fmt::format("rule: {}", check.summary), 2, columns));
  out.write(wrap_text(fmt::format("cure: {}", check.cure), 2, columns));
}

void write_json(JsonWriter& json, const CheckInfo& check) {
  json.begin_object().field("id", check.id).field("slug", check.slug);
  json.field("severity", name(check.severity)).field("summary", check.summary);
  json.field("cure", check.cure).end_object();
}

}  // namespace stkit::cli
