#include "hub/partial_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "io/os_error.h"

namespace stkit {
namespace {

constexpr size_t kHeadBytes = 256;
constexpr std::byte kDone{1};

// An ETag is a digest here, or a server's own word of any length.
std::string journal_head(const std::string& etag, uint64_t size_bytes) {
  std::string head =
      fmt::format("stkit download journal 1\n{}\n{}\n", size_bytes, etag.substr(0, 160));
  head.resize(kHeadBytes, '\n');
  return head;
}

// 0, or the error's number.
int write_all(SystemCalls& calls, int file, std::span<const std::byte> data,
              uint64_t offset_bytes) {
  while (!data.empty()) {
    const ssize_t count =
        uninterrupted([&] { return calls.pwrite(file, data, static_cast<off_t>(offset_bytes)); });
    if (count <= 0) return count < 0 ? errno : EIO;
    data = data.subspan(static_cast<size_t>(count));
    offset_bytes += static_cast<uint64_t>(count);
  }
  return 0;
}

}  // namespace

PartialFile::PartialFile(SystemCalls& calls, const std::filesystem::path& stem, std::string etag,
                         uint64_t size_bytes)
    : calls_(calls),
      content_path_(stem.string() + ".incomplete"),
      journal_path_(stem.string() + ".journal"),
      label_(content_path_),
      head_(journal_head(etag, size_bytes)),
      size_bytes_(size_bytes),
      filled_((size_bytes + kBlockBytes - 1) / kBlockBytes, 0) {}

PartialFile::~PartialFile() = default;

Error PartialFile::failed(int number, std::string_view action) const {
  return write_error(number, label_, action);
}

Result<std::unique_ptr<PartialFile>> PartialFile::open(SystemCalls& calls,
                                                       const std::filesystem::path& stem,
                                                       const std::string& etag,
                                                       uint64_t size_bytes) {
  std::unique_ptr<PartialFile> file(new PartialFile(calls, stem, etag, size_bytes));
  if (const int error = file->open_files(O_RDWR | O_CREAT))
    return fail(file->failed(error, "cannot be created, or its journal cannot"));
  if (!file->load_journal()) STKIT_TRY(file->reset());
  return file;
}

uint64_t PartialFile::found_bytes(SystemCalls& calls, const std::filesystem::path& stem,
                                  const std::string& etag, uint64_t size_bytes) {
  PartialFile file(calls, stem, etag, size_bytes);
  return file.open_files(O_RDONLY) == 0 && file.load_journal() ? file.done_bytes() : 0;
}

int PartialFile::open_files(int flags) {
  const auto open = [&](const std::string& path) {
    return Descriptor(calls_, uninterrupted([&] {
                        return calls_.open_at(AT_FDCWD, path.c_str(),
                                              flags | O_CLOEXEC | O_NOFOLLOW, 0666);
                      }));
  };
  content_ = open(content_path_);
  if (!content_.is_open()) return errno;
  journal_ = open(journal_path_);
  return journal_.is_open() ? 0 : errno;
}

uint64_t PartialFile::block_size(size_t index) const {
  return std::min<uint64_t>(kBlockBytes, size_bytes_ - index * kBlockBytes);
}

// Whether what is there belongs to this very content.
bool PartialFile::load_journal() {
  std::vector<std::byte> text(kHeadBytes + filled_.size());
  size_t count = 0;
  while (count < text.size()) {
    const ssize_t got = uninterrupted([&] {
      return calls_.pread(journal_.get(), std::span(text).subspan(count),
                          static_cast<off_t>(count));
    });
    if (got <= 0) break;
    count += static_cast<size_t>(got);
  }
  struct stat info;
  if (count < kHeadBytes || calls_.stat(content_.get(), info) != 0 ||
      static_cast<uint64_t>(info.st_size) != size_bytes_ ||
      !std::ranges::equal(std::span(text).first(kHeadBytes), std::as_bytes(std::span(head_))))
    return false;
  for (size_t i = 0; i < filled_.size() && kHeadBytes + i < count; ++i)
    if (text[kHeadBytes + i] == kDone) filled_[i] = static_cast<uint32_t>(block_size(i));
  return true;
}

Result<void> PartialFile::reset() {
  {
    const std::lock_guard lock(mutex_);
    std::ranges::fill(filled_, 0u);
  }
  // The journal first: it must never speak of content that is not there.
  const auto size = static_cast<off_t>(size_bytes_);
  if (uninterrupted([&] { return calls_.truncate(journal_.get(), 0); }) != 0 ||
      uninterrupted([&] { return calls_.truncate(content_.get(), 0); }) != 0 ||
      uninterrupted([&] { return calls_.truncate(content_.get(), size); }) != 0)
    return fail(failed(errno, "cannot be given its size"));
  if (const int error = write_all(calls_, journal_.get(), std::as_bytes(std::span(head_)), 0))
    return fail(failed(error, "its journal cannot be written"));
  return {};
}

uint64_t PartialFile::done_bytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t bytes = 0;
  for (size_t i = 0; i < filled_.size(); ++i)
    if (filled_[i] == block_size(i)) bytes += filled_[i];
  return bytes;
}

std::vector<ByteRange> PartialFile::missing() const {
  const std::lock_guard lock(mutex_);
  std::vector<ByteRange> ranges;
  for (size_t i = 0; i < filled_.size(); ++i) {
    if (filled_[i] == block_size(i)) continue;
    const uint64_t first = i * kBlockBytes;
    if (!ranges.empty() && ranges.back().first + ranges.back().size == first)
      ranges.back().size += block_size(i);
    else
      ranges.push_back({first, block_size(i)});
  }
  return ranges;
}

Result<void> PartialFile::write(uint64_t offset_bytes, std::span<const std::byte> data) {
  if (const int error = write_all(calls_, content_.get(), data, offset_bytes))
    return fail(failed(error, fmt::format("cannot be written at byte {}", offset_bytes)));
  for (uint64_t at = offset_bytes, end = offset_bytes + data.size(); at < end;) {
    const auto index = static_cast<size_t>(at / kBlockBytes);
    const uint64_t part = std::min(end, (index + 1) * kBlockBytes) - at;
    bool whole = false;
    {
      const std::lock_guard lock(mutex_);
      filled_[index] += static_cast<uint32_t>(part);
      whole = filled_[index] == block_size(index);
    }
    if (whole) STKIT_TRY(mark(index));
    at += part;
  }
  return {};
}

Result<void> PartialFile::mark(size_t index) {
  if (const int error = write_all(calls_, journal_.get(), std::span(&kDone, 1), kHeadBytes + index))
    return fail(failed(error, "its journal cannot be written"));
  block_done_.notify_all();
  return {};
}

Result<void> PartialFile::read(uint64_t offset_bytes, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t count = uninterrupted(
        [&] { return calls_.pread(content_.get(), out, static_cast<off_t>(offset_bytes)); });
    if (count <= 0)
      return fail(read_error(count < 0 ? errno : EIO, label_, "cannot be read again"));
    out = out.subspan(static_cast<size_t>(count));
    offset_bytes += static_cast<uint64_t>(count);
  }
  return {};
}

bool PartialFile::wait_for_block(size_t index) const {
  std::unique_lock lock(mutex_);
  block_done_.wait(lock, [&] { return abandoned_ || filled_[index] == block_size(index); });
  return !abandoned_;
}

void PartialFile::abandon() {
  {
    const std::lock_guard lock(mutex_);
    abandoned_ = true;
  }
  block_done_.notify_all();
}

Result<void> PartialFile::publish(const std::filesystem::path& target) {
  if (uninterrupted([&] { return calls_.sync(content_.get()); }) != 0)
    return fail(failed(errno, "cannot be brought to the disk"));
  STKIT_TRY(rename_to(target));
  sync_folder(calls_, target.parent_path());
  calls_.unlink(AT_FDCWD, journal_path_.c_str());
  return {};
}

Result<std::string> PartialFile::set_aside() {
  const std::string name = content_path_.substr(0, content_path_.rfind('.')) + ".mismatch";
  STKIT_TRY(rename_to(name));
  calls_.unlink(AT_FDCWD, journal_path_.c_str());
  return name;
}

Result<void> PartialFile::rename_to(const std::filesystem::path& target) {
  if (uninterrupted(
          [&] { return calls_.rename(AT_FDCWD, content_path_.c_str(), target.c_str()); }) == 0)
    return {};
  // Another process that fetched the same content was faster.
  struct stat info;
  if (errno == ENOENT && calls_.stat_at(AT_FDCWD, target.c_str(), info, 0) == 0 &&
      static_cast<uint64_t>(info.st_size) == size_bytes_)
    return {};
  return fail(write_error(errno, target.string(), "cannot be given its name"));
}

void sync_folder(SystemCalls& calls, const std::filesystem::path& folder) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  const Descriptor opened(
      calls, uninterrupted([&] { return calls.open_at(AT_FDCWD, folder.c_str(), kFlags, 0); }));
  if (opened.is_open()) uninterrupted([&] { return calls.sync(opened.get()); });
}

}  // namespace stkit
