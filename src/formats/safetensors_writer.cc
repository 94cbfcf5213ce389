#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>

#include "base/checked_math.h"
#include "base/utf8.h"
#include "formats/finding_log.h"
#include "stkit/json.h"
#include "stkit/text.h"
#include "stkit/writer.h"

namespace stkit {
namespace {

constexpr uint64_t kLengthBytes = 8;

// A name that would not read back as it is would be lost silently.
Result<void> check_text(std::string_view text, std::string_view what) {
  if (is_utf8(text)) return {};
  return fail(ErrorCode::Unsupported,
              fmt::format("{} {} is not valid UTF-8", what, quoted_name(text)));
}

Result<uint64_t> checked_size(const TensorSpec& spec) {
  STKIT_TRY(check_text(spec.name, "tensor name"));
  if (spec.name == "__metadata__")
    return fail(ErrorCode::Unsupported, "the name '__metadata__' is reserved by the format",
                "give the tensor another name");
  if (!info(spec.dtype).in_safetensors())
    return fail(ErrorCode::Unsupported,
                fmt::format("tensor {} has type {}, which safetensors does not have",
                            quoted_name(spec.name), name(spec.dtype)),
                "cast it, or write GGUF");
  const auto count = element_count(spec.shape);
  const auto bytes = count ? storage_bytes(spec.dtype, *count) : count;
  if (bytes) return bytes;
  Error error = bytes.error();
  error.message = fmt::format("tensor {}: {}", quoted_name(spec.name), error.message);
  return fail(std::move(error));
}

// By dtype rank, highest first, then by name: the order of the safetensors library, in which each
// tensor starts at a multiple of its element size when the first does.
Result<std::vector<uint32_t>> file_order(std::span<const TensorSpec> specs) {
  if (specs.size() > std::numeric_limits<uint32_t>::max())
    return fail(ErrorCode::Unsupported, "more than 2^32 tensors");
  std::vector<uint32_t> order(specs.size());
  std::iota(order.begin(), order.end(), 0u);
  const auto by_name = [&](uint32_t i) -> const std::string& { return specs[i].name; };
  std::ranges::sort(order, {}, by_name);
  const auto twice = std::ranges::adjacent_find(order, {}, by_name);
  if (twice != order.end())
    return fail(ErrorCode::Unsupported,
                fmt::format("two tensors have the name {}", quoted_name(by_name(*twice))),
                "rename or leave out one of them");
  std::ranges::sort(order, [&](uint32_t a, uint32_t b) {
    return std::tie(specs[b].dtype, specs[a].name) < std::tie(specs[a].dtype, specs[b].name);
  });
  return order;
}

void write_entry(JsonWriter& json, const TensorSpec& spec, uint64_t begin, uint64_t end) {
  json.key(spec.name).begin_object().field("dtype", name(spec.dtype));
  json.key("shape").begin_array();
  for (const uint64_t dimension : spec.shape) json.value(dimension);
  json.end_array().key("data_offsets").begin_array().value(begin).value(end).end_array();
  json.end_object();
}

Result<void> write_metadata(JsonWriter& json,
                            const std::map<std::string, std::string, std::less<>>& metadata) {
  if (metadata.empty()) return {};
  json.key("__metadata__").begin_object();
  for (const auto& [key, value] : metadata) {
    STKIT_TRY(check_text(key, "metadata key"));
    STKIT_TRY(check_text(value, "metadata value"));
    json.field(key, value);
  }
  json.end_object();
  return {};
}

// Puts the length in front of the JSON, and spaces behind it up to where the data starts.
Result<void> frame(std::string& header, const LayoutOptions& options) {
  const auto end = checked_round_up(uint64_t{header.size()}, options.data_alignment);
  const uint64_t length = end ? *end - kLengthBytes : header.size();
  if (!end || length > options.max_header_bytes)
    return fail(ErrorCode::Unsupported,
                fmt::format("the header takes {} bytes; the limit is {}", format_grouped(length),
                            format_grouped(options.max_header_bytes)),
                "split the model into more shards, or shorten its metadata");
  header.resize(static_cast<size_t>(*end), ' ');
  for (size_t i = 0; i < kLengthBytes; ++i) header[i] = static_cast<char>(length >> (8 * i) & 0xFF);
  return {};
}

}  // namespace

Result<SafetensorsLayout> plan_safetensors(
    std::span<const TensorSpec> specs,
    const std::map<std::string, std::string, std::less<>>& metadata, const LayoutOptions& options) {
  if (options.data_alignment == 0 || options.data_alignment % kLengthBytes != 0)
    return fail(ErrorCode::Usage, fmt::format("a data alignment of {} is not a multiple of 8",
                                              options.data_alignment));
  STKIT_ASSIGN(const std::vector<uint32_t> order, file_order(specs));

  SafetensorsLayout layout;
  layout.header.assign(kLengthBytes, '\0');
  layout.entries.reserve(order.size());
  JsonWriter json(layout.header);
  json.begin_object();
  STKIT_TRY(write_metadata(json, metadata));
  uint64_t end = 0;
  for (const uint32_t index : order) {
    STKIT_ASSIGN(const uint64_t size, checked_size(specs[index]));
    const auto next = checked_add(end, size);
    if (!next)
      return fail(ErrorCode::Unsupported, "the tensors together take more than 2^64 bytes");
    write_entry(json, specs[index], end, *next);
    layout.entries.push_back({index, end, size});
    end = *next;
  }
  json.end_object();
  STKIT_TRY(frame(layout.header, options));

  const auto file_bytes = checked_add(uint64_t{layout.header.size()}, end);
  if (!file_bytes)
    return fail(ErrorCode::Unsupported, "the tensors together take more than 2^64 bytes");
  layout.file_bytes = *file_bytes;
  for (auto& entry : layout.entries) entry.offset_bytes += layout.header.size();
  return layout;
}

}  // namespace stkit
