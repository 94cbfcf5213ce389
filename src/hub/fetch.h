// Requests as the Hub wants them: redirects followed by hand, the token only to whom it belongs,
// statuses as errors that help, failures tried again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "hub/http.h"
#include "hub/retry.h"
#include "hub/url.h"
#include "stkit/error.h"

namespace stkit {

struct FetchOptions {
  HttpOptions http = {};
  RetryOptions retry = {};
  // The token is sent to this origin alone: never to another host, port or scheme that a redirect
  // leads to. Redirects may lead to any host, private addresses included, since mirrors live there;
  // only GET is ever sent, and nothing that the user has.
  std::optional<Url> endpoint = {};
  std::string token = {};
  std::function<void(const RetryNotice&)> on_retry = {};  // from any thread
};

// What an address answered in the end.
struct Reply {
  HttpHead head = {};  // of the last hop
  Url url = {};        // of the last hop
  // Of the first hop that says so: the last hop of a large file is a CDN, which knows nothing.
  std::optional<std::string> commit = {};       // X-Repo-Commit
  std::optional<std::string> linked_etag = {};  // X-Linked-ETag: SHA-256 of what is behind it
  std::optional<uint64_t> linked_size = {};
};

// Why one try failed.
struct FetchFailure {
  Error error = {};
  bool transient = false;                              // may work later
  std::string reason = {};                             // of a RetryNotice: "stall", "http_503"
  int status = 0;                                      // of the answer, if there was one
  Url url = {};                                        // of the hop that failed
  std::optional<std::chrono::milliseconds> wait = {};  // that the server asked for
};

struct FetchRequest {
  Url url = {};
  std::optional<ByteRange> range = {};
  std::string accept = {};
  std::chrono::milliseconds deadline{0};
};

// Thread-safe. One for all requests of a process, so that all of them heed a server's wish to wait.
class Fetcher {
 public:
  explicit Fetcher(FetchOptions options, Clock& clock = Clock::real());

  using OnReply = FunctionRef<Result<void>(const Reply& reply)>;

  // One try. `on_reply` is called for an answer of status 200, 206 or 416, `on_data` for its body;
  // an error of theirs ends it as a failure that is not transient. All other statuses are failures.
  std::expected<Reply, FetchFailure> try_once(const FetchRequest& request, OnReply on_reply,
                                              HttpClient::OnData on_data,
                                              const CancelToken* cancel);

  struct Text {
    Reply reply;
    std::string body;
  };
  // A small body as a whole, tried again as the policy says.
  Result<Text> get_text(const FetchRequest& request, uint64_t most_bytes,
                        const CancelToken* cancel);

  // Waits as `failure`, the `failures`-th in a row, asks for; its error, completed, when there have
  // been too many, it is not transient, or the server asks for more patience than there is.
  Result<void> wait_to_retry(const FetchFailure& failure, unsigned failures, RetryNotice notice,
                             const CancelToken* cancel);

  const FetchOptions& options() const { return options_; }
  RetryPolicy& policy() { return policy_; }

 private:
  const FetchOptions options_;
  HttpClient client_;
  RetryPolicy policy_;
};

// The error that a status means, from the headers and body that the Hub sends with it.
Error status_error(const HttpHead& head, const Url& url, std::string_view body, bool has_token);

}  // namespace stkit
