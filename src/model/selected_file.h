// What a file that was asked for by name is, by its content.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "model/shard_index.h"
#include "stkit/io.h"

namespace stkit {

enum class SelectedKind : uint8_t { Weights, TorchWeights, NumpyArrays, Index, Config };

// Unsupported, with what it seems to be, for anything else. Fills `index` when that is what it is.
// A broken file is still what its name promises, so that reading it can say what is wrong.
Result<SelectedKind> classify_selected(const Folder& folder, std::string_view selected,
                                       uint64_t max_index_bytes, std::optional<ShardIndex>& index);

}  // namespace stkit
