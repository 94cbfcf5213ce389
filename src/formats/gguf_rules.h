// What a GGUF file may hold. The reader reports what breaks these rules, the writer refuses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf_value.h"
#include "stkit/dtype.h"
#include "stkit/error.h"
#include "stkit/finding.h"

namespace stkit {

inline constexpr uint32_t kGgufDefaultAlignment = 32;
// The largest page that loaders map files by. Without a bound, padding could hide anything.
inline constexpr uint32_t kGgufMaxAlignment = 2 * 1024 * 1024;
inline constexpr size_t kGgufMaxNameBytes = 63;  // GGML_MAX_NAME is 64, with the final NUL
inline constexpr size_t kGgufMaxRank = 4;
inline constexpr size_t kGgufMaxKeyBytes = 65'535;
// Limits of ggml's reader: bytes of a string and elements of an array.
inline constexpr uint64_t kGgufMaxLength = uint64_t{1} << 30;
// No model comes near. It bounds what a header of tiny entries takes in memory.
inline constexpr uint64_t kGgufMaxKeys = 100'000;

struct GgufProblem {
  Check check;
  std::string message;
};
using GgufProblems = std::vector<GgufProblem>;

// Of one key and value: the key itself, text and booleans, the type that loaders expect.
void check_gguf_entry(const GgufEntry& entry, GgufProblems& problems);

// Of several keys that belong together: token lists, split.*, the number of blocks. Numbers that
// are there are in range; `tensors` is how many tensors this file has.
void check_gguf_metadata(std::span<const GgufEntry> metadata, uint64_t tensors,
                         GgufProblems& problems);

// Keys that occur again, in the order of the list. Time O(n log n).
std::vector<std::string_view> repeated_gguf_keys(std::span<const GgufEntry> metadata);

// general.alignment of the metadata; the default where there is none or no valid one.
uint32_t gguf_alignment(std::span<const GgufEntry> metadata);
bool is_gguf_alignment(uint64_t value);

void check_gguf_tensor_name(std::string_view name, GgufProblems& problems);

struct GgufExtent {
  uint64_t elements = 0;
  uint64_t bytes = 0;
};
// The size of a tensor, or nothing and why not. `shape` is outermost first.
std::optional<GgufExtent> gguf_extent(std::string_view name, DType dtype,
                                      std::span<const uint64_t> shape, GgufProblems& problems);

// A part of a split model.
struct GgufSplit {
  uint16_t number = 0;  // from 0; part 0 has the metadata of the model
  uint16_t count = 1;
  uint64_t tensors = 0;  // of all parts
};
// What split.* says; nothing without split.count, or where the keys contradict each other.
std::optional<GgufSplit> gguf_split(std::span<const GgufEntry> metadata);

inline constexpr std::string_view kGgufAlignmentKey = "general.alignment";
inline constexpr std::string_view kGgufSplitNumberKey = "split.no";
inline constexpr std::string_view kGgufSplitCountKey = "split.count";
inline constexpr std::string_view kGgufSplitTensorsKey = "split.tensors.count";

}  // namespace stkit
