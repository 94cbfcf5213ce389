// Fills an output file from segments: bytes that lie in other files, bytes in memory, and bytes
// that are computed. The only way in which large outputs are written.
//
// Bytes of other files move as fast as the machine can: blocks are shared where the filesystem can
// do that, else copied by several threads, through the page cache or past it (io_choice.h). The
// output is cut into tiles (tiling.h), each filled from whatever lies in it and written once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <variant>

#include "base/function_ref.h"
#include "io/atomic_output.h"
#include "stkit/error.h"
#include "stkit/io.h"
#include "stkit/progress.h"
#include "stkit/writer.h"

namespace stkit {

// Computes bytes of an output. Thread-safe: called from many threads at once.
class BlockProducer {
 public:
  virtual ~BlockProducer() = default;

  // Fills `out` with the blocks from `first_block` on. Called once for each block of a segment, in
  // pieces that depend on the segments alone: never on threads, memory or the way bytes are
  // written. So a sum over the pieces, added up in their order, is the same in every run.
  virtual Result<void> produce(uint64_t first_block, std::span<std::byte> out) = 0;
};

struct Segment {
  struct FileBytes {
    uint32_t file;  // for AssemblyOptions::open_file
    uint64_t offset_bytes;
  };
  struct MemoryBytes {
    const std::byte* data;
  };
  struct ProducedBytes {
    BlockProducer* producer;
    uint64_t block_bytes;  // size_bytes is a multiple
  };
  struct Zeros {};

  uint64_t offset_bytes = 0;  // in the output
  uint64_t size_bytes = 0;
  std::variant<Zeros, FileBytes, MemoryBytes, ProducedBytes> content;
  uint32_t progress_item = kNoItem;  // whose `advance` is called with the bytes of it

  static constexpr uint32_t kNoItem = UINT32_MAX;
};

// The most bytes that one call of BlockProducer::produce is asked for.
inline constexpr uint64_t kProducedPieceBytes = uint64_t{1} << 20;

// Memory: 48 MiB of buffers unless run.max_memory_bytes says otherwise, but never less than one
// tile of 64 KiB and one piece of a producer; nothing grows with sizes. Threads: run.threads at
// most, and for plain copies 4; where the sources gain by more readers, and nobody says
// otherwise, 8.
struct AssemblyOptions {
  FunctionRef<Result<std::shared_ptr<const RandomAccessFile>>(uint32_t file)> open_file;
  IoMode mode = IoMode::Auto;
  RunOptions run;
  unsigned readers = 0;  // see Folder::useful_readers() of what is read
};

struct AssemblyReport {
  IoMode mode = IoMode::Auto;  // what was used for most bytes: Buffered or Direct
  uint64_t shared_bytes = 0;   // blocks that the output shares with its sources
  uint64_t copied_bytes = 0;   // from files
  uint64_t produced_bytes = 0;
};

// Writes every byte of `output`. REQUIRES: the segments are in the order of their offsets and cover
// the whole output, each byte once; run.progress was begun with the items that they name.
Result<AssemblyReport> assemble(AtomicOutput& output, std::span<const Segment> segments,
                                const AssemblyOptions& options);

}  // namespace stkit
