// The head of an answer, and an error's body: whatever a server sends, what is made of it can be
// relied on. The input is the head; what follows an empty line is the body.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "hub/fetch.h"
#include "hub/http_headers.h"
#include "hub/retry.h"
#include "hub/url.h"

namespace {

using namespace stkit;
using namespace std::chrono_literals;

bool is_plain(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; });
}

// An address is what it is after it was written and read again, and holds nothing that could end
// the line of a request.
void check_url(const Url& url) {
  STKIT_CHECK(url.scheme == "http" || url.scheme == "https");
  STKIT_CHECK(!url.host.empty() && url.port != 0 && url.path.starts_with('/'));
  const std::string text = url.text();
  STKIT_CHECK(is_plain(text) && text.find(' ') == std::string::npos);
  const auto again = Url::parse(text);
  STKIT_CHECK(again && again->text() == text && again->same_origin(url));
  STKIT_CHECK(url.label().find('?') == std::string::npos);
}

void check_field(std::string_view value) {
  const Url base = *Url::parse("https://hub.example/a/b?x=1");
  if (const auto range = parse_content_range(value); range && !range->unsatisfied) {
    STKIT_CHECK(range->first <= range->last);
    STKIT_CHECK(!range->total || range->last < *range->total);
  }
  if (const auto next = find_link(value, "next")) {
    STKIT_CHECK(value.find(*next) != std::string_view::npos);
    if (const auto url = base.join(*next)) check_url(*url);
  }
  if (const auto url = base.join(value)) check_url(*url);
  STKIT_CHECK(normalized_etag(value).size() <= value.size());
  if (const auto wait = parse_retry_after(value, std::chrono::system_clock::time_point(1'000'000h)))
    STKIT_CHECK(*wait >= 0s && *wait <= 366 * 24h);
  if (const auto limit = parse_rate_limit(value))
    STKIT_CHECK(limit->reset >= 0s && limit->reset <= 366 * 24h);
  (void)parse_decimal(value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  HttpHead head;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end);
    if (line == "\n" || line == "\r\n") break;
    if (!head.add_line(line)) return 0;
    const size_t colon = std::min(line.find(':') + 1, line.size());
    check_field(line.substr(colon));
  }
  STKIT_CHECK(head.status() >= 0 && head.status() <= 999);
  for (const char* name : {"Location", "ETag", "Content-Range", "Link", "RateLimit"})
    if (const auto value = head.find(name)) STKIT_CHECK(head.find_all(name).front() == *value);
  if (const auto wait = wait_asked_for(head, std::chrono::system_clock::time_point(1'000'000h)))
    STKIT_CHECK(*wait >= 1s);
  const Error error =
      status_error(head, *Url::parse("https://hub.example/o/n/resolve/main/x?sig=1"),
                   rest.substr(0, 16 * 1024), size % 2 == 0);
  STKIT_CHECK(is_plain(error.message) && is_plain(error.hint));
  STKIT_CHECK(error.path.find("sig") == std::string::npos);
  return 0;
}
