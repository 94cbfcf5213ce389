#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace stkit::bench {

// Touches every byte, as fast as this CPU's vectors load them. Returns something that depends on
// all of them.
uint64_t read_memory(std::span<const std::byte> bytes);

}  // namespace stkit::bench
