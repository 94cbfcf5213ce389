#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace stkit {

// Bytes that can be written where `path` is, or where it would be made. Nothing when the filesystem
// does not say, as some on FUSE do not.
std::optional<uint64_t> free_space(const std::filesystem::path& path);

}  // namespace stkit
