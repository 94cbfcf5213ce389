#include "model/shard_name.h"

#include <fmt/format.h>

#include <charconv>

#include "base/ascii.h"

namespace stkit {
namespace {

// More digits than any set has; keeps the numbers far from overflow.
constexpr size_t kMaxDigits = 8;

using ascii::is_digit;

}  // namespace

std::optional<ShardName> parse_shard_name(std::string_view file_name) {
  constexpr std::string_view kOf = "-of-";
  const size_t of = file_name.rfind(kOf);
  if (of == std::string_view::npos) return std::nullopt;

  size_t number_begin = of;
  while (number_begin > 0 && is_digit(file_name[number_begin - 1])) --number_begin;
  const size_t count_begin = of + kOf.size();
  size_t count_end = count_begin;
  while (count_end < file_name.size() && is_digit(file_name[count_end])) ++count_end;

  const size_t digits = of - number_begin;
  if (digits == 0 || digits > kMaxDigits || count_end == count_begin ||
      count_end - count_begin > kMaxDigits || number_begin == 0 ||
      file_name[number_begin - 1] != '-')
    return std::nullopt;

  ShardName shard{.stem = file_name.substr(0, number_begin - 1),
                  .suffix = file_name.substr(count_end),
                  .digits = digits,
                  .count_text = file_name.substr(count_begin, count_end - count_begin)};
  std::from_chars(file_name.data() + number_begin, file_name.data() + of, shard.number);
  std::from_chars(file_name.data() + count_begin, file_name.data() + count_end, shard.count);
  if (shard.count == 0 || shard.number > shard.count) return std::nullopt;
  return shard;
}

std::string set_pattern(const ShardName& shard) {
  return fmt::format("{}-*-of-{}{}", shard.stem, shard.count_text, shard.suffix);
}

}  // namespace stkit
