#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <span>

#include "base/ascii.h"
#include "base/checked_math.h"
#include "stkit/text.h"

namespace stkit {
namespace {

using ascii::is_digit;
using ascii::to_upper;

std::string_view take_digits(std::string_view& text) {
  size_t length = 0;
  while (length < text.size() && is_digit(text[length])) ++length;
  const std::string_view digits = text.substr(0, length);
  text.remove_prefix(length);
  return digits;
}

std::optional<uint64_t> to_number(std::string_view digits) {
  uint64_t number = 0;
  for (const char digit : digits) {
    const auto shifted = checked_mul<uint64_t>(number, 10);
    if (!shifted) return std::nullopt;
    const auto sum = checked_add<uint64_t>(*shifted, static_cast<uint64_t>(digit - '0'));
    if (!sum) return std::nullopt;
    number = *sum;
  }
  return number;
}

// "", "B", "K", "KB", "KiB", ... in any case.
std::optional<uint64_t> unit_bytes(std::string_view unit) {
  if (!unit.empty() && to_upper(unit.back()) == 'B') unit.remove_suffix(1);
  if (unit.empty()) return 1;
  const bool binary = unit.size() == 2 && to_upper(unit[1]) == 'I';
  const size_t power = std::string_view("KMGTPE").find(to_upper(unit[0]));
  if (power == std::string_view::npos || (unit.size() > 1 && !binary)) return std::nullopt;
  uint64_t bytes = 1;
  for (size_t i = 0; i <= power; ++i) bytes *= binary ? 1024 : 1000;
  return bytes;
}

// 0.DIGITS of a unit, rounded down. Dividing from the last digit to the first keeps it exact in
// integers: 10 * 1 EiB still fits.
uint64_t fraction_of(std::string_view digits, uint64_t unit) {
  uint64_t part = 0;
  for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit)
    part = (static_cast<uint64_t>(*digit - '0') * unit + part) / 10;
  return part;
}

// Three significant digits, without zeros behind the point.
std::string scaled(uint64_t number, uint64_t base, std::span<const std::string_view> units) {
  if (number < base)
    return units[0].empty() ? fmt::format("{}", number) : fmt::format("{} {}", number, units[0]);
  double value = static_cast<double>(number);
  size_t unit = 0;
  // 999.6 of a unit would be printed as 1000 of it.
  while (unit + 1 < units.size() && value >= static_cast<double>(base) - 0.5) {
    value /= static_cast<double>(base);
    ++unit;
  }
  std::string digits = fmt::format("{:.{}f}", value, value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2);
  if (digits.find('.') != std::string::npos) {
    digits.erase(digits.find_last_not_of('0') + 1);
    if (digits.back() == '.') digits.pop_back();
  }
  return fmt::format("{} {}", digits, units[unit]);
}

}  // namespace

Result<uint64_t> parse_size(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorCode::Usage, fmt::format("'{}' is not a size: {}", printable(text, 60), why),
                "write a number and a unit, such as 512, 200M, 1.5G or 2GiB");
  };
  std::string_view rest = text;
  const std::string_view whole_digits = take_digits(rest);
  if (whole_digits.empty()) return refuse("it does not start with a digit");

  std::string_view fraction_digits;
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    fraction_digits = take_digits(rest);
    if (fraction_digits.empty()) return refuse("no digit follows the point");
  }
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  const std::optional<uint64_t> unit = unit_bytes(rest);
  if (!unit) return refuse(fmt::format("'{}' is not a unit", printable(rest, 20)));
  if (*unit == 1 && !fraction_digits.empty()) return refuse("bytes have no fraction");

  std::optional<uint64_t> bytes = to_number(whole_digits);
  if (bytes) bytes = checked_mul(*bytes, *unit);
  if (bytes) bytes = checked_add(*bytes, fraction_of(fraction_digits, *unit));
  if (!bytes) return refuse("it is above 16 EiB");
  return *bytes;
}

std::string format_bytes(uint64_t bytes) {
  static constexpr std::array<std::string_view, 7> kUnits = {"B",   "KiB", "MiB", "GiB",
                                                             "TiB", "PiB", "EiB"};
  return scaled(bytes, 1024, kUnits);
}

std::string format_count(uint64_t count) {
  static constexpr std::array<std::string_view, 6> kUnits = {"", "K", "M", "B", "T", "Q"};
  return scaled(count, 1000, kUnits);
}

std::string format_grouped(uint64_t number) {
  std::string text = fmt::format("{}", number);
  for (size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, 1, ',');
  return text;
}

std::string counted(uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", format_grouped(number), noun, number == 1 ? "" : "s");
}

std::string counted(uint64_t number, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", format_grouped(number), number == 1 ? one : many);
}

std::string format_seconds(double seconds) {
  if (!std::isfinite(seconds)) return "?";
  seconds = std::max(seconds, 0.0);  // a clock that was set back
  if (seconds < 0.00995) return fmt::format("{:.1f} ms", seconds * 1000);
  if (seconds < 0.9995) return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  if (seconds < 59.5) return fmt::format("{:.0f} s", seconds);
  if (seconds > 1e9) return "years";
  const auto whole = static_cast<uint64_t>(seconds + 0.5);
  if (whole < 3600) return fmt::format("{}m {}s", whole / 60, whole % 60);
  if (whole < 86'400) return fmt::format("{}h {}m", whole / 3600, whole / 60 % 60);
  return fmt::format("{}d {}h", whole / 86'400, whole / 3600 % 24);
}

}  // namespace stkit
