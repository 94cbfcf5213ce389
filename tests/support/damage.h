// What a transfer, a disk or an attacker does to a file, one change at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace stkit::test {

// look(bytes) for every text that is shorter than `good` and starts it, the empty one first.
template <class Look>
void for_each_truncation(const std::string& good, const Look& look) {
  for (size_t length = 0; length < good.size(); ++length) look(good.substr(0, length));
}

// look(bytes, at) for `good` with the byte at `at` changed by each mask, for every byte.
template <class Look>
void for_each_flipped_byte(const std::string& good, std::span<const uint8_t> masks,
                           const Look& look) {
  for (size_t at = 0; at < good.size(); ++at)
    for (const uint8_t mask : masks) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(static_cast<uint8_t>(bytes[at]) ^ mask);
      look(std::move(bytes), at);
    }
}

template <class Look>
void for_each_flipped_bit(const std::string& good, const Look& look) {
  constexpr uint8_t kBits[] = {1, 2, 4, 8, 16, 32, 64, 128};
  for_each_flipped_byte(good, kBits, look);
}

}  // namespace stkit::test
