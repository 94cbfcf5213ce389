#include "hub/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "base/ascii.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// Longer ones than any server accepts; signed addresses take about 2 KB.
constexpr size_t kLongestUrl = 32 * 1024;

using ascii::hex_value;
using ascii::is_alphanumeric;
using ascii::is_hex_digit;

bool is_escape(std::string_view text, size_t at) {
  return text[at] == '%' && at + 2 < text.size() && is_hex_digit(text[at + 1]) &&
         is_hex_digit(text[at + 2]);
}

void append_escape(std::string& out, char c) {
  fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
}

// Escapes stay; spaces, quotes, controls and bytes beyond ASCII become escapes.
std::string encode_stray(std::string_view text) {
  constexpr std::string_view kAllowed = "-._~!$&'()*+,;=:@/?";
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_alphanumeric(c) || kAllowed.find(c) != std::string_view::npos || is_escape(text, i))
      out += c;
    else
      append_escape(out, c);
  }
  return out;
}

// "/a/./b/../c" is "/a/c" (RFC 3986, 5.2.4).
std::string without_dots(std::string_view path) {
  std::vector<std::string_view> kept;
  bool open_end = false;
  for (size_t start = 1; start <= path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    const std::string_view segment = path.substr(start, end - start);
    const bool dots = segment == "." || segment == "..";
    if (segment == ".." && !kept.empty()) kept.pop_back();
    if (!dots) kept.push_back(segment);
    open_end = dots && end == path.size();
    start = end + 1;
  }
  std::string out;
  for (const std::string_view segment : kept) out.append("/").append(segment);
  if (open_end || out.empty()) out += '/';
  return out;
}

void set_path_and_query(Url& url, std::string_view text) {
  text = text.substr(0, text.find('#'));
  const size_t question = std::min(text.find('?'), text.size());
  url.path = without_dots(encode_stray(text.substr(0, question)));
  url.query = encode_stray(text.substr(question));
}

bool is_host(std::string_view host) {
  if (host.starts_with('['))
    return host.ends_with(']') && host.size() > 2 &&
           std::ranges::all_of(host.substr(1, host.size() - 2),
                               [](char c) { return is_hex_digit(c) || c == ':' || c == '.'; });
  return !host.empty() && host.size() <= 253 && std::ranges::all_of(host, [](char c) {
    return is_alphanumeric(c) || c == '-' || c == '.' || c == '_';
  });
}

std::optional<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

// Without what may be secret: all up to an '@', and the query.
std::unexpected<Error> malformed(std::string_view text, std::string_view what) {
  text = text.substr(0, text.find_first_of("?#"));
  const size_t scheme_end = text.find("://");
  const size_t at = text.rfind('@');
  std::string shown(text);
  if (at != std::string_view::npos && scheme_end != std::string_view::npos && at > scheme_end)
    shown = fmt::format("{}://...{}", text.substr(0, scheme_end), text.substr(at));
  return fail(ErrorCode::Usage, fmt::format("the address '{}' {}", printable(shown, 200), what));
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  const size_t scheme_end = text.find("://");
  if (text.size() > kLongestUrl) return malformed(text.substr(0, 80), "is too long");
  if (scheme_end == std::string_view::npos)
    return malformed(text, "has no scheme such as https://");
  Url url;
  url.scheme = lower_case(text.substr(0, scheme_end));
  if (url.scheme != "http" && url.scheme != "https")
    return malformed(text, "is neither http:// nor https://");

  const std::string_view rest = text.substr(scheme_end + 3);
  const size_t host_end = std::min(rest.find_first_of("/?#\\"), rest.size());
  const std::string_view authority = rest.substr(0, host_end);
  if (authority.find('@') != std::string_view::npos)
    return malformed(text, "holds a user name or password, which would show in logs");

  const size_t colon = authority.rfind(':');
  const bool has_port =
      colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos;
  url.host = lower_case(has_port ? authority.substr(0, colon) : authority);
  if (!is_host(url.host)) return malformed(text, "names no valid host");
  const auto port = has_port ? parse_port(authority.substr(colon + 1))
                             : std::optional<uint16_t>(url.is_secure() ? 443 : 80);
  if (!port) return malformed(text, "has an invalid port");
  url.port = *port;

  const std::string_view tail = rest.substr(host_end);
  set_path_and_query(url, tail.starts_with('/') ? std::string(tail) : "/" + std::string(tail));
  return url;
}

Result<Url> Url::join(std::string_view reference) const {
  const size_t colon = reference.find(':');
  const bool absolute =
      colon != std::string_view::npos && colon > 0 && reference.find_first_of("/?#") > colon;
  if (absolute) return parse(reference);
  if (reference.starts_with("//")) return parse(fmt::format("{}:{}", scheme, reference));
  Url joined = *this;
  if (reference.starts_with('/')) {
    set_path_and_query(joined, reference);
  } else if (reference.starts_with('?')) {
    joined.query = encode_stray(reference.substr(0, reference.find('#')));
  } else if (!reference.empty() && !reference.starts_with('#')) {
    const std::string_view folder = std::string_view(path).substr(0, path.rfind('/') + 1);
    set_path_and_query(joined, fmt::format("{}{}", folder, reference));
  }
  if (joined.path.size() + joined.query.size() > kLongestUrl)
    return malformed(label(), "leads to an address that is too long");
  return joined;
}

std::string Url::origin() const {
  const bool usual = port == (is_secure() ? 443 : 80);
  return usual ? fmt::format("{}://{}", scheme, host)
               : fmt::format("{}://{}:{}", scheme, host, port);
}

std::string Url::text() const { return origin() + path + query; }

std::string percent_encode(std::string_view text, std::string_view keep) {
  std::string out;
  for (const char c : text) {
    if (is_alphanumeric(c) || std::string_view("-._~").find(c) != std::string_view::npos ||
        keep.find(c) != std::string_view::npos)
      out += c;
    else
      append_escape(out, c);
  }
  return out;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (is_escape(text, i)) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace stkit
