// Importance matrices: how much each input column of a weight matters, as the mean of the squared
// activations that a calibration text made. Two forms, told apart by the magic of GGUF:
//
//   GGUF     for each weight W two F32 tensors: W.in_sum2 [matrices, columns], the sums of squares,
//            and W.counts [matrices, 1], how many activations each is a sum of. A weight that
//            stacks the experts of a layer has one matrix an expert.
//   legacy   i32 n_entries, then for each: i32 length, name, i32 n_calls, i32 n_values, f32 values,
//            which are sums over n_calls. Behind them may follow: i32 n_chunks, i32 length, the
//            path of the calibration text.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "stkit/error.h"
#include "stkit/finding.h"
#include "stkit/io.h"

namespace stkit {

struct ImatrixEntry {
  std::string_view name;  // of the weight, as GGUF names it: "blk.0.ffn_down.weight"
  // Means, finite and not negative: those of the columns of the first matrix, then of the second.
  std::span<const float> values;
  uint64_t matrices = 0;  // 0 in the legacy form, which does not tell

  // The means for a weight of this shape; a Corrupt error when they are not for such a one.
  Result<std::span<const float>> values_for(uint64_t matrices, uint64_t columns) const;
};

struct Imatrix {
  Arena storage;                      // of all the views below
  std::vector<ImatrixEntry> entries;  // by name, each once
  std::vector<std::string_view> datasets;
  uint64_t chunk_count = 0;  // of the calibration text; 0 when the file does not tell
  uint64_t chunk_size = 0;   // tokens in a chunk; 0 when the file does not tell
  bool legacy = false;
  // Warnings and notes only. An entry with values that no mean of squares can have is left out.
  std::vector<Finding> findings;

  const ImatrixEntry* find(std::string_view name) const;  // null when there is none
};

// That of a model of a trillion weights in 384 experts a layer has 1.5 GB.
inline constexpr uint64_t kMaxImatrixBytes = uint64_t{4} << 30;

// Reads all of `file`. Fails with Corrupt where it is no importance matrix or a damaged one.
Result<Imatrix> read_imatrix(const RandomAccessFile& file);

}  // namespace stkit
