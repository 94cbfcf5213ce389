#include "hub/content_digest.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/digest.h"
#include "stkit/io.h"

namespace stkit {
namespace {

constexpr size_t kGitDigits = 40, kSha256Digits = 64;

}  // namespace

bool is_content_digest(std::string_view etag) {
  return (etag.size() == kGitDigits || etag.size() == kSha256Digits) &&
         etag.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Digest begin_content_digest(std::string_view etag, uint64_t size_bytes) {
  if (etag.size() != kGitDigits) return Digest(DigestKind::Sha256);
  Digest digest(DigestKind::Sha1);
  digest.update(fmt::format("blob {}", size_bytes));
  digest.update(std::string_view("\0", 1));
  return digest;
}

DigestFollower::DigestFollower(const PartialFile& file, std::string_view etag)
    : file_(file), etag_(etag), thread_([this] { digest_ = run(); }) {}

Result<std::string> DigestFollower::finish() {
  thread_.join();
  return std::move(digest_);
}

Result<std::string> DigestFollower::run() {
  const uint64_t size = file_.size_bytes();
  Digest digest = begin_content_digest(etag_, size);
  std::vector<std::byte> block(static_cast<size_t>(std::min(PartialFile::kBlockBytes, size)));
  for (uint64_t at = 0; at < size; at += block.size()) {
    if (!file_.wait_for_block(static_cast<size_t>(at / PartialFile::kBlockBytes)))
      return std::string();
    block.resize(static_cast<size_t>(std::min(PartialFile::kBlockBytes, size - at)));
    STKIT_TRY(file_.read(at, block));
    digest.update(block);
  }
  return digest.hex();
}

Result<std::string> content_digest(const std::string& path, std::string_view etag,
                                   const CancelToken* cancel) {
  STKIT_ASSIGN(const auto file, open_local_file(path, Access::Read));
  Digest digest = begin_content_digest(etag, file->size_bytes());
  std::vector<std::byte> block;
  for (uint64_t at = 0; at < file->size_bytes(); at += block.size()) {
    if (cancel != nullptr) STKIT_TRY(cancel->check());
    block.resize(static_cast<size_t>(std::min(PartialFile::kBlockBytes, file->size_bytes() - at)));
    STKIT_TRY(file->read_at(at, block));
    digest.update(block);
  }
  return digest.hex();
}

}  // namespace stkit
