#pragma once

#include <cstdint>

namespace stkit {

// Whether a filesystem is known to live on this machine alone. Only then are files mapped: where a
// server or a daemon stands behind the pages, each fault is a round trip, and a lost connection is
// SIGBUS or a hang. Only then, too, does flock bind everybody who can see the file.
// `magic` is f_type of statfs.
bool is_local_filesystem(uint64_t magic);

// The same for an open file; false when the system does not say.
bool is_on_local_filesystem(int file);

// Whether the file is on a filesystem whose only disk is the page cache (tmpfs, ramfs).
bool is_on_memory_filesystem(int file);

// Whether files there may share blocks. XFS and ZFS can only when they were made so.
bool is_on_sharing_filesystem(int file);

}  // namespace stkit
