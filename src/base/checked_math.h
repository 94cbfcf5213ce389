// Arithmetic on numbers from files: nothing wraps, nothing is assumed.
#pragma once

#include <concepts>
#include <optional>

namespace stkit {

template <std::unsigned_integral T>
constexpr std::optional<T> checked_add(T a, T b) {
  T sum;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

template <std::unsigned_integral T>
constexpr std::optional<T> checked_mul(T a, T b) {
  T product;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// Up to the next multiple. REQUIRES: multiple > 0.
template <std::unsigned_integral T>
constexpr std::optional<T> checked_round_up(T value, T multiple) {
  const T rest = value % multiple;
  return rest == 0 ? std::optional<T>(value) : checked_add(value, static_cast<T>(multiple - rest));
}

}  // namespace stkit
