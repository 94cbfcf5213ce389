#include "io/atomic_output.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/digest.h"
#include "io/disk_space.h"
#include "io/filesystem.h"
#include "io/os_error.h"
#include "stkit/text.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostBytesPerWrite = size_t{1} << 30;

// Hidden, and short enough that the suffixes fit into the 255 bytes that filesystems allow.
std::string hidden_stem(const std::string& name) {
  if (name.size() <= 200) return "." + name + ".stkit";
  Digest digest;
  digest.update(name);
  return "." + name.substr(0, 160) + "-" + digest.hex().substr(0, 16) + ".stkit";
}

std::string temporary_name(const std::string& name) {
  uint64_t random = 0;
  if (::getrandom(&random, sizeof random, 0) != sizeof random) random = 0;
  return fmt::format("{}-{}-{:016x}.tmp", hidden_stem(name), ::getpid(), random);
}

// Exactly what temporary_name() gives: the temporary of another target may begin alike.
bool is_temporary_of(const std::string& name, std::string_view candidate) {
  const std::string prefix = hidden_stem(name) + "-";
  if (!candidate.starts_with(prefix) || !candidate.ends_with(".tmp")) return false;
  candidate.remove_prefix(prefix.size());
  candidate.remove_suffix(4);
  const size_t dash = candidate.find('-');
  if (dash == std::string_view::npos || dash == 0 || candidate.size() - dash != 17) return false;
  const auto all_of = [](std::string_view text, std::string_view letters) {
    return text.find_first_not_of(letters) == std::string_view::npos;
  };
  return all_of(candidate.substr(0, dash), "0123456789") &&
         all_of(candidate.substr(dash + 1), "0123456789abcdef");
}

// Links are followed, as `>` in a shell does: the file behind them is replaced and they stay.
Result<fs::path> follow_links(fs::path path) {
  const std::string label = path.string();
  std::error_code error;
  for (int links = 0; fs::is_symlink(fs::symlink_status(path, error)); ++links) {
    if (links == 40) return fail(write_error(ELOOP, label, "cannot be written"));
    const fs::path target = fs::read_symlink(path, error);
    if (error) return fail(write_error(error.value(), label, "cannot be written"));
    path = target.is_absolute() ? target : path.parent_path() / target;
  }
  return path;
}

bool unsupported(int number) {
  return number == EOPNOTSUPP || number == ENOSYS || number == EINVAL || number == ENODEV;
}

}  // namespace

AtomicOutput::AtomicOutput(SystemCalls& calls, std::string label, uint64_t size_bytes,
                           const OutputOptions& options)
    : calls_(calls), label_(std::move(label)), size_bytes_(size_bytes), options_(options) {}

AtomicOutput::~AtomicOutput() {
  file_.close();
  if (!temporary_.empty()) calls_.unlink(folder_.get(), temporary_.c_str());
}

Result<std::unique_ptr<AtomicOutput>> AtomicOutput::create(SystemCalls& calls, const fs::path& path,
                                                           uint64_t size_bytes,
                                                           const OutputOptions& options,
                                                           Reserve when) {
  std::unique_ptr<AtomicOutput> output(new AtomicOutput(calls, path.string(), size_bytes, options));
  STKIT_TRY(output->find_target(path));
  STKIT_TRY(output->look_at_target());
  STKIT_TRY(output->take_lock());
  output->remove_leftovers();
  STKIT_TRY(output->look_at_target());  // who held the lock before may have made it
  STKIT_TRY(output->check_size());
  const bool at_once = when == Reserve::AtOnce || !calls.may_share_blocks(output->folder_.get());
  if (at_once)
    STKIT_TRY(
        check_free_space(calls, output->folder_.get(), size_bytes, output->label_, "does not fit"));
  STKIT_TRY(output->make_temporary());
  if (at_once) STKIT_TRY(output->reserve({}));
  return output;
}

Result<void> AtomicOutput::find_target(const fs::path& path) {
  if (label_.find('\0') != std::string::npos)
    return fail(ErrorCode::WriteFailed, "the name holds a NUL character", {}, label_);
  STKIT_ASSIGN(const fs::path target, follow_links(path));
  name_ = target.filename().string();
  if (name_.empty() || name_ == "." || name_ == "..")
    return fail(ErrorCode::WriteFailed, "is the name of a folder, not of a file",
                "name the file to write", label_);
  const std::string folder = target.has_parent_path() ? target.parent_path().string() : ".";
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  folder_ = Descriptor(
      calls_, uninterrupted([&] { return calls_.open_at(AT_FDCWD, folder.c_str(), kFlags, 0); }));
  if (folder_.is_open()) return {};
  return fail(write_error(errno, label_,
                          fmt::format("its folder '{}' cannot be opened", printable(folder, 200))));
}

Result<void> AtomicOutput::look_at_target() {
  replaced_mode_.reset();
  struct stat info;
  if (calls_.stat_at(folder_.get(), name_.c_str(), info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};
    return fail(failed(errno, "cannot be looked at"));
  }
  if (!S_ISREG(info.st_mode))
    return fail(ErrorCode::WriteFailed,
                fmt::format("is {}, not a regular file", kind_of(info.st_mode)),
                "choose another name for the output", label_);
  if (!options_.overwrite) return exists_already();
  replaced_mode_ = info.st_mode & 0777;
  return {};
}

Result<void> AtomicOutput::take_lock() {
  auto lock = OutputLock::take(calls_, folder_.get(), hidden_stem(name_) + ".lock", label_);
  if (!lock) return fail(with_space(calls_, folder_.get(), size_bytes_, std::move(lock).error()));
  lock_.emplace(*std::move(lock));
  return {};
}

// Whoever holds the lock is alone, so other temporaries of the target are of processes that died.
// On a network filesystem another machine may not see our lock, and they stay.
void AtomicOutput::remove_leftovers() {
  if (!lock_->is_held() || !is_on_local_filesystem(folder_.get())) return;
  std::vector<std::string> names;
  if (calls_.list(folder_.get(), names) != 0) return;
  for (const std::string& name : names)
    if (is_temporary_of(name_, name)) calls_.unlink(folder_.get(), name.c_str());
}

Result<void> AtomicOutput::check_size() const {
  if (size_bytes_ <= static_cast<uint64_t>(std::numeric_limits<off_t>::max())) return {};
  return fail(ErrorCode::NoSpace,
              fmt::format("needs {} bytes; no file can be that large", format_grouped(size_bytes_)),
              {}, label_);
}

Result<void> AtomicOutput::make_temporary() {
  // Never wider than what it replaces, not even for a moment.
  const mode_t mode = replaced_mode_.value_or(0666);
  constexpr int kFlags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  std::string name = temporary_name(name_);
  file_ = Descriptor(calls_, uninterrupted([&] {
                       return calls_.open_at(folder_.get(), name.c_str(), kFlags, mode);
                     }));
  if (!file_.is_open()) return fail(failed(errno, "cannot be created"));
  temporary_ = std::move(name);
  // Gives back what the umask took. Where permissions cannot be set they stay narrower.
  if (replaced_mode_) calls_.set_mode(file_.get(), mode);
  return {};
}

// Only the gaps: some filesystems want room for all that they are asked to reserve, even for what
// is there.
Result<void> AtomicOutput::reserve(std::span<const FileRange> shared) {
  if (is_reserved_) return {};
  is_reserved_ = true;
  uint64_t begin = 0;
  for (size_t i = 0; i <= shared.size(); ++i) {
    const uint64_t end = i < shared.size() ? shared[i].begin : size_bytes_;
    const auto offset = static_cast<off_t>(begin), size = static_cast<off_t>(end - begin);
    if (size > 0 &&
        uninterrupted([&] { return calls_.allocate(file_.get(), offset, size); }) != 0) {
      if (!unsupported(errno)) return fail(failed(errno, "its space cannot be reserved"));
      const auto all = static_cast<off_t>(size_bytes_);
      if (uninterrupted([&] { return calls_.truncate(file_.get(), all); }) == 0) return {};
      return fail(failed(errno, "cannot be given its size"));
    }
    if (i < shared.size()) begin = shared[i].end;
  }
  return {};
}

Result<void> AtomicOutput::write_at(uint64_t offset_bytes, std::span<const std::byte> data) {
  STKIT_CHECK(offset_bytes <= size_bytes_ && data.size() <= size_bytes_ - offset_bytes);
  while (!data.empty()) {
    const auto part = data.first(std::min(data.size(), kMostBytesPerWrite));
    const ssize_t count = uninterrupted(
        [&] { return calls_.pwrite(file_.get(), part, static_cast<off_t>(offset_bytes)); });
    if (count <= 0) return fail(write_failed(count < 0 ? errno : EIO, offset_bytes));
    data = data.subspan(static_cast<size_t>(count));
    offset_bytes += static_cast<uint64_t>(count);
  }
  return {};
}

Result<void> AtomicOutput::read_back(uint64_t offset_bytes, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t count = uninterrupted(
        [&] { return calls_.pread(file_.get(), out, static_cast<off_t>(offset_bytes)); });
    if (count <= 0) return fail(failed(count < 0 ? errno : EIO, "cannot be read back"));
    out = out.subspan(static_cast<size_t>(count));
    offset_bytes += static_cast<uint64_t>(count);
  }
  return {};
}

Error AtomicOutput::write_failed(int number, uint64_t offset_bytes) const {
  return failed(number, fmt::format("cannot be written at byte {}", format_grouped(offset_bytes)));
}

Result<void> AtomicOutput::commit() {
  STKIT_CHECK(file_.is_open());
  STKIT_TRY(sync_file());
  STKIT_TRY(publish());
  STKIT_TRY(sync_folder());
  lock_->release();
  return {};
}

// Network filesystems may report a failed write only when the file is closed.
Result<void> AtomicOutput::sync_file() {
  if (options_.sync && uninterrupted([&] { return calls_.sync(file_.get()); }) != 0)
    return fail(failed(errno, "cannot be brought to the disk"));
  if (file_.close() != 0 && errno != EINTR) return fail(failed(errno, "cannot be closed"));
  return {};
}

Result<void> AtomicOutput::publish() {
  if (!options_.overwrite) return publish_new();
  if (uninterrupted(
          [&] { return calls_.rename(folder_.get(), temporary_.c_str(), name_.c_str()); }) != 0)
    return fail(failed(errno, "cannot be given its name"));
  temporary_.clear();
  return {};
}

// Never replaces what somebody made meanwhile: by a rename that refuses to, else by a hard link,
// which no filesystem lets replace anything; where there is neither, by looking just before.
Result<void> AtomicOutput::publish_new() {
  const char* const from = temporary_.c_str();
  const char* const to = name_.c_str();
  int result = uninterrupted([&] { return calls_.rename_new(folder_.get(), from, to); });
  if (result != 0 && unsupported(errno)) {
    if (uninterrupted([&] { return calls_.link(folder_.get(), from, to); }) == 0) {
      if (calls_.unlink(folder_.get(), from) == 0) temporary_.clear();
      return {};
    }
    if (unsupported(errno) || errno == EPERM || errno == EMLINK) {
      STKIT_TRY(look_at_target());
      result = uninterrupted([&] { return calls_.rename(folder_.get(), from, to); });
    }
  }
  if (result != 0)
    return errno == EEXIST ? exists_already() : fail(failed(errno, "cannot be given its name"));
  temporary_.clear();
  return {};
}

Result<void> AtomicOutput::sync_folder() {
  if (!options_.sync) return {};
  if (uninterrupted([&] { return calls_.sync(folder_.get()); }) == 0) return {};
  if (unsupported(errno) || errno == EBADF) return {};  // a filesystem that does it by itself
  return fail(failed(errno, "is complete, but its name cannot be brought to the disk"));
}

Error AtomicOutput::failed(int number, std::string_view action) const {
  return with_space(calls_, folder_.get(), size_bytes_, write_error(number, label_, action));
}

std::unexpected<Error> AtomicOutput::exists_already() const {
  return fail(ErrorCode::OutputExists, "exists already",
              "replace it with --force, or choose another name for the output", label_);
}

Result<std::unique_ptr<OutputFile>> create_output(const fs::path& path, uint64_t size_bytes,
                                                  const OutputOptions& options) {
  return AtomicOutput::create(SystemCalls::real(), path, size_bytes, options);
}

}  // namespace stkit
