#include "formats/gguf_rules.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <ranges>

#include "base/checked_math.h"
#include "base/utf8.h"
#include "formats/finding_log.h"
#include "formats/tensor_names.h"
#include "stkit/tensor.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// Keys by which llama.cpp and others decide what to load: they ask for one type and refuse any
// other, or, in old versions, read one for the other.
struct KnownKey {
  std::string_view key;
  GgufType type;
  GgufType element = GgufType::U8;  // of an array
};

constexpr KnownKey kKnownKeys[] = {
    {"general.architecture", GgufType::String},
    {kGgufAlignmentKey, GgufType::U32},
    {"general.file_type", GgufType::U32},
    {"general.quantization_version", GgufType::U32},
    {"tokenizer.ggml.model", GgufType::String},
    {"tokenizer.ggml.tokens", GgufType::Array, GgufType::String},
    {"tokenizer.ggml.merges", GgufType::Array, GgufType::String},
    {"tokenizer.ggml.scores", GgufType::Array, GgufType::F32},
    {"tokenizer.ggml.token_type", GgufType::Array, GgufType::I32},
    {kGgufSplitNumberKey, GgufType::U16},
    {kGgufSplitCountKey, GgufType::U16},
    {kGgufSplitTensorsKey, GgufType::I32},
};

std::string type_text(GgufType type, GgufType element) {
  return type == GgufType::Array ? fmt::format("array of {}", name(element))
                                 : std::string(name(type));
}

void check_key(std::string_view key, GgufProblems& problems) {
  if (key.empty())
    problems.push_back({Check::GgufBadKey, "a metadata key is empty"});
  else if (key.size() > kGgufMaxKeyBytes)
    problems.push_back(
        {Check::GgufBadKey,
         fmt::format("the metadata key {} has {} bytes; at most {} are allowed", quoted_name(key),
                     format_grouped(key.size()), format_grouped(kGgufMaxKeyBytes))});
  else if (!is_utf8(key))
    problems.push_back({Check::GgufBadKey,
                        fmt::format("the metadata key {} is not valid UTF-8", quoted_name(key))});
}

void check_known_key(const GgufEntry& entry, GgufProblems& problems) {
  const auto* const row = std::ranges::find(kKnownKeys, entry.key, &KnownKey::key);
  if (row == std::end(kKnownKeys)) return;
  const GgufType type = type_of(entry.value);
  const auto* const array = std::get_if<GgufArray>(&entry.value);
  const GgufType element = array == nullptr ? row->element : array->element;
  if (type == row->type && element == row->element) return;
  problems.push_back({Check::GgufKeyType,
                      fmt::format("{} is of type {}, not {}", entry.key, type_text(type, element),
                                  type_text(row->type, row->element))});
}

void check_strings(std::string_view key, std::span<const std::string_view> strings,
                   GgufProblems& problems) {
  const auto bad = std::ranges::find_if_not(strings, is_utf8);
  if (bad != strings.end())
    problems.push_back({Check::GgufBadValue,
                        fmt::format("string {} of {} is not valid UTF-8: {}",
                                    format_grouped(static_cast<uint64_t>(bad - strings.begin())),
                                    quoted_name(key), quoted_name(*bad))});
}

void check_array(std::string_view key, const GgufArray& array, GgufProblems& problems) {
  if (array.element == GgufType::String) return check_strings(key, array.strings, problems);
  if (array.element != GgufType::Bool) return;
  const auto bad =
      std::ranges::find_if(array.numbers, [](std::byte b) { return b > std::byte{1}; });
  if (bad != array.numbers.end())
    problems.push_back(
        {Check::GgufBadValue, fmt::format("a boolean of {} is {}, not 0 or 1", quoted_name(key),
                                          std::to_integer<int>(*bad))});
}

void check_token_lists(std::span<const GgufEntry> metadata, GgufProblems& problems) {
  const auto* const tokens = as_array(find(metadata, "tokenizer.ggml.tokens"), GgufType::String);
  if (tokens == nullptr) return;
  constexpr std::pair<std::string_view, GgufType> kLists[] = {
      {"tokenizer.ggml.scores", GgufType::F32}, {"tokenizer.ggml.token_type", GgufType::I32}};
  for (const auto& [key, element] : kLists) {
    const auto* const list = as_array(find(metadata, key), element);
    if (list != nullptr && list->size() != tokens->size())
      problems.push_back(
          {Check::GgufTokenCount,
           fmt::format("{} has {} elements, but there are {} tokens", key,
                       format_grouped(list->size()), format_grouped(tokens->size()))});
  }
}

void check_block_count(std::span<const GgufEntry> metadata, uint64_t tensors,
                       GgufProblems& problems) {
  // A vocabulary has no tensors; a part of a split model has those of some blocks.
  if (tensors == 0 || find(metadata, kGgufSplitCountKey) != nullptr) return;
  const auto architecture = as_string(find(metadata, "general.architecture"));
  if (!architecture) return;
  const std::string key = fmt::format("{}.block_count", *architecture);
  const auto blocks = as_uint(find(metadata, key));
  if (blocks && *blocks > tensors)
    problems.push_back({Check::GgufBlockCount,
                        fmt::format("{} is {}, but the file has {} tensors", quoted_name(key),
                                    format_grouped(*blocks), format_grouped(tensors))});
}

void check_split(std::span<const GgufEntry> metadata, uint64_t tensors, GgufProblems& problems) {
  const GgufValue* const count = find(metadata, kGgufSplitCountKey);
  if (count == nullptr) return;
  const auto split = gguf_split(metadata);
  if (!split)
    problems.push_back(
        {Check::GgufSplit, "split.count, split.no and split.tensors.count do not fit together"});
  else if (split->tensors < tensors)
    problems.push_back(
        {Check::GgufSplit, fmt::format("split.tensors.count is {}, but this part has {} tensors",
                                       format_grouped(split->tensors), format_grouped(tensors))});
}

std::string shape_text(std::span<const uint64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ","));
}

// ggml counts elements and bytes in int64_t.
constexpr uint64_t kMaxSigned = std::numeric_limits<int64_t>::max();

std::optional<uint64_t> signed_product(std::span<const uint64_t> shape) {
  uint64_t product = 1;
  for (const uint64_t dimension : shape) {
    const auto next = checked_mul(product, dimension);
    if (!next || *next > kMaxSigned) return std::nullopt;
    product = *next;
  }
  return product;
}

}  // namespace

void check_gguf_entry(const GgufEntry& entry, GgufProblems& problems) {
  check_key(entry.key, problems);
  check_known_key(entry, problems);
  if (entry.key == kGgufAlignmentKey) {
    const auto* const alignment = std::get_if<uint32_t>(&entry.value);
    if (alignment != nullptr && !is_gguf_alignment(*alignment))
      problems.push_back(
          {Check::GgufAlignment,
           fmt::format("general.alignment is {}, not a power of two up to {}",
                       format_grouped(*alignment), format_grouped(kGgufMaxAlignment))});
  }
  if (const auto* const text = std::get_if<std::string_view>(&entry.value);
      text != nullptr && !is_utf8(*text))
    problems.push_back({Check::GgufBadValue,
                        fmt::format("the value of {} is not valid UTF-8", quoted_name(entry.key))});
  if (const auto* const array = std::get_if<GgufArray>(&entry.value))
    check_array(entry.key, *array, problems);
}

void check_gguf_metadata(std::span<const GgufEntry> metadata, uint64_t tensors,
                         GgufProblems& problems) {
  check_token_lists(metadata, problems);
  check_block_count(metadata, tensors, problems);
  check_split(metadata, tensors, problems);
}

std::vector<std::string_view> repeated_gguf_keys(std::span<const GgufEntry> metadata) {
  std::vector<uint32_t> order(metadata.size());
  std::ranges::copy(std::views::iota(uint32_t{0}, static_cast<uint32_t>(order.size())),
                    order.begin());
  std::ranges::sort(order, [&](uint32_t a, uint32_t b) {
    return std::pair(metadata[a].key, a) < std::pair(metadata[b].key, b);
  });
  std::vector<uint32_t> repeated;
  for (size_t i = 1; i < order.size(); ++i)
    if (metadata[order[i - 1]].key == metadata[order[i]].key) repeated.push_back(order[i]);
  std::ranges::sort(repeated);
  std::vector<std::string_view> keys;
  for (const uint32_t index : repeated) keys.push_back(metadata[index].key);
  return keys;
}

bool is_gguf_alignment(uint64_t value) {
  return std::has_single_bit(value) && value <= kGgufMaxAlignment;
}

uint32_t gguf_alignment(std::span<const GgufEntry> metadata) {
  const GgufValue* const value = find(metadata, kGgufAlignmentKey);
  const auto* const alignment = value == nullptr ? nullptr : std::get_if<uint32_t>(value);
  return alignment != nullptr && is_gguf_alignment(*alignment) ? *alignment : kGgufDefaultAlignment;
}

void check_gguf_tensor_name(std::string_view name, GgufProblems& problems) {
  if (name.empty())
    problems.push_back({Check::GgufTensorName, "a tensor has an empty name"});
  else if (name.size() > kGgufMaxNameBytes)
    problems.push_back(
        {Check::GgufTensorName,
         fmt::format("the name of tensor {} has {} bytes; at most {} are allowed",
                     quoted_name(name), format_grouped(name.size()), kGgufMaxNameBytes)});
  if (is_odd_tensor_name(name))
    problems.push_back(
        {Check::GgufOddTensorName,
         fmt::format("tensor {} has a name that is not fit for a file name", quoted_name(name))});
}

std::optional<GgufExtent> gguf_extent(std::string_view name, DType dtype,
                                      std::span<const uint64_t> shape, GgufProblems& problems) {
  const auto bad_shape = [&](std::string why) {
    problems.push_back(
        {Check::GgufBadShape, fmt::format("tensor {} {}", quoted_name(name), std::move(why))});
    return std::nullopt;
  };
  if (shape.empty() || shape.size() > kGgufMaxRank)
    return bad_shape(
        fmt::format("has {} dimensions, not 1 to {}", format_grouped(shape.size()), kGgufMaxRank));
  // ggml divides by them when it looks for overflow.
  if (std::ranges::find(shape, uint64_t{0}) != shape.end())
    return bad_shape(fmt::format("has shape {}, with a dimension of 0", shape_text(shape)));
  const auto elements = signed_product(shape);
  if (!elements)
    return bad_shape(
        fmt::format("has shape {}, which is 2^63 elements or more", shape_text(shape)));
  const DTypeInfo& type = info(dtype);
  if (shape.back() % type.block_elements != 0) {
    problems.push_back(
        {Check::GgufPartialBlock,
         fmt::format("tensor {} has rows of {} elements, which are not whole {} blocks of {}",
                     quoted_name(name), format_grouped(shape.back()), type.name,
                     type.block_elements)});
    return std::nullopt;
  }
  const auto bytes = checked_mul(*elements / type.block_elements, uint64_t{type.block_bytes});
  if (!bytes || *bytes > kMaxSigned)
    return bad_shape(fmt::format("has shape {} of {}, which takes 2^63 bytes or more",
                                 shape_text(shape), type.name));
  return GgufExtent{*elements, *bytes};
}

std::optional<GgufSplit> gguf_split(std::span<const GgufEntry> metadata) {
  const auto count = as_uint(find(metadata, kGgufSplitCountKey));
  const auto number = as_uint(find(metadata, kGgufSplitNumberKey));
  const auto tensors = as_uint(find(metadata, kGgufSplitTensorsKey));
  if (!count || !number || !tensors) return std::nullopt;
  if (*number >= *count || *count > std::numeric_limits<uint16_t>::max()) return std::nullopt;
  return GgufSplit{static_cast<uint16_t>(*number), static_cast<uint16_t>(*count), *tensors};
}

}  // namespace stkit
