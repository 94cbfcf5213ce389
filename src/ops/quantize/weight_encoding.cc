#include "ops/quantize/weight_encoding.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "kernels/block_scale_check.h"
#include "kernels/convert.h"
#include "kernels/decode.h"
#include "kernels/encode.h"
#include "kernels/half.h"
#include "kernels/magnitude.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// 8 KiB of floats: a tile, what is read back of it and the kernels' own work stay in the L1 cache.
constexpr size_t kTileElements = 2048;

bool is_block(DType dtype) { return info(dtype).kind == DTypeKind::GgmlBlock; }

// No type of blocks has larger values, but for MXFP4, whose scales are powers of two: Q6_K with the
// largest half as its scale. Beyond, the squares that the search sums up overflow, too.
constexpr float kLargestInBlock = 65504.0f * 127 * 32;

// Of these the importance of a column is set against the size of the whole row.
bool looks_at_whole_rows(DType type) {
  return type == DType::Q4_0 || type == DType::Q4_1 || type == DType::Q5_0 || type == DType::Q5_1;
}

size_t bytes_of(DType dtype, uint64_t elements) {
  const auto bytes = storage_bytes(dtype, elements);
  STKIT_CHECK(bytes.has_value());
  return static_cast<size_t>(*bytes);
}

// Scratch of a thread, which outlives the calls.
struct TileBuffers {
  std::vector<float> values, decoded;
};
TileBuffers& buffers(size_t elements) {
  thread_local TileBuffers all;
  if (all.values.size() < elements) {
    all.values.resize(elements);
    all.decoded.resize(elements);
  }
  return all;
}

template <uint16_t (*kNarrow)(float)>
void narrow(std::span<const float> values, std::span<std::byte> out) {
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t half = kNarrow(values[i]);
    std::memcpy(&out[2 * i], &half, sizeof(half));
  }
}

}  // namespace

WeightEncoding::WeightEncoding(const TensorInfo& source, DType to,
                               const WeightEncodingOptions& options)
    : source_(source),
      to_(to),
      options_(options),
      columns_(source.shape.empty() ? 1 : source.shape.back()),
      rows_(source.shape.size() < 2 ? 1 : source.shape[source.shape.size() - 2]),
      unit_elements_(std::max(info(source.dtype).block_elements, info(to).block_elements)) {
  if (!options.importance.empty() && looks_at_whole_rows(to)) unit_elements_ = columns_;
}

size_t WeightEncoding::tile_elements(uint64_t first_element, uint64_t left) const {
  uint64_t most = kTileElements;
  if (!options_.importance.empty()) {
    // The importance of a tile is one run.
    most =
        unit_elements_ == columns_ ? columns_ : std::min(most, columns_ - first_element % columns_);
  }
  return static_cast<size_t>(std::min(left, most));
}

Result<void> WeightEncoding::encode(uint64_t first_element, std::span<const std::byte> in,
                                    std::span<std::byte> out) {
  kernels::ErrorSums errors;
  uint64_t first = first_element;
  uint64_t left = kernels::value_count(source_.dtype, in.size());
  while (left > 0) {
    const size_t count = tile_elements(first, left);
    Tile tile{first, in.first(bytes_of(source_.dtype, count)), out.first(bytes_of(to_, count)),
              std::span(buffers(count).values).first(count)};
    STKIT_TRY(encode_tile(tile, errors));
    in = in.subspan(tile.in.size());
    out = out.subspan(tile.out.size());
    first += count;
    left -= count;
  }
  if (options_.measure) errors_.add(first_element, errors);
  return {};
}

Result<void> WeightEncoding::encode_tile(Tile& tile, kernels::ErrorSums& errors) {
  if (is_block(source_.dtype))
    kernels::decode_blocks(source_.dtype, tile.in, tile.values);
  else
    kernels::to_float(source_.dtype, tile.in, tile.values);
  tile.largest = kernels::largest_magnitude(tile.values);
  if (!std::isfinite(tile.largest)) STKIT_TRY(treat_non_finite(tile));
  write_values(tile);
  STKIT_TRY(check_range(tile));
  if (options_.measure) measure(tile, errors);
  return {};
}

Result<void> WeightEncoding::treat_non_finite(Tile& tile) {
  const bool zero = options_.on_non_finite == NonFinite::Zero;
  uint64_t count = 0;
  for (size_t i = 0; i < tile.values.size(); ++i) {
    if (std::isfinite(tile.values[i])) continue;
    if (options_.on_non_finite == NonFinite::Error)
      return fail(describe(tile, i, ErrorCode::Corrupt, "")
                      .with_hint("--nan zero takes such values as zeros, --nan keep leaves them"));
    if (zero) tile.values[i] = 0;
    ++count;
  }
  non_finite_ += count;
  tile.was_changed = zero;
  tile.has_non_finite = !zero;
  tile.largest = kernels::largest_magnitude(tile.values);
  return {};
}

void WeightEncoding::write_values(const Tile& tile) const {
  const std::span<const float> values = tile.values;
  const auto as_bytes = std::as_bytes(values);
  if (to_ == source_.dtype && !tile.was_changed)
    std::ranges::copy(tile.in, tile.out.begin());
  else if (to_ == DType::F32)
    std::ranges::copy(as_bytes, tile.out.begin());
  else if (to_ == DType::F16)
    narrow<kernels::to_f16>(values, tile.out);
  else if (to_ == DType::BF16)
    narrow<kernels::to_bf16>(values, tile.out);
  else if (options_.importance.empty())
    kernels::encode_rows(to_, values, values.size(), {}, tile.out);
  else
    kernels::encode_rows(to_, values, values.size(), importance_of(tile), tile.out);
}

std::span<const float> WeightEncoding::importance_of(const Tile& tile) const {
  const uint64_t matrix = tile.first_element / columns_ / rows_;
  const uint64_t column = tile.first_element % columns_;
  return options_.importance.subspan(static_cast<size_t>(matrix * columns_ + column),
                                     tile.values.size());
}

// What is finite in the input must be finite in the output.
Result<void> WeightEncoding::check_range(const Tile& tile) const {
  if (to_ == DType::F32 || to_ == source_.dtype || tile.has_non_finite) return {};
  std::span<const float> suspects;
  if (!is_block(to_)) {
    // What rounds to infinity.
    const float limit = to_ == DType::F16 ? 65520.0f : 0x1.FFp127f;
    if (tile.largest >= limit) suspects = tile.values;
  } else if (to_ != DType::MXFP4 && tile.largest > kLargestInBlock) {
    suspects = tile.values;
  } else if (const auto block = kernels::first_block_without_scale(to_, tile.out)) {
    const size_t elements = info(to_).block_elements;
    suspects = tile.values.subspan(*block * elements, elements);
  }
  if (suspects.empty()) return {};
  const auto largest =
      std::ranges::max_element(suspects, {}, [](float value) { return std::fabs(value); });
  return fail(describe(tile, static_cast<size_t>(&*largest - tile.values.data()),
                       ErrorCode::Unsupported, fmt::format(", beyond the range of {}", name(to_)))
                  .with_hint(fmt::format("keep the tensor as it is: --keep '{}'",
                                         printable(source_.name))));
}

void WeightEncoding::measure(const Tile& tile, kernels::ErrorSums& errors) const {
  if (to_ == source_.dtype || to_ == DType::F32)
    return kernels::add_errors(tile.values, tile.values, errors);
  const auto decoded = std::span(buffers(tile.values.size()).decoded).first(tile.values.size());
  if (is_block(to_))
    kernels::decode_blocks(to_, tile.out, decoded);
  else
    kernels::to_float(to_, tile.out, decoded);
  kernels::add_errors(tile.values, decoded, errors);
}

// "tensor 'a.weight' holds NaN at element 12,345 of 262,144"
Error WeightEncoding::describe(const Tile& tile, size_t index, ErrorCode code,
                               std::string_view what) const {
  double value = tile.values[index];
  if (source_.dtype == DType::F64)
    std::memcpy(&value, &tile.in[index * sizeof(double)], sizeof(double));
  if (std::isfinite(value) && !std::isfinite(tile.values[index]))
    what = ", beyond the range of F32";
  const std::string text = std::isnan(value)   ? "NaN"
                           : std::isinf(value) ? (value < 0 ? "-Inf" : "Inf")
                                               : fmt::format("{}", value);
  return {code,
          fmt::format("tensor '{}' holds {} at element {} of {}{}", printable(source_.name), text,
                      format_grouped(tile.first_element + index),
                      format_grouped(source_.element_count), what),
          {},
          {}};
}

namespace {

template <class From, class To>
void widen_each(std::span<const std::byte> in, std::span<std::byte> out) {
  for (size_t i = 0; i < in.size() / sizeof(From); ++i) {
    From value;
    std::memcpy(&value, &in[i * sizeof(From)], sizeof(From));
    const To wide = static_cast<To>(value);
    std::memcpy(&out[i * sizeof(To)], &wide, sizeof(To));
  }
}

class IntegerWidening final : public Encoding {
 public:
  using Widen = void (*)(std::span<const std::byte> in, std::span<std::byte> out);
  explicit IntegerWidening(Widen widen) : widen_(widen) {}

  uint64_t unit_elements() const override { return 1; }
  Result<void> encode(uint64_t, std::span<const std::byte> in, std::span<std::byte> out) override {
    widen_(in, out);
    return {};
  }

 private:
  Widen widen_;
};

}  // namespace

std::unique_ptr<Encoding> make_integer_widening(DType from, DType to) {
  STKIT_CHECK((from == DType::BOOL && to == DType::I8) || (from == DType::U8 && to == DType::I16) ||
              (from == DType::U16 && to == DType::I32) || (from == DType::U32 && to == DType::I64));
  switch (from) {
    case DType::BOOL: return std::make_unique<IntegerWidening>(widen_each<uint8_t, int8_t>);
    case DType::U8: return std::make_unique<IntegerWidening>(widen_each<uint8_t, int16_t>);
    case DType::U16: return std::make_unique<IntegerWidening>(widen_each<uint16_t, int32_t>);
    default: return std::make_unique<IntegerWidening>(widen_each<uint32_t, int64_t>);
  }
}

}  // namespace stkit
