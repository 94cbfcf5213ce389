#include <fmt/format.h>

#include "base/json_reader.h"
#include "hub/fetch.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// What the server says about the error: a header, or the "error" of a JSON body.
std::string server_message(const HttpHead& head, std::string_view body) {
  if (const auto message = head.find("X-Error-Message")) return printable(*message, 300);
  if (const auto json = JsonValue::parse(body))
    if (const JsonValue* error = json->find("error"))
      if (const auto text = error->as_string()) return printable(*text, 300);
  // The start of a CDN's XML says enough; a web page was made for other eyes.
  const std::string_view line = body.substr(0, body.find_first_of("\r\n"));
  const bool is_page = line.starts_with("<html") || line.starts_with("<!");
  return is_page ? std::string() : printable(line, 160);
}

std::string request_id(const HttpHead& head) {
  for (const std::string_view name : {"X-Request-Id", "X-Amzn-Trace-Id", "X-Amz-Cf-Id"})
    if (const auto id = head.find(name)) return fmt::format(" (request {})", printable(*id, 100));
  return {};
}

constexpr std::string_view kTokenHint =
    "set a token that may read it: --token-file FILE, or HF_TOKEN, or `hf auth login`";

struct Meaning {
  ErrorCode code;
  std::string cause, hint;
};

// The repository's own page: "https://hub/org/name" of ".../org/name/resolve/main/x".
std::string repository_page(const Url& url) {
  std::string_view path = url.path;
  if (const size_t api = path.find("/api/models/"); api != std::string_view::npos)
    path.remove_prefix(api + std::string_view("/api/models").size());
  for (const std::string_view end : {"/resolve/", "/revision/", "/tree/"})
    path = path.substr(0, path.find(end));
  return url.origin() + std::string(path);
}

Meaning meaning_of(int status, std::string_view hub_code, const Url& url, bool has_token) {
  if (hub_code == "GatedRepo")
    return {ErrorCode::AccessDenied, "the repository is gated, and access has not been granted",
            fmt::format("accept its terms at {}{}", repository_page(url),
                        has_token ? "" : fmt::format(", then {}", kTokenHint))};
  if (hub_code == "RevisionNotFound")
    return {ErrorCode::NotFound, "the repository has no such revision", "check --revision"};
  if (hub_code == "EntryNotFound")
    return {ErrorCode::NotFound, "the repository has no such file at this revision", ""};
  if (hub_code == "RepoNotFound" || (status == 401 && !has_token))
    return {status == 401 ? ErrorCode::AccessDenied : ErrorCode::NotFound,
            fmt::format("no such repository, or no access to it ({})",
                        has_token ? "a token was sent" : "no token was sent"),
            has_token ? "check the name, and that the token may read it" : std::string(kTokenHint)};
  switch (status) {
    case 401:
      return {ErrorCode::AccessDenied, "the token was rejected",
              "make a new one in the Hub's settings, or try without"};
    case 403: return {ErrorCode::AccessDenied, "access is forbidden", ""};
    case 404: return {ErrorCode::NotFound, "not found", "check the spelling"};
    case 416: return {ErrorCode::Network, "the server does not have these bytes", ""};
    case 429:
      return {ErrorCode::Network, "too many requests",
              has_token ? "wait some minutes"
                        : "wait some minutes, or use a token, which raises the limit"};
    default: return {ErrorCode::Network, "the server cannot answer", "try again later"};
  }
}

}  // namespace

Error status_error(const HttpHead& head, const Url& url, std::string_view body, bool has_token) {
  const int status = head.status();
  Meaning meaning = meaning_of(status, head.find("X-Error-Code").value_or(""), url, has_token);
  std::string text = fmt::format("{}: HTTP status {}", meaning.cause, status);
  if (const std::string said = server_message(head, body); !said.empty())
    text += fmt::format(", \"{}\"", said);
  return {meaning.code, text + request_id(head), std::move(meaning.hint), url.label()};
}

}  // namespace stkit
