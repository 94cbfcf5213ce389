// What the JSON of a safetensors header says, entry by entry, before it is held against the file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/arena.h"
#include "base/json_reader.h"
#include "formats/finding_log.h"
#include "stkit/error.h"
#include "stkit/tensor.h"

namespace stkit {

// An entry that is not a tensor for one reason or another. Where its place is known, it still
// covers those bytes of the data.
struct BrokenEntry {
  std::string_view name;
  uint64_t begin = 0;
  uint64_t end = 0;
  bool placed = false;
};

struct SafetensorsEntries {
  // In the order of the text; offset_bytes counts from the start of the data.
  std::vector<TensorInfo> tensors;
  std::vector<BrokenEntry> broken;
  std::vector<std::pair<std::string, std::string>> metadata;
  bool has_metadata = false;
  bool complete = false;  // the text was JSON to its end
};

// No framework makes tensors of more dimensions (PyTorch and NumPy stop at 64). Without a bound, a
// header of short numbers would take 32 times its size in memory.
inline constexpr size_t kMaxRank = 64;

// Keys of `__metadata__` that are kept, for the same reason.
inline constexpr size_t kMaxMetadataKeys = 100'000;

// Reads `text`, which is followed by kJsonPadding bytes and stays as it is for as long as `storage`
// lives. Broken rules go to `log`; text that is not JSON ends the reading, with what was read until
// then in `entries`. Fails only for want of memory.
Result<void> read_safetensors_entries(std::string_view text, uint32_t file_index, Arena& storage,
                                      FindingLog& log, SafetensorsEntries& entries);

// The value of `__metadata__`, into entries.metadata.
Result<void> read_safetensors_metadata(JsonCursor value, FindingLog& log,
                                       SafetensorsEntries& entries);

}  // namespace stkit
