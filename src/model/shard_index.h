// The index of a sharded model, model.safetensors.index.json:
//
//   {"metadata": {"total_size": 688586727753, ...},
//    "weight_map": {"model.embed_tokens.weight": "model-00001-of-00163.safetensors", ...}}
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "stkit/finding.h"
#include "stkit/io.h"

namespace stkit {

struct ShardIndex {
  struct Entry {
    std::string_view tensor;
    uint32_t file;  // index into `files`
  };
  Arena storage;                        // of the names below
  std::vector<Entry> entries;           // in the order of the text, duplicates included
  std::vector<std::string_view> files;  // distinct, in order of first use; not checked in any way
  std::optional<double> total_size;     // old writers store a float; exact below 2^53 anyway
  bool usable = false;                  // it has a weight_map that could be read to its end
  std::vector<Finding> findings;        // without cross-checks, which need the shards
};

// `padded_text` is followed by kJsonPadding readable bytes; `path` names it in findings.
ShardIndex parse_shard_index(std::string_view padded_text, const std::string& path);

// Reads it whole. An index beyond `max_bytes` is a finding; only the operating system's errors are
// errors.
Result<ShardIndex> read_shard_index(const RandomAccessFile& file, uint64_t max_bytes);

}  // namespace stkit
