// The `-00001-of-00003` in names of weight files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace stkit {

//   model-00002-of-00005.fp16.safetensors
//   stem  number   count suffix
struct ShardName {
  std::string_view stem;
  std::string_view suffix;
  uint32_t number = 0;
  uint32_t count = 0;
  size_t digits = 0;            // of the number as written
  std::string_view count_text;  // "00005"

  // The same for all files of a set.
  auto set_key() const { return std::tuple(stem, count_text, suffix); }
};

std::optional<ShardName> parse_shard_name(std::string_view file_name);

// "model-*-of-00005.fp16.safetensors"
std::string set_pattern(const ShardName& shard);

}  // namespace stkit
