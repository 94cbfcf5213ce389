#include "html/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/ascii.h"
#include "base/digest.h"
#include "stkit/text.h"

namespace stkit::html {
namespace {

constexpr size_t kMostNotices = 100;

std::string base64_of_hex(std::string_view hex) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : hex) {
    bits = (bits << 4 | static_cast<uint32_t>(ascii::hex_value(c))) & 0xFFFF;
    count += 4;
    if (count < 6) continue;
    count -= 6;
    out += kDigits[bits >> count & 63];
  }
  if (count > 0) out += kDigits[bits << (6 - count) & 63];
  while (out.size() % 4 != 0) out += '=';
  return out;
}

// The source expression of a Content-Security-Policy that allows exactly this inline text.
std::string policy_hash(std::string_view content) {
  Digest digest(DigestKind::Sha256);
  digest.update(content);
  return fmt::format("'sha256-{}'", base64_of_hex(digest.hex()));
}

}  // namespace

std::string text(std::string_view foreign, size_t columns) {
  std::string out;
  for (const char c : printable(foreign, columns)) switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  return out;
}

std::string percent(double fraction) {
  if (fraction > 0 && fraction < 0.0005) return "< 0.1 %";
  if (fraction < 1 && fraction >= 0.9995) return "> 99.9 %";
  return fmt::format("{:.1f} %", 100 * fraction);
}

void append_head(std::string& out, std::string_view title, std::string_view path) {
  fmt::format_to(std::back_inserter(out),
                 R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src {}; script-src {}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{} · stkit</title>
<style>{}</style></head>
<body><main>
<h1>{}</h1><p class="path mono">{}</p>
)html",
                 policy_hash(kStyle), policy_hash(kScript), text(title), kStyle, text(title),
                 text(path));
}

void append_end(std::string& out, std::string_view command) {
  fmt::format_to(std::back_inserter(out),
                 "<footer>Made by <code>{}</code></footer>\n"
                 "</main>\n<script>{}</script>\n</body></html>\n",
                 command, kScript);
}

void append_tag(std::string& out, std::string_view label, std::string_view value) {
  if (!value.empty())
    fmt::format_to(std::back_inserter(out), "<li>{} <b>{}</b></li>", label, text(value));
}

void append_card(std::string& out, std::string_view label, std::string_view value,
                 std::string_view note) {
  fmt::format_to(
      std::back_inserter(out),
      R"(<div class="card"><div class="label">{}</div><div class="value">{}</div><div class="note">{}</div></div>)",
      label, value, note);
}

void append_notices(std::string& out, std::string_view title, std::span<const std::string> lines) {
  if (lines.empty()) return;
  fmt::format_to(std::back_inserter(out), "<section class=\"notice\"><h2>{}</h2><ul>", title);
  for (size_t i = 0; i < std::min(lines.size(), kMostNotices); ++i)
    fmt::format_to(std::back_inserter(out), "<li>{}</li>", text(lines[i]));
  if (lines.size() > kMostNotices)
    fmt::format_to(std::back_inserter(out), "<li>and {} more</li>",
                   format_grouped(lines.size() - kMostNotices));
  out += "</ul></section>\n";
}

void append_section(std::string& out, std::string_view title, std::string_view content) {
  if (content.empty()) return;
  fmt::format_to(std::back_inserter(out), "<section><h2>{}</h2>{}</section>\n", title, content);
}

void append_fact(std::string& out, std::string_view label, std::string_view value) {
  fmt::format_to(std::back_inserter(out), "<tr><td>{}</td><td>{}</td></tr>", label, value);
}

}  // namespace stkit::html
