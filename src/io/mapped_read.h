// Reading mapped bytes of a file that somebody else may truncate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/function_ref.h"
#include "stkit/error.h"
#include "stkit/io.h"

namespace stkit {

// Calls `use` with bytes [offset, offset + size) of file.mapped(). When the kernel can no longer
// deliver them (the file was truncated, the disk failed), `use` is abandoned where it stands and
// the error is InputChanged, instead of SIGBUS ending the process.
//
// REQUIRES: the range lies inside file.mapped(). `use` only computes: it is left by a jump, so what
// it locked would stay locked and what it allocated would leak. Nothing of what it computed may be
// used after an error. Not nested within one thread.
Result<void> use_mapped(const RandomAccessFile& file, uint64_t offset_bytes, uint64_t size_bytes,
                        FunctionRef<void(std::span<const std::byte>)> use);

}  // namespace stkit
