// Whether the entries of a header, taken together, are right: every name once, every byte of the
// data in exactly one tensor.
#pragma once

#include <cstdint>

#include "formats/finding_log.h"
#include "formats/safetensors_entries.h"
#include "stkit/io.h"

namespace stkit {

// Of entries with one name keeps one: of tensors the last, as the Rust library does, and none that
// is broken if it can. Time O(n log n) whatever the names are.
void drop_duplicate_names(SafetensorsEntries& entries, FindingLog& log);

// By begin, then end, then name.
void sort_by_place(SafetensorsEntries& entries);

// Checks that the entries cover the data without overlap, hole, lack or rest. `data_start` is where
// the data begins in `file`. REQUIRES: entries in order of place; no end beyond 2^64 - data_start.
Result<void> check_coverage(const RandomAccessFile& file, uint64_t data_start,
                            const SafetensorsEntries& entries, FindingLog& log);

}  // namespace stkit
