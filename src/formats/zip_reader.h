// Zip archives, as far as PyTorch and NumPy write them: the directory at the end, entries as runs
// of the file.
//
//   +--------------+-------------+------------+----- - - -----+-----------+-----------+------+
//   | local header | data of one | descriptor | more entries  | central   | zip64 end | end  |
//   | 30 B + names | entry       | (optional) |               | directory | + locator | 22 B |
//   +--------------+-------------+------------+----- - - -----+-----------+-----------+------+
//
// The directory says where each local header is; the header says again what the directory said.
// Readers that believe different copies of a fact see different files, so an archive that
// contradicts itself anywhere is refused: its own code for the reason that libraries which hide
// the local headers could not tell.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "stkit/error.h"
#include "stkit/finding.h"
#include "stkit/io.h"

namespace stkit {

enum class ZipMethod : uint16_t { Stored = 0, Deflated = 8 };

struct ZipEntry {
  std::string_view name;
  uint64_t header_offset = 0;
  uint64_t data_offset = 0;  // from the start of the file
  uint64_t stored_bytes = 0;
  uint64_t size_bytes = 0;  // == stored_bytes of a stored one
  uint32_t crc = 0;         // torch can leave out to compute it
  ZipMethod method = ZipMethod::Stored;
};

struct ZipDirectory {
  Arena storage;                  // of the names
  std::vector<ZipEntry> entries;  // by name
  uint64_t data_end = 0;          // where the central directory starts
  std::vector<Finding> findings;  // of severity Error: `entries` are then not to be used

  const ZipEntry* find(std::string_view name) const;
  bool sound() const { return findings.empty(); }
};

// A directory of more bytes is refused; it takes memory three times over.
// Fails only when the file cannot be read; what is wrong with its content is in `findings`.
Result<ZipDirectory> read_zip_directory(const RandomAccessFile& file, uint64_t max_directory_bytes);

// The content of a small entry, decompressed and with its CRC compared. Corrupt when it is larger
// than `max_bytes`, whatever it claims.
struct ZipContent {
  std::vector<std::byte> bytes;
  bool crc_matches = true;
};
Result<ZipContent> read_zip_entry(const RandomAccessFile& file, const ZipEntry& entry,
                                  uint64_t max_bytes);

}  // namespace stkit
