#include "io/filesystem.h"

#include <sys/vfs.h>

#include <algorithm>
#include <iterator>

namespace stkit {
namespace {

constexpr uint32_t kTmpfs = 0x01021994;
constexpr uint32_t kRamfs = 0x858458F6;

// From statfs(2) and the kernel's magic.h. A list of what is safe, because nobody can list every
// network filesystem (NFS, SMB, 9p, AFS, Ceph, Lustre, GPFS, everything on FUSE, virtiofs, ...).
constexpr uint32_t kLocalMagics[] = {
    0xEF53,      // ext2, ext3, ext4
    0x58465342,  // XFS
    0x9123683E,  // Btrfs
    0x2FC12FC1,  // ZFS
    0xCA451A4E,  // bcachefs
    0xF2F52010,  // F2FS
    kTmpfs,     kRamfs,
    0x794C7630,  // overlayfs, as in containers
    0x73717368,  // SquashFS
    0xE0F5E1E2,  // EROFS
};

}  // namespace

// Some architectures have the 32 bits of f_type in a wider, signed field.
bool is_local_filesystem(uint64_t magic) {
  return std::ranges::find(kLocalMagics, static_cast<uint32_t>(magic)) != std::end(kLocalMagics);
}

bool is_on_local_filesystem(int file) {
  struct statfs info;
  return ::fstatfs(file, &info) == 0 && is_local_filesystem(static_cast<uint64_t>(info.f_type));
}

bool is_on_memory_filesystem(int file) {
  struct statfs info;
  if (::fstatfs(file, &info) != 0) return false;
  const auto magic = static_cast<uint32_t>(info.f_type);
  return magic == kTmpfs || magic == kRamfs;
}

}  // namespace stkit
