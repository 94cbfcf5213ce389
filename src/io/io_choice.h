// Whether the bytes of an output go through the page cache or past it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "io/assembly.h"
#include "io/write_back.h"

namespace stkit {

struct IoChoice {
  bool direct_read = false;
  bool direct_write = false;
  WriteBack::Kind write_back = WriteBack::Kind::None;  // of what is not written directly
  bool drop_sources = false;                           // of what is not read directly
};

// What was seen that the choice depends on.
struct IoFacts {
  enum class Cached : uint8_t { Mostly, Hardly, Unknown };

  uint64_t output_bytes = 0;
  uint64_t memory_bytes = 0;  // of the machine
  Cached sources = Cached::Unknown;
  bool synced = false;
  bool on_local_disk = false;  // the output
};

IoChoice choose_io(IoMode mode, const IoFacts& facts);

// How much of the sources is in the page cache, by samples spread evenly over their bytes.
Result<IoFacts::Cached> sample_page_cache(SystemCalls& calls, std::span<const Segment> segments,
                                          uint64_t file_bytes, const AssemblyOptions& options);

Result<IoFacts> look_at_io(AtomicOutput& output, std::span<const Segment> segments,
                           uint64_t file_bytes, const AssemblyOptions& options);

}  // namespace stkit
