#include "hub/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/ascii.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// What the Hub allows for each part of an id.
constexpr size_t kLongestPart = 96;

bool is_word(char c) { return ascii::is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; }

bool is_id_part(std::string_view part) {
  return !part.empty() && part.size() <= kLongestPart && std::ranges::all_of(part, is_word) &&
         part.front() != '.' && part.front() != '-' && part.back() != '.' && part.back() != '-' &&
         part.find("..") == std::string_view::npos && part.find("--") == std::string_view::npos;
}

std::unexpected<Error> malformed(std::string_view text) {
  return fail(ErrorCode::Usage,
              fmt::format("'{}' names no repository of the Hub", printable(text, 200)),
              "write ORG/NAME, ORG/NAME@REVISION or hf://ORG/NAME/FILE");
}

// The first `count` components of `text`, which are taken away with the slash behind them.
std::string take_components(std::string_view& text, int count) {
  size_t end = 0;
  for (int i = 0; i < count && end != std::string_view::npos; ++i)
    end = text.find('/', i == 0 ? 0 : end + 1);
  const std::string taken(text.substr(0, end));
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return taken;
}

Result<HubReference> from_page(std::string_view text, const Url& url, const Url& endpoint) {
  std::string_view path = url.path;
  if (endpoint.path != "/" && path.starts_with(endpoint.path))
    path.remove_prefix(endpoint.path.size());
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  HubReference reference;
  reference.repo = percent_decode(take_components(path, 2));
  reference.revision = "main";
  if (!path.empty()) {
    const std::string kind = take_components(path, 1);
    if (kind != "tree" && kind != "blob" && kind != "resolve" && kind != "raw")
      return malformed(text);
    if (!path.empty()) reference.revision = percent_decode(take_components(path, 1));
    reference.path = percent_decode(path);
  }
  if (!is_repo_id(reference.repo)) return malformed(text);
  return reference;
}

Result<HubReference> from_short_form(std::string_view text) {
  std::string_view rest = text;
  const bool scheme = rest.starts_with("hf://");
  if (scheme) rest.remove_prefix(5);
  if (scheme && rest.starts_with("models/")) rest.remove_prefix(7);
  HubReference reference;
  reference.revision = "main";
  const size_t at = rest.find('@');
  if (at != std::string_view::npos) {
    reference.repo = rest.substr(0, at);
    rest.remove_prefix(at + 1);
    // The one kind of revision that holds slashes.
    reference.revision = take_components(rest, rest.starts_with("refs/") ? 3 : 1);
    if (reference.revision.empty()) return malformed(text);
  } else {
    reference.repo = take_components(rest, 2);
  }
  reference.path = rest;
  if (!is_repo_id(reference.repo) || (!scheme && !reference.path.empty())) return malformed(text);
  return reference;
}

}  // namespace

bool is_repo_id(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return is_id_part(text);
  return is_id_part(text.substr(0, slash)) && is_id_part(text.substr(slash + 1));
}

bool is_commit_id(std::string_view text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<HubReference> parse_hub_reference(std::string_view text, const Url& endpoint) {
  if (!text.starts_with("http://") && !text.starts_with("https://")) return from_short_form(text);
  STKIT_ASSIGN(const Url url, Url::parse(text));
  if (!url.same_origin(endpoint)) return malformed(text);
  return from_page(text, url, endpoint);
}

}  // namespace stkit
