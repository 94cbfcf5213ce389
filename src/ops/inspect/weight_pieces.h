// Reading the weights of many tensors once, in parallel and in bounded memory: the plan of what is
// read together, and its execution.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "stkit/error.h"
#include "stkit/model.h"
#include "stkit/progress.h"

namespace stkit {

// A run of elements of one tensor. Where a tensor is cut depends on its dtype alone, so that what
// is computed piece by piece does not depend on how it was read.
struct WeightPiece {
  uint32_t tensor = 0;  // index into model.tensors()
  uint64_t first_element = 0;
  uint64_t element_count = 0;
};

// REQUIRES: tensors in ascending order, none of a GGML block type.
std::vector<WeightPiece> cut_into_pieces(const Model& model, std::span<const uint32_t> tensors);

// Calls use(piece, worker, bytes) with the bytes of each piece, in one part or in several that
// follow each other and are multiples of kernels::kStatsBlockElements. Parts of one piece come from
// one thread, in order; pieces in any order from up to weight_threads(run) threads. `use` only
// computes (see use_mapped), and what it computed counts for nothing after an error.
using UseWeights =
    FunctionRef<void(size_t piece, unsigned worker, std::span<const std::byte> bytes)>;
Result<void> read_pieces(const Model& model, std::span<const WeightPiece> pieces,
                         std::string_view action, const RunOptions& run, UseWeights use);

// As many as asked for, but for those whose memory would pass the bound.
unsigned weight_threads(const RunOptions& run);

}  // namespace stkit
