#include "hub/remote_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "stkit/text.h"

namespace stkit {
namespace {

// What is at least so large is no part of a header.
constexpr uint64_t kLargeRead = 128 * 1024;
constexpr uint64_t kMostWindow = 1 << 20;

// In front of a range, where a server always sends the whole file.
constexpr uint64_t kMostSkipped = 1 << 20;

class RemoteFile final : public RandomAccessFile {
 public:
  RemoteFile(Fetcher& fetcher, std::shared_ptr<RangeSource> source, std::string label,
             uint64_t size_bytes, const CancelToken* cancel, uint64_t window_bytes)
      : fetcher_(fetcher),
        source_(std::move(source)),
        label_(std::move(label)),
        size_bytes_(size_bytes),
        cancel_(cancel),
        first_window_(window_bytes) {}

  const std::string& label() const override { return label_; }
  uint64_t size_bytes() const override { return size_bytes_; }
  std::string identity() const override {
    return fmt::format("{}:{}", source_->etag(), size_bytes_);
  }

  Result<void> read_at(uint64_t offset_bytes, std::span<std::byte> out) const override {
    if (offset_bytes > size_bytes_ || out.size() > size_bytes_ - offset_bytes)
      return fail(ErrorCode::Corrupt,
                  fmt::format("{} bytes are needed at byte {}, but the file holds {}",
                              format_grouped(out.size()), format_grouped(offset_bytes),
                              format_grouped(size_bytes_)),
                  "the file on the server is truncated", label_);
    {
      const std::lock_guard lock(mutex_);
      const size_t known = copy_from_window(offset_bytes, out);
      offset_bytes += known;
      out = out.subspan(known);
      if (out.empty()) return {};
      if (out.size() < kLargeRead) {
        STKIT_TRY(fill_window(offset_bytes, out.size()));
        copy_from_window(offset_bytes, out);
        return {};
      }
    }
    return at_label(read_range(fetcher_, *source_, offset_bytes, out, cancel_));
  }

 private:
  // REQUIRES: mutex_ is held.
  size_t copy_from_window(uint64_t offset_bytes, std::span<std::byte> out) const {
    if (offset_bytes < window_offset_ || offset_bytes >= window_offset_ + window_.size()) return 0;
    const auto at = static_cast<size_t>(offset_bytes - window_offset_);
    const size_t count = std::min(out.size(), window_.size() - at);
    std::memcpy(out.data(), window_.data() + at, count);
    return count;
  }

  // REQUIRES: mutex_ is held.
  Result<void> fill_window(uint64_t offset_bytes, size_t needed_bytes) const {
    const bool follows = !window_.empty() && offset_bytes == window_offset_ + window_.size();
    if (!follows) next_window_ = first_window_;
    std::vector<std::byte> window(static_cast<size_t>(
        std::min(std::max<uint64_t>(needed_bytes, next_window_), size_bytes_ - offset_bytes)));
    if (follows) next_window_ = std::min(2 * next_window_, kMostWindow);
    STKIT_TRY(at_label(read_range(fetcher_, *source_, offset_bytes, window, cancel_)));
    window_ = std::move(window);
    window_offset_ = offset_bytes;
    return {};
  }

  Result<void> at_label(Result<void> result) const {
    if (!result) return fail(std::move(result).error().at(label_));
    return result;
  }

  Fetcher& fetcher_;
  const std::shared_ptr<RangeSource> source_;
  const std::string label_;
  const uint64_t size_bytes_;
  const CancelToken* const cancel_;
  const uint64_t first_window_;

  mutable std::mutex
      mutex_;  // over the window; held while it is fetched, so that nobody asks twice
  mutable std::vector<std::byte> window_;
  mutable uint64_t window_offset_ = 0;
  mutable uint64_t next_window_ = 0;
};

Error range_error(const RangeFailure& failure) {
  if (failure.kind == RangeFailure::Kind::NoRanges)
    return Error(failure.fetch.error)
        .with_hint("download the file first: only servers that send ranges can be read from");
  if (failure.kind == RangeFailure::Kind::Changed)
    return Error(failure.fetch.error).with_hint("run it again");
  return failure.fetch.error;
}

// Asks for one byte, to learn the size from the answer.
Result<uint64_t> learn_size(Fetcher& fetcher, RangeSource& source, const CancelToken* cancel) {
  for (unsigned failures = 1;; ++failures) {
    const auto done =
        source.get({0, 1}, [](std::span<const std::byte>) -> Result<bool> { return false; },
                   {.cancel = cancel});
    if (const auto size = source.size_bytes()) return *size;
    if (done)
      return fail(ErrorCode::Unsupported, "the server does not say how large the file is",
                  "download the file first", source.url().label());
    if (done.error().kind != RangeFailure::Kind::Fetch) return fail(range_error(done.error()));
    STKIT_TRY(fetcher.wait_to_retry(done.error().fetch, failures, {.target = source.url().label()},
                                    cancel));
  }
}

}  // namespace

Result<void> read_range(Fetcher& fetcher, RangeSource& source, uint64_t offset_bytes,
                        std::span<std::byte> out, const CancelToken* cancel) {
  unsigned failures = 0;
  while (!out.empty()) {
    size_t received = 0;
    const auto done = source.get({offset_bytes, out.size()},
                                 [&](std::span<const std::byte> data) -> Result<bool> {
                                   std::memcpy(out.data() + received, data.data(), data.size());
                                   received += data.size();
                                   return true;
                                 },
                                 {.most_skipped = kMostSkipped, .cancel = cancel});
    offset_bytes += received;
    out = out.subspan(received);
    if (out.empty()) return {};
    if (received > 0) failures = 0;
    if (!done && done.error().kind != RangeFailure::Kind::Fetch)
      return fail(range_error(done.error()));
    const FetchFailure failure = done ? FetchFailure{.error = {ErrorCode::Network,
                                                               "the server sent too few bytes",
                                                               {},
                                                               source.url().label()},
                                                     .transient = true,
                                                     .reason = "short_read",
                                                     .url = source.url()}
                                      : done.error().fetch;
    STKIT_TRY(fetcher.wait_to_retry(failure, ++failures,
                                    {.target = source.url().label(), .offset_bytes = offset_bytes},
                                    cancel));
  }
  return {};
}

Result<std::unique_ptr<RandomAccessFile>> open_remote_file(Fetcher& fetcher,
                                                           std::shared_ptr<RangeSource> source,
                                                           std::string label,
                                                           const CancelToken* cancel,
                                                           uint64_t window_bytes) {
  uint64_t size_bytes = 0;
  if (const auto known = source->size_bytes()) {
    size_bytes = *known;
  } else {
    STKIT_ASSIGN(size_bytes, learn_size(fetcher, *source, cancel));
  }
  return std::make_unique<RemoteFile>(fetcher, std::move(source), std::move(label), size_bytes,
                                      cancel, window_bytes);
}

}  // namespace stkit
