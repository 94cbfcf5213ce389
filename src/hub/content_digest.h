// The digest that the Hub knows a file by, taken while the file arrives.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <thread>

#include "base/digest.h"
#include "hub/partial_file.h"
#include "stkit/error.h"

namespace stkit {

// 64 hex digits are a SHA-256 of the content, 40 the SHA-1 of its git blob. Anything else (mirrors)
// says nothing about the content.
bool is_content_digest(std::string_view etag);

// Takes the content of a file of `size_bytes` whose ETag it is.
Digest begin_content_digest(std::string_view etag, uint64_t size_bytes);

// Hashes the blocks of a file from its start on, each as soon as it is whole: most of the work is
// done when the last byte arrives, and blocks are still in memory when they are read. Also proves
// what an earlier process left.
class DigestFollower {
 public:
  // `etag` says which digest. `file` must outlive it, and be abandoned when the end is not awaited.
  DigestFollower(const PartialFile& file, std::string_view etag);

  // Waits for the last block. Lower-case hex; empty when the file was abandoned.
  Result<std::string> finish();

 private:
  Result<std::string> run();

  const PartialFile& file_;
  const std::string etag_;
  Result<std::string> digest_;
  std::jthread thread_;
};

// The same of a file that is there.
Result<std::string> content_digest(const std::string& path, std::string_view etag,
                                   const CancelToken* cancel);

}  // namespace stkit
