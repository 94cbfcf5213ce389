// Deflated entries of a zip archive, each as a file that reads at an offset.
//
// A deflate stream reads from front to back only. So what was read up to somewhere is kept, and who
// asks for what follows goes on from there; who asks for what lies in front starts again. Whole
// tensors are read in their order, by a few threads, each of which goes through the stream once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "formats/zip_reader.h"
#include "stkit/error.h"
#include "stkit/io.h"

namespace stkit {

// Of one archive. Thread-safe. Memory: about 110 KiB for each of the streams that are kept, of
// which there are two a core and at least 16, however many entries.
class InflatedEntries {
 public:
  using OpenArchive = std::function<Result<std::shared_ptr<const RandomAccessFile>>()>;

  // `label` is the archive's. `open` is called for each stream, so that none keeps a descriptor
  // that nobody reads from.
  InflatedEntries(std::string label, OpenArchive open);

  // The content of an entry. What is damaged, or ends elsewhere than the directory says, is Corrupt
  // when the place is read; so is a CRC-32 that is another, by who reads the last byte.
  // REQUIRES: entry.method == ZipMethod::Deflated, and a sound directory.
  std::shared_ptr<const RandomAccessFile> open(const ZipEntry& entry) const;

  // Whether the entry can be as large as it claims: no stream grows more than 1032-fold.
  static bool is_possible_size(const ZipEntry& entry);

 private:
  class Streams;
  class File;
  std::shared_ptr<Streams> streams_;
};

}  // namespace stkit
