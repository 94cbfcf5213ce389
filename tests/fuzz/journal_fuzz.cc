// The journal of a partial file: whatever it holds, each byte of the content is either there or
// missing, only blocks that the journal of this very content names are there, and when the missing
// ones have come, nothing is missing. The input is a size, then the journal.
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/check.h"
#include "hub/partial_file.h"

namespace {

using namespace stkit;

constexpr uint64_t kMaxSize = 64u << 20;
const std::string kEtag(64, 'a');

// A journal in memory, beside a content of which only the size is known.
class MemoryCalls final : public SystemCalls {
 public:
  static constexpr int kContent = 1000, kJournal = 1001;
  std::string journal;
  uint64_t content_size = 0;

  int open_at(int, const char* name, int, mode_t) override {
    return std::string_view(name).ends_with(".journal") ? kJournal : kContent;
  }
  int close(int) override { return 0; }
  int stat(int, struct stat& info) override {
    info = {};
    info.st_size = static_cast<off_t>(content_size);
    return 0;
  }
  int truncate(int file, off_t size) override {
    if (file == kJournal)
      journal.resize(static_cast<size_t>(size));
    else
      content_size = static_cast<uint64_t>(size);
    return 0;
  }
  ssize_t pread(int, std::span<std::byte> out, off_t offset) override {
    const size_t at = std::min(static_cast<size_t>(offset), journal.size());
    const size_t count = std::min(out.size(), journal.size() - at);
    std::memcpy(out.data(), journal.data() + at, count);
    return static_cast<ssize_t>(count);
  }
  ssize_t pwrite(int file, std::span<const std::byte> data, off_t offset) override {
    const uint64_t end = static_cast<uint64_t>(offset) + data.size();
    if (file == kContent) {
      STKIT_CHECK(end <= content_size);
    } else {
      journal.resize(std::max<size_t>(journal.size(), end));
      std::memcpy(journal.data() + offset, data.data(), data.size());
    }
    return static_cast<ssize_t>(data.size());
  }
};

uint64_t check_ranges(const PartialFile& file) {
  uint64_t covered = 0, missing = 0;
  for (const ByteRange range : file.missing()) {
    STKIT_CHECK(range.size > 0 && range.first >= covered);
    STKIT_CHECK(range.first % PartialFile::kBlockBytes == 0);
    covered = range.first + range.size;
    STKIT_CHECK(covered == file.size_bytes() || covered % PartialFile::kBlockBytes == 0);
    missing += range.size;
  }
  STKIT_CHECK(covered <= file.size_bytes());
  STKIT_CHECK(missing + file.done_bytes() == file.size_bytes());
  return missing;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  uint32_t wanted = 0;
  if (size < sizeof wanted) return 0;
  std::memcpy(&wanted, data, sizeof wanted);
  const uint64_t size_bytes = wanted % (kMaxSize + 1);
  const std::string text(reinterpret_cast<const char*>(data) + sizeof wanted, size - sizeof wanted);

  // What a journal of this content begins with.
  MemoryCalls calls;
  STKIT_CHECK(PartialFile::open(calls, "x", kEtag, size_bytes).has_value());
  const std::string head = calls.journal;

  for (const bool has_head : {false, true}) {
    calls.journal = has_head ? head + text : text;
    calls.content_size = size_bytes;
    const bool belongs = calls.journal.starts_with(head);
    const auto file = PartialFile::open(calls, "x", kEtag, size_bytes);
    STKIT_CHECK(file.has_value());
    const uint64_t missing = check_ranges(**file);
    STKIT_CHECK(belongs || missing == size_bytes);
    static const std::string kBytes(kMaxSize, '\0');
    for (const ByteRange range : (*file)->missing())
      STKIT_CHECK(
          (*file)
              ->write(range.first,
                      std::as_bytes(std::span(kBytes)).first(static_cast<size_t>(range.size)))
              .has_value());
    STKIT_CHECK(check_ranges(**file) == 0);
    const auto again = PartialFile::open(calls, "x", kEtag, size_bytes);
    STKIT_CHECK(again.has_value() && (*again)->missing().empty());
  }
  return 0;
}
