// The ways to ask for a type without naming it.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "quant/mix.h"
#include "quant/types.h"
#include "stkit/quantize.h"

namespace stkit {
namespace {

struct BitsRow {
  uint64_t bits;
  std::string_view isq;
};
// There is no type of seven bits; the next better one stands in.
constexpr BitsRow kByBits[] = {{2, "q2k"}, {3, "q3k"},  {4, "q4k"}, {5, "q5k"},
                               {6, "q6k"}, {7, "q8_0"}, {8, "q8_0"}};

struct SliderRow {
  uint64_t from_percent;
  std::string_view isq;
};
constexpr SliderRow kBySlider[] = {{0, "q4k"}, {30, "q5k"}, {70, "q6k"}};
constexpr uint64_t kMaxPercent = 100;

constexpr std::string_view kProfiles[] = {"edge", "local", "cloud"};
constexpr std::string_view kProfileIsq[] = {"q4k", "q5k", "q6k"};
static_assert(std::size(kProfiles) == std::size(kProfileIsq));

constexpr std::string_view kTargetNames[] = {"gguf", "safetensors"};
constexpr std::string_view kNonFiniteNames[] = {"error", "zero", "keep"};

}  // namespace

std::span<const std::string_view> isq_names() {
  static const std::vector<std::string_view> kNames = [] {
    std::vector<std::string_view> all;
    for (const quant::QuantType& type : quant::types()) all.push_back(type.isq);
    return all;
  }();
  return kNames;
}

std::span<const std::string_view> mix_names() {
  static const std::vector<std::string_view> kNames = [] {
    std::vector<std::string_view> all;
    for (const quant::Mix& mix : quant::mixes()) all.push_back(mix.name);
    return all;
  }();
  return kNames;
}

Result<std::string_view> isq_for_bits(uint64_t bits) {
  const auto row = std::ranges::find(kByBits, bits, &BitsRow::bits);
  if (row != std::end(kByBits)) return row->isq;
  return fail(ErrorCode::Usage, fmt::format("no type has {} bits a weight", bits),
              "name 2 to 8 bits");
}

Result<std::string_view> isq_for_slider(uint64_t percent) {
  if (percent > kMaxPercent)
    return fail(ErrorCode::Usage, fmt::format("the slider stands at {}", percent),
                "0 is fastest, 100 is best");
  const auto row = std::ranges::upper_bound(kBySlider, percent, {}, &SliderRow::from_percent);
  return std::prev(row)->isq;
}

std::span<const std::string_view> isq_profile_names() { return kProfiles; }

Result<std::string_view> isq_for_profile(std::string_view profile) {
  const auto row = std::ranges::find(kProfiles, profile);
  if (row != std::end(kProfiles)) return kProfileIsq[row - std::begin(kProfiles)];
  return fail(ErrorCode::Usage, fmt::format("no profile '{}'", profile), "edge, local or cloud");
}

std::span<const std::string_view> quantize_target_names() { return kTargetNames; }

std::span<const std::string_view> non_finite_names() { return kNonFiniteNames; }

}  // namespace stkit
