#include "io/filesystem.h"

#include <sys/vfs.h>

#include <algorithm>
#include <iterator>
#include <optional>

namespace stkit {
namespace {

constexpr uint32_t kTmpfs = 0x01021994;
constexpr uint32_t kRamfs = 0x858458F6;
constexpr uint32_t kXfs = 0x58465342;
constexpr uint32_t kBtrfs = 0x9123683E;
constexpr uint32_t kZfs = 0x2FC12FC1;
constexpr uint32_t kBcachefs = 0xCA451A4E;

constexpr uint32_t kSharingMagics[] = {kXfs, kBtrfs, kZfs, kBcachefs};

// From statfs(2) and the kernel's magic.h. A list of what is safe, because nobody can list every
// network filesystem (NFS, SMB, 9p, AFS, Ceph, Lustre, GPFS, everything on FUSE, virtiofs, ...).
constexpr uint32_t kLocalMagics[] = {
    0xEF53,      // ext2, ext3, ext4
    0xF2F52010,  // F2FS
    0x794C7630,  // overlayfs, as in containers
    0x73717368,  // SquashFS
    0xE0F5E1E2,  // EROFS
    kXfs,       kBtrfs, kZfs, kBcachefs, kTmpfs, kRamfs,
};

// Nothing where the system does not say. Some architectures have the 32 bits of f_type in a wider,
// signed field.
std::optional<uint32_t> magic_of(int file) {
  struct statfs info;
  if (::fstatfs(file, &info) != 0) return std::nullopt;
  return static_cast<uint32_t>(info.f_type);
}

}  // namespace

bool is_local_filesystem(uint64_t magic) {
  return std::ranges::find(kLocalMagics, static_cast<uint32_t>(magic)) != std::end(kLocalMagics);
}

bool is_on_local_filesystem(int file) {
  const auto magic = magic_of(file);
  return magic && is_local_filesystem(*magic);
}

bool is_on_memory_filesystem(int file) {
  const auto magic = magic_of(file);
  return magic == kTmpfs || magic == kRamfs;
}

bool is_on_sharing_filesystem(int file) {
  const auto magic = magic_of(file);
  return magic && std::ranges::find(kSharingMagics, *magic) != std::end(kSharingMagics);
}

}  // namespace stkit
