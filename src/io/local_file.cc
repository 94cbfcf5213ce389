#include "io/local_file.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "io/filesystem.h"
#include "io/os_error.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// Below this, one read costs less than the faults and the unmapping.
constexpr uint64_t kSmallestMapping = 1 << 20;

constexpr std::string_view kChangedHint = "run it again once nothing else writes to the file";

struct FileIdentity {
  uint64_t device = 0, inode = 0, size_bytes = 0;
  int64_t modified_s = 0, modified_ns = 0;

  explicit FileIdentity(const struct stat& info)
      : device(info.st_dev),
        inode(info.st_ino),
        size_bytes(static_cast<uint64_t>(info.st_size)),
        modified_s(info.st_mtim.tv_sec),
        modified_ns(info.st_mtim.tv_nsec) {}
};

class LocalFile final : public RandomAccessFile {
 public:
  LocalFile(SystemCalls& calls, Descriptor descriptor, std::string path, FileIdentity identity,
            bool may_map)
      : calls_(calls),
        descriptor_(std::move(descriptor)),
        path_(std::move(path)),
        opened_(identity),
        may_map_(may_map) {}
  LocalFile(const LocalFile&) = delete;
  LocalFile& operator=(const LocalFile&) = delete;
  ~LocalFile() override {
    if (!mapping_.empty()) ::munmap(mapping_.data(), mapping_.size());
  }

  const std::string& label() const override { return path_; }
  uint64_t size_bytes() const override { return opened_.size_bytes; }
  int descriptor() const override { return descriptor_.get(); }

  std::string identity() const override {
    return fmt::format("{}:{}:{}:{}.{:09}", opened_.device, opened_.inode, opened_.size_bytes,
                       opened_.modified_s, opened_.modified_ns);
  }

  Result<void> read_at(uint64_t offset_bytes, std::span<std::byte> out) const override {
    if (offset_bytes > size_bytes() || out.size() > size_bytes() - offset_bytes)
      return fail(ErrorCode::Corrupt,
                  fmt::format("{} bytes are needed at byte {}, but the file holds {}",
                              format_grouped(out.size()), format_grouped(offset_bytes),
                              format_grouped(size_bytes())),
                  "the file is truncated; copy or download it again", path_);
    while (!out.empty()) {
      const ssize_t count = uninterrupted(
          [&] { return calls_.pread(descriptor_.get(), out, static_cast<off_t>(offset_bytes)); });
      if (count < 0)
        return fail(read_error(
            errno, path_, fmt::format("cannot be read at byte {}", format_grouped(offset_bytes))));
      if (count == 0)
        return changed(fmt::format("ends at byte {} now, but held {} bytes when it was opened",
                                   format_grouped(offset_bytes), format_grouped(size_bytes())));
      out = out.subspan(static_cast<size_t>(count));
      offset_bytes += static_cast<uint64_t>(count);
    }
    return {};
  }

  // Mapped when first asked for: most files are only read at their beginning.
  std::span<const std::byte> mapped() const override {
    if (may_map_) std::call_once(map_once_, [this] { map(); });
    return mapping_;
  }

  void release_mapped(uint64_t offset_bytes, uint64_t size_bytes) const override {
    if (offset_bytes >= mapping_.size() || size_bytes > mapping_.size() - offset_bytes) return;
    // Whole pages. What a neighbour still uses of the outer two costs it one fault each.
    static const auto kPage = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
    const uint64_t begin = offset_bytes / kPage * kPage;
    ::madvise(mapping_.data() + begin, offset_bytes + size_bytes - begin, MADV_DONTNEED);
  }

  Result<void> check_unchanged() const override {
    struct stat info;
    if (calls_.stat(descriptor_.get(), info) != 0)
      return fail(read_error(errno, path_, "cannot be looked at"));
    STKIT_TRY(compare(FileIdentity(info)));
    if (calls_.stat_at(AT_FDCWD, path_.c_str(), info, 0) != 0) {
      if (errno == ENOENT) return changed("was removed while it was read");
      return fail(read_error(errno, path_, "cannot be looked at"));
    }
    return compare(FileIdentity(info));
  }

 private:
  void map() const {
    void* place = ::mmap(nullptr, size_bytes(), PROT_READ, MAP_SHARED, descriptor_.get(), 0);
    if (place != MAP_FAILED) mapping_ = {static_cast<std::byte*>(place), size_bytes()};
  }

  std::unexpected<Error> changed(std::string message) const {
    return fail(ErrorCode::InputChanged, std::move(message), std::string(kChangedHint), path_);
  }

  Result<void> compare(const FileIdentity& now) const {
    if (now.device != opened_.device || now.inode != opened_.inode)
      return changed("was replaced by another file while it was read");
    if (now.size_bytes != opened_.size_bytes)
      return changed(fmt::format("held {} bytes when it was opened and holds {} now",
                                 format_grouped(opened_.size_bytes),
                                 format_grouped(now.size_bytes)));
    if (now.modified_s != opened_.modified_s || now.modified_ns != opened_.modified_ns)
      return changed("was modified while it was read");
    return {};
  }

  SystemCalls& calls_;
  const Descriptor descriptor_;
  const std::string path_;
  const FileIdentity opened_;
  const bool may_map_;
  mutable std::once_flag map_once_;
  mutable std::span<std::byte> mapping_;
};

std::unexpected<Error> not_regular(mode_t mode, const std::string& path) {
  return fail(ErrorCode::Unsupported, fmt::format("is {}, not a regular file", kind_of(mode)), {},
              path);
}

// What to say about a name that leads nowhere.
std::unexpected<Error> not_found(SystemCalls& calls, int folder, const std::string& name,
                                 const std::string& path) {
  struct stat info;
  if (calls.stat_at(folder, name.c_str(), info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode))
    return fail(ErrorCode::NotFound, "is a symbolic link to a file that does not exist",
                "an interrupted download leaves such links; download the file again", path);
  return fail(ErrorCode::NotFound, "no such file", {}, path);
}

}  // namespace

Result<Descriptor> open_regular_file(SystemCalls& calls, int folder, const std::string& name,
                                     const std::string& path) {
  struct stat info;
  if (uninterrupted([&] { return calls.stat_at(folder, name.c_str(), info, 0); }) != 0) {
    if (errno == ENOENT) return not_found(calls, folder, name, path);
    return fail(read_error(errno, path, "cannot be opened"));
  }
  if (!S_ISREG(info.st_mode)) return not_regular(info.st_mode, path);

  // O_NONBLOCK, in case that a FIFO took its place since.
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  const int file = uninterrupted([&] { return calls.open_at(folder, name.c_str(), kFlags, 0); });
  if (file < 0) return fail(read_error(errno, path, "cannot be opened"));
  return Descriptor(calls, file);
}

Result<std::unique_ptr<RandomAccessFile>> local_file(SystemCalls& calls, Descriptor descriptor,
                                                     std::string path, Access access) {
  struct stat info;
  if (calls.stat(descriptor.get(), info) != 0)
    return fail(read_error(errno, std::move(path), "cannot be looked at"));
  if (!S_ISREG(info.st_mode)) return not_regular(info.st_mode, path);

  const FileIdentity identity(info);
  const bool may_map = access == Access::Auto && identity.size_bytes >= kSmallestMapping &&
                       is_on_local_filesystem(descriptor.get());
  return std::make_unique<LocalFile>(calls, std::move(descriptor), std::move(path), identity,
                                     may_map);
}

Result<std::unique_ptr<RandomAccessFile>> open_local_file(SystemCalls& calls,
                                                          const std::filesystem::path& path,
                                                          Access access) {
  const std::string name = path.string();
  if (name.find('\0') != std::string::npos)
    return fail(ErrorCode::NotFound, "the name holds a NUL character", {}, name);
  STKIT_ASSIGN(Descriptor descriptor, open_regular_file(calls, AT_FDCWD, name, name));
  return local_file(calls, std::move(descriptor), name, access);
}

Result<std::unique_ptr<RandomAccessFile>> open_local_file(const std::filesystem::path& path,
                                                          Access access) {
  return open_local_file(SystemCalls::real(), path, access);
}

}  // namespace stkit
