// How much a disk has to have free, and how much it has.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "io/system_calls.h"
#include "stkit/disk_space.h"
#include "stkit/error.h"

namespace stkit {

// The folder itself, or the nearest above it that is there already.
std::filesystem::path nearest_folder(const std::filesystem::path& folder);

// NoSpace, "<problem>: <cause>" about `label`, when fewer bytes are free where the file or folder
// `place` is. Where the filesystem does not say, what is written will show.
Result<void> check_free_space(SystemCalls& calls, int place, uint64_t needed_bytes,
                              const std::string& label, std::string_view problem);

// Says how much is needed and how much is free, if that is what the error is about.
Error with_space(SystemCalls& calls, int place, uint64_t needed_bytes, Error error);

}  // namespace stkit
