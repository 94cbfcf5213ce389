// One file on a server, read by ranges.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "hub/fetch.h"

namespace stkit {

// What is known about a file before it is asked for. What is left empty is not checked.
struct ExpectedFile {
  std::optional<uint64_t> size_bytes = {};
  std::string sha256 = {};
  std::string commit = {};
};

// The reason of a failure: the signed address that the Hub gave does not work any more.
inline constexpr std::string_view kExpired = "url_expired";

struct RangeFailure {
  enum class Kind : uint8_t {
    Fetch,     // as `fetch` says, transient or not
    Changed,   // what is there now is not what was expected, or not what was read before
    NoRanges,  // the server sends the whole file whatever it is asked for
  };
  Kind kind = Kind::Fetch;
  FetchFailure fetch = {};
};

// Remembers where the Hub redirects to (a signed address on a CDN), so that further ranges cost the
// Hub nothing; asks again when that address has expired. Thread-safe.
class RangeSource {
 public:
  RangeSource(Fetcher& fetcher, Url url, ExpectedFile expected)
      : fetcher_(fetcher), url_(std::move(url)), expected_(std::move(expected)) {}

  const Url& url() const { return url_; }
  // Known once a request was answered.
  std::optional<uint64_t> size_bytes() const;
  // The strong ETag of the file itself; empty when there is none. It names the content where the
  // Hub gives it, else only tells versions behind one address apart.
  std::string etag() const;

  struct Options {
    // A server without ranges sends what lies in front of the range, too: that much may be
    // skipped, more is NoRanges.
    uint64_t most_skipped = 0;
    // And what lies behind it is cut off; else a part is not taken out of a whole file.
    bool cut_whole = true;
    const CancelToken* cancel = nullptr;
  };
  // One try. Hands the bytes of the range over in order, all of them or, with success, fewer only
  // when `on_data` said that it has enough, or when the server gave less than it was asked for.
  std::expected<void, RangeFailure> get(ByteRange range, HttpClient::OnData on_data,
                                        const Options& options);

  // Forgets what was seen of the file: it is about to be fetched anew.
  void reset();

 private:
  struct Lead {
    Url url;
    bool is_known = false;  // from an earlier answer
    uint64_t generation = 0;
  };
  Result<Lead> take_lead(const CancelToken* cancel);
  void settle(const Url* found);
  std::optional<RangeFailure> check(const Reply& reply, ByteRange range, const Lead& lead);

  Fetcher& fetcher_;
  const Url url_;
  const ExpectedFile expected_;

  mutable std::mutex mutex_;
  std::condition_variable settled_;
  bool resolving_ = false;     // somebody asks the Hub right now
  std::optional<Url> direct_;  // where it led to
  uint64_t generation_ = 0;    // of direct_
  std::string direct_etag_;    // that direct_ answers with
  std::string etag_;
  std::optional<uint64_t> size_bytes_;
};

}  // namespace stkit
