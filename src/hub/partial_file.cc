#include "hub/partial_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <ranges>
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

int read_all(SystemCalls& calls, int file, std::span<std::byte> out, uint64_t offset_bytes) {
  while (!out.empty()) {
    const ssize_t count =
        uninterrupted([&] { return calls.pread(file, out, static_cast<off_t>(offset_bytes)); });
    if (count <= 0) return count < 0 ? errno : EIO;
    out = out.subspan(static_cast<size_t>(count));
    offset_bytes += static_cast<uint64_t>(count);
  }
  return 0;
}

// Behind the last byte that lies in no run.
uint64_t own_size(uint64_t size_bytes, const Placement* placement) {
  if (placement == nullptr) return size_bytes;
  uint64_t end = size_bytes;
  for (const Placement::Run& run : placement->runs | std::views::reverse) {
    if (run.offset_bytes + run.size_bytes < end) break;
    end = run.offset_bytes;
  }
  return end;
}

}  // namespace

PartialFile::PartialFile(SystemCalls& calls, const std::filesystem::path& stem,
                         const std::string& etag, uint64_t size_bytes, const Placement* placement)
    : calls_(calls),
      content_path_(stem.string() + ".incomplete"),
      journal_path_(stem.string() + ".journal"),
      label_(content_path_),
      head_(journal_head(placement == nullptr ? etag : etag + ' ' + placement->id, size_bytes)),
      size_bytes_(size_bytes),
      output_path_(placement == nullptr ? std::filesystem::path() : placement->output),
      runs_(placement == nullptr ? std::vector<Placement::Run>() : placement->runs),
      own_bytes_(own_size(size_bytes, placement)),
      filled_((size_bytes + kBlockBytes - 1) / kBlockBytes, 0) {}

PartialFile::~PartialFile() = default;

Error PartialFile::failed(int number, std::string_view action) const {
  return write_error(number, label_, action);
}

Result<std::unique_ptr<PartialFile>> PartialFile::open(SystemCalls& calls,
                                                       const std::filesystem::path& stem,
                                                       const std::string& etag, uint64_t size_bytes,
                                                       const Placement* placement) {
  std::unique_ptr<PartialFile> file(new PartialFile(calls, stem, etag, size_bytes, placement));
  if (const int error = file->open_files(O_RDWR | O_CREAT))
    return fail(file->failed(error, "cannot be created, or its journal cannot"));
  if (!file->load_journal()) STKIT_TRY(file->reset());
  return file;
}

uint64_t PartialFile::found_bytes(SystemCalls& calls, const std::filesystem::path& stem,
                                  const std::string& etag, uint64_t size_bytes,
                                  const Placement* placement) {
  PartialFile file(calls, stem, etag, size_bytes, placement);
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
  if (!journal_.is_open()) return errno;
  if (output_path_.empty()) return 0;
  output_ = Descriptor(calls_, uninterrupted([&] {
                         return calls_.open_at(AT_FDCWD, output_path_.c_str(),
                                               (flags & ~O_CREAT) | O_CLOEXEC | O_NOFOLLOW, 0);
                       }));
  return output_.is_open() ? 0 : errno;
}

template <class Step>
int PartialFile::each_part(uint64_t offset_bytes, size_t size, Step step) const {
  auto run = std::ranges::upper_bound(runs_, offset_bytes, {}, &Placement::Run::offset_bytes);
  if (run != runs_.begin() &&
      offset_bytes < std::prev(run)->offset_bytes + std::prev(run)->size_bytes)
    --run;
  for (size_t at = 0; at < size;) {
    const uint64_t place = offset_bytes + at;
    const bool placed = run != runs_.end() && run->offset_bytes <= place;
    const uint64_t end = placed               ? run->offset_bytes + run->size_bytes
                         : run == runs_.end() ? size_bytes_
                                              : run->offset_bytes;
    const auto count = static_cast<size_t>(std::min<uint64_t>(end - place, size - at));
    const int error =
        placed
            ? step(output_.get(), run->output_offset_bytes + (place - run->offset_bytes), at, count)
            : step(content_.get(), place, at, count);
    if (error != 0) return error;
    at += count;
    if (placed && place + count == end) ++run;
  }
  return 0;
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
      static_cast<uint64_t>(info.st_size) != own_bytes_ ||
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
  const auto size = static_cast<off_t>(own_bytes_);
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
  const int error =
      each_part(offset_bytes, data.size(), [&](int file, uint64_t at, size_t first, size_t count) {
        return write_all(calls_, file, data.subspan(first, count), at);
      });
  if (error != 0)
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
  const int error =
      each_part(offset_bytes, out.size(), [&](int file, uint64_t at, size_t first, size_t count) {
        return read_all(calls_, file, out.subspan(first, count), at);
      });
  if (error != 0) return fail(read_error(error, label_, "cannot be read again"));
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
  const int file = output_.is_open() ? output_.get() : content_.get();
  if (uninterrupted([&] { return calls_.sync(file); }) != 0)
    return fail(failed(errno, "cannot be brought to the disk"));
  if (output_.is_open()) return {};
  STKIT_TRY(rename_to(target));
  sync_folder(calls_, target.parent_path());
  calls_.unlink(AT_FDCWD, journal_path_.c_str());
  return {};
}

Result<std::string> PartialFile::set_aside() {
  if (output_.is_open()) {
    STKIT_TRY(reset());
    return output_path_.string();
  }
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
