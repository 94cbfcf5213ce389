// A file that arrives in pieces, in any order, and outlives the process that fetches it.
//
//   <stem>.incomplete    the content, with holes where nothing arrived yet
//   <stem>.journal       what of it is there: a head that binds it to ETag and size, then a byte
//                        for each block of 1 MiB
//
// The journal is written behind the content and never ahead of it, so a process that is killed
// loses what belongs to blocks that were not whole. After a power failure it may claim more than
// the disk holds; whoever publishes the file hashes it first.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "hub/http.h"
#include "io/system_calls.h"
#include "stkit/error.h"

namespace stkit {

// Where the bytes of a file go that shall be part of another: runs of it to their places in an
// output that it shares with others, and only what lies between them (a header) into a partial file
// of its own.
struct Placement {
  struct Run {
    uint64_t offset_bytes;  // in the file
    uint64_t size_bytes;
    uint64_t output_offset_bytes;
  };
  std::filesystem::path output;  // there already, in its whole size
  std::string id;                // of the plan that it belongs to; part of what a journal binds to
  std::vector<Run> runs;         // by offset; they do not overlap
};

class PartialFile {
 public:
  static constexpr uint64_t kBlockBytes = 1 << 20;

  // Takes up what an earlier process left of the same content, else starts anew. Two processes may
  // work on one stem: they write the same bytes to the same places.
  static Result<std::unique_ptr<PartialFile>> open(SystemCalls& calls,
                                                   const std::filesystem::path& stem,
                                                   const std::string& etag, uint64_t size_bytes,
                                                   const Placement* placement = nullptr);
  // What open() would take up, in whole blocks. Changes nothing.
  static uint64_t found_bytes(SystemCalls& calls, const std::filesystem::path& stem,
                              const std::string& etag, uint64_t size_bytes,
                              const Placement* placement = nullptr);
  PartialFile(const PartialFile&) = delete;
  ~PartialFile();

  const std::string& label() const { return label_; }
  uint64_t size_bytes() const { return size_bytes_; }
  uint64_t done_bytes() const;  // in whole blocks, as the journal has it
  std::vector<ByteRange> missing() const;

  // Thread-safe for ranges that do not overlap anything that was written since open() or reset().
  Result<void> write(uint64_t offset_bytes, std::span<const std::byte> data);

  Result<void> read(uint64_t offset_bytes, std::span<std::byte> out) const;

  // Waits until block `index` is whole; false once abandon() was called.
  bool wait_for_block(size_t index) const;
  void abandon();

  // Nothing of it is there any more. REQUIRES: nobody writes.
  Result<void> reset();

  // Brings the content to the disk and gives it its name, on the same filesystem; what was placed
  // elsewhere stays there, with the journal, until its output is whole. REQUIRES: every byte was
  // written.
  Result<void> publish(const std::filesystem::path& target);
  // Gives it a name that says that it is wrong, and returns that. What was placed elsewhere is
  // forgotten.
  Result<std::string> set_aside();

 private:
  PartialFile(SystemCalls& calls, const std::filesystem::path& stem, const std::string& etag,
              uint64_t size_bytes, const Placement* placement);

  int open_files(int flags);  // 0, or the error's number
  bool load_journal();
  uint64_t block_size(size_t index) const;
  // Calls step(descriptor, offset there, place in the data, count) for each part of a range, until
  // one returns an error's number.
  template <class Step>
  int each_part(uint64_t offset_bytes, size_t size, Step step) const;
  Result<void> mark(size_t index);
  Result<void> rename_to(const std::filesystem::path& target);
  Error failed(int number, std::string_view action) const;

  SystemCalls& calls_;
  const std::string content_path_, journal_path_, label_;
  const std::string head_;  // of the journal
  const uint64_t size_bytes_;
  const std::filesystem::path output_path_;  // empty: all is its own content
  const std::vector<Placement::Run> runs_;
  const uint64_t own_bytes_;  // size of the content file: up to the last byte that is not placed
  Descriptor content_, journal_, output_;

  mutable std::mutex mutex_;
  mutable std::condition_variable block_done_;
  std::vector<uint32_t> filled_;  // bytes of each block
  bool abandoned_ = false;
};

// Brings the names in a folder to the disk. Where a filesystem cannot, it does so by itself.
void sync_folder(SystemCalls& calls, const std::filesystem::path& folder);

}  // namespace stkit
