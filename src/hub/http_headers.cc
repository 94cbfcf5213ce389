#include "hub/http_headers.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/ascii.h"
#include "stkit/text.h"

namespace stkit {
namespace {

using std::chrono::seconds;

// No server means a longer wait than a year; it keeps sums of times from overflowing.
constexpr uint64_t kLongestWaitSeconds = 366 * 24 * 3600;

using ascii::equal_ignoring_case;

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// The text up to `separator`, which is taken away with it. Quoted parts are one piece.
std::string_view take_until(std::string_view& rest, char separator) {
  bool quoted = false;
  size_t end = 0;
  for (; end < rest.size(); ++end) {
    if (rest[end] == '"') quoted = !quoted;
    if (!quoted && rest[end] == separator) break;
  }
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return trimmed(taken);
}

std::string_view unquoted(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    return text.substr(1, text.size() - 2);
  return text;
}

// `name=value` of a list of parameters.
std::pair<std::string_view, std::string_view> split_parameter(std::string_view text) {
  const size_t equals = std::min(text.find('='), text.size());
  const std::string_view value =
      equals < text.size() ? text.substr(equals + 1) : std::string_view();
  return {trimmed(text.substr(0, equals)), unquoted(trimmed(value))};
}

seconds bounded_seconds(uint64_t count) {
  return seconds(static_cast<int64_t>(std::min(count, kLongestWaitSeconds)));
}

// "Sun, 06 Nov 1994 08:49:37 GMT", the one form of a date that servers may send. By hand: strptime
// depends on the locale.
std::optional<std::chrono::system_clock::time_point> parse_date(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT") return {};
  const auto number = [&](size_t at, size_t length) {
    return parse_decimal(text.substr(at, length));
  };
  const auto day = number(5, 2), year = number(12, 4), hour = number(17, 2), minute = number(20, 2),
             second = number(23, 2);
  const auto month = std::ranges::find(kMonths, text.substr(8, 3));
  if (!day || !year || !hour || !minute || !second || month == kMonths.end()) return {};
  if (text[19] != ':' || text[22] != ':' || *hour > 23 || *minute > 59 || *second > 60) return {};
  const std::chrono::year_month_day date{
      std::chrono::year(static_cast<int>(*year)),
      std::chrono::month(static_cast<unsigned>(month - kMonths.begin()) + 1),
      std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return {};
  return std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         seconds(*second);
}

}  // namespace

bool HttpHead::add_line(std::string_view line) {
  bytes_ += line.size();
  if (bytes_ > kMostBytes || fields_.size() > kMostFields) return false;
  if (line.starts_with("HTTP/")) {
    fields_.clear();
    const size_t space = std::min(line.find(' '), line.size());
    status_ = static_cast<int>(parse_decimal(trimmed(line.substr(space)).substr(0, 3)).value_or(0));
    return true;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return true;
  fields_.emplace_back(lower_case(trimmed(line.substr(0, colon))),
                       std::string(trimmed(line.substr(colon + 1))));
  return true;
}

bool HttpHead::is_redirect() const {
  return status_ == 301 || status_ == 302 || status_ == 303 || status_ == 307 || status_ == 308;
}

std::optional<std::string_view> HttpHead::find(std::string_view name) const {
  for (const auto& [field, value] : fields_)
    if (equal_ignoring_case(field, name)) return value;
  return std::nullopt;
}

std::vector<std::string_view> HttpHead::find_all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [field, value] : fields_)
    if (equal_ignoring_case(field, name)) values.push_back(value);
  return values;
}

std::optional<uint64_t> parse_decimal(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<ContentRange> parse_content_range(std::string_view value) {
  value = trimmed(value);
  if (value.size() < 6 || !equal_ignoring_case(value.substr(0, 5), "bytes")) return std::nullopt;
  std::string_view rest = trimmed(value.substr(5));
  const std::string_view span = take_until(rest, '/');
  ContentRange range;
  if (trimmed(rest) != "*") {
    range.total = parse_decimal(trimmed(rest));
    if (!range.total) return std::nullopt;
  }
  if (span == "*") {
    range.unsatisfied = true;
    return range;
  }
  const size_t dash = span.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = parse_decimal(trimmed(span.substr(0, dash)));
  const auto last = parse_decimal(trimmed(span.substr(dash + 1)));
  if (!first || !last || *first > *last || (range.total && *last >= *range.total))
    return std::nullopt;
  range.first = *first;
  range.last = *last;
  return range;
}

bool is_weak_etag(std::string_view value) {
  return trimmed(value).starts_with("W/") || trimmed(value).starts_with("w/");
}

std::string normalized_etag(std::string_view value) {
  value = trimmed(value);
  if (is_weak_etag(value)) value.remove_prefix(2);
  return std::string(unquoted(value));
}

std::optional<std::string> find_link(std::string_view value, std::string_view relation) {
  while (!value.empty()) {
    const size_t open = value.find('<');
    const size_t close = value.find('>', std::min(open, value.size()));
    if (open == std::string_view::npos || close == std::string_view::npos) return std::nullopt;
    const std::string_view target = value.substr(open + 1, close - open - 1);
    value.remove_prefix(close + 1);
    std::string_view parameters = take_until(value, ',');
    while (!parameters.empty()) {
      const auto [name, text] = split_parameter(take_until(parameters, ';'));
      if (equal_ignoring_case(name, "rel") && equal_ignoring_case(text, relation))
        return std::string(target);
    }
  }
  return std::nullopt;
}

std::optional<seconds> parse_retry_after(std::string_view value,
                                         std::chrono::system_clock::time_point now) {
  value = trimmed(value);
  if (const auto count = parse_decimal(value)) return bounded_seconds(*count);
  const auto date = parse_date(value);
  if (!date) return std::nullopt;
  if (*date <= now) return seconds(0);
  return bounded_seconds(static_cast<uint64_t>(std::chrono::ceil<seconds>(*date - now).count()));
}

std::optional<RateLimit> parse_rate_limit(std::string_view value) {
  std::optional<uint64_t> remaining, reset;
  while (!value.empty()) {
    const auto [name, text] = split_parameter(take_until(value, ';'));
    if (name == "r") remaining = parse_decimal(text);
    if (name == "t") reset = parse_decimal(text);
  }
  if (!remaining || !reset) return std::nullopt;
  return RateLimit{*remaining, bounded_seconds(*reset)};
}

}  // namespace stkit
