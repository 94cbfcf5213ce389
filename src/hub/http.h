// HTTP, one exchange a call: no redirects, no retries, no policy. The only user of libcurl.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/function_ref.h"
#include "hub/http_headers.h"
#include "hub/url.h"
#include "stkit/error.h"
#include "stkit/progress.h"

namespace stkit {

struct ProxyOptions {
  std::string http = {}, https = {};  // of addresses with that scheme; empty: none
  std::string no_proxy = {};          // hosts that are reached directly, comma-separated
};

// The library reads no environment: who uses it says what the variables hold.
struct HttpOptions {
  std::string user_agent = "stkit";
  ProxyOptions proxy = {};
  std::string ca_file = {}, ca_folder = {};  // certificates to trust; empty: the system's
  std::chrono::milliseconds connect_timeout{15'000};
  // A connection that brings less than this many bytes a second, over that long, has stalled. Time
  // that the receiver takes does not count.
  std::chrono::milliseconds stall_time{15'000};
  uint64_t stall_bytes_per_second = 1024;
};

struct ByteRange {
  uint64_t first = 0;
  uint64_t size = 0;  // at least 1
};

struct HttpRequest {
  Url url;
  std::string bearer_token = {};  // empty: none
  std::optional<ByteRange> range = {};
  std::string accept = {};
  std::chrono::milliseconds deadline{0};  // for the whole exchange; 0: as long as it does not stall
};

enum class HttpFault : uint8_t {
  Dns,        // the host's name has no address
  Connect,    // no connection, or no TLS on it
  Untrusted,  // the certificate was not accepted: never worth another try
  Proxy,      // a proxy refuses to connect: nor this
  Stalled,    // too slow for too long, or beyond the deadline
  Broken,     // the connection ended too early
  Malformed,  // not HTTP, or more of it than makes sense
  Receiver,   // the caller's own error, or its wish to stop
};

struct HttpFailure {
  HttpFault fault = HttpFault::Broken;
  Error error;
};

// Whether the same request may work a moment later.
bool is_transient(HttpFault fault);

// Thread-safe. Connections are kept and used again.
class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  HttpClient(HttpClient&&) = delete;
  ~HttpClient();

  using OnHead = FunctionRef<Result<void>(const HttpHead& head)>;
  // False: enough was seen. The exchange then ends well, and its connection is given up.
  using OnData = FunctionRef<Result<bool>(std::span<const std::byte> data)>;

  // GET. `on_head` is called once, before any body; bodies that came compressed arrive unpacked.
  // Returns the head when the body came as whole as its Content-Length or chunks promised.
  // Cancelled within 200 ms. HTTP/1.1 only: over HTTP/2 all ranges of a file would share one TCP
  // connection and its congestion window.
  std::expected<HttpHead, HttpFailure> get(const HttpRequest& request, OnHead on_head,
                                           OnData on_data, const CancelToken* cancel);

 private:
  class Connection;
  std::unique_ptr<Connection> borrow(const std::string& origin);
  void give_back(std::unique_ptr<Connection> connection);

  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace stkit
