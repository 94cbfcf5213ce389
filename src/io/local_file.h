// Files of the local filesystem, below the level of paths: how open_local_file and LocalFolder
// open them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "io/system_calls.h"
#include "stkit/error.h"
#include "stkit/io.h"

namespace stkit {

// Opens a regular file for reading. Anything else is refused before it is opened, since opening a
// FIFO waits and opening a device can act on it; `path` is for messages.
Result<Descriptor> open_regular_file(SystemCalls& calls, int folder, const std::string& name,
                                     const std::string& path);

// `path` is looked at again by check_unchanged().
Result<std::unique_ptr<RandomAccessFile>> local_file(SystemCalls& calls, Descriptor descriptor,
                                                     std::string path, Access access);

Result<std::unique_ptr<RandomAccessFile>> open_local_file(SystemCalls& calls,
                                                          const std::filesystem::path& path,
                                                          Access access);

}  // namespace stkit
