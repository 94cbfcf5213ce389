#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "kernels/stats_blocks.h"

namespace stkit::kernels {
namespace {

template <class T>
T element(std::span<const uint8_t> bytes, size_t index) {
  T value;
  std::memcpy(&value, &bytes[index * sizeof(T)], sizeof(T));
  return value;
}

// Exact up to 32 bits. Of 64 bits the difference is taken before it is rounded, so that large
// values that lie close together keep their spread.
template <class T>
double difference(T value, T pilot) {
  if constexpr (sizeof(T) < 8) {
    return static_cast<double>(static_cast<int64_t>(value) - static_cast<int64_t>(pilot));
  } else {
    const auto a = static_cast<uint64_t>(value), b = static_cast<uint64_t>(pilot);
    return value >= pilot ? static_cast<double>(a - b) : -static_cast<double>(b - a);
  }
}

// Calls use(difference from the first element) for each, and adds up what it returns. In lanes, so
// that additions overlap.
template <class T, class Use>
double sum_over(std::span<const uint8_t> bytes, Use use) {
  constexpr size_t kLanes = 4;
  double sum[kLanes] = {};
  const T first = element<T>(bytes, 0);
  const size_t count = bytes.size() / sizeof(T);
  for (size_t i = 0; i < count; ++i)
    sum[i % kLanes] += use(difference(element<T>(bytes, i), first));
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

template <class T>
StatsAccumulator block_stats(std::span<const uint8_t> bytes) {
  const size_t count = bytes.size() / sizeof(T);
  const T first = element<T>(bytes, 0);
  T low = first, high = first;
  StatsAccumulator stats;
  for (size_t i = 0; i < count; ++i) {
    const T value = element<T>(bytes, i);
    low = std::min(low, value);
    high = std::max(high, value);
    stats.zero += value == 0;
  }
  const double offset =
      sum_over<T>(bytes, [](double apart) { return apart; }) / static_cast<double>(count);
  stats.finite = count;
  stats.min = static_cast<double>(low);
  stats.max = static_cast<double>(high);
  stats.scaled_mean = static_cast<double>(first) + offset;
  stats.scaled_squares =
      sum_over<T>(bytes, [=](double apart) { return (apart - offset) * (apart - offset); });
  return stats;
}

template <class T>
void add_blocks(std::span<const uint8_t> bytes, StatsAccumulator& into) {
  while (!bytes.empty()) {
    const auto block = bytes.first(std::min(bytes.size(), kStatsBlockElements * sizeof(T)));
    into.merge(block_stats<T>(block));
    bytes = bytes.subspan(block.size());
  }
}

}  // namespace

void add_integer_stats(DType dtype, std::span<const uint8_t> bytes, StatsAccumulator& into) {
  switch (dtype) {
    case DType::I16: return add_blocks<int16_t>(bytes, into);
    case DType::U16: return add_blocks<uint16_t>(bytes, into);
    case DType::I32: return add_blocks<int32_t>(bytes, into);
    case DType::U32: return add_blocks<uint32_t>(bytes, into);
    case DType::I64: return add_blocks<int64_t>(bytes, into);
    case DType::U64: return add_blocks<uint64_t>(bytes, into);
    default: STKIT_CHECK(false && "an integer dtype of 16 bits or more");
  }
}

}  // namespace stkit::kernels
