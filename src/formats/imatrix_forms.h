// The two forms of importance matrices, before their values are looked at.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "formats/finding_log.h"
#include "formats/imatrix_reader.h"
#include "stkit/error.h"
#include "stkit/io.h"

namespace stkit {

// Both fill everything of `imatrix` but its findings; entries are in the order of the file, a name
// may occur twice, and values may be anything.
Result<void> read_legacy_imatrix(const RandomAccessFile& file, Imatrix& imatrix);
Result<void> read_gguf_imatrix(const RandomAccessFile& file, Imatrix& imatrix, FindingLog& log);

}  // namespace stkit
