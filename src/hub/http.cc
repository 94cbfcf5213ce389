#include "hub/http.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>
#include <vector>

#include "base/check.h"
#include "stkit/text.h"

namespace stkit {
namespace {

using Time = std::chrono::steady_clock::time_point;
using std::chrono::milliseconds;

// How long a wait for the network lasts before the token is looked at.
constexpr int kPollMs = 100;
// Idle connections beyond this are closed.
constexpr size_t kMostIdle = 32;

bool start_curl() {
  static const bool kStarted = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return kStarted;
}

HttpFault fault_of(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY: return HttpFault::Dns;
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR: return HttpFault::Connect;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS: return HttpFault::Untrusted;
    case CURLE_OPERATION_TIMEDOUT: return HttpFault::Stalled;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_URL_MALFORMAT: return HttpFault::Malformed;
    default: return HttpFault::Broken;
  }
}

std::string_view hint_for(HttpFault fault) {
  switch (fault) {
    case HttpFault::Dns: return "check the connection to the network and the spelling of the host";
    case HttpFault::Connect: return "check the connection to the network, proxies and firewalls";
    case HttpFault::Untrusted:
      return "behind a proxy that inspects TLS, name its certificate in SSL_CERT_FILE";
    case HttpFault::Proxy: return "check https_proxy, its user and password, and no_proxy";
    default: return "";
  }
}

// Whether a transfer has stalled, from the bytes that came in the last stall time, looked at in
// quarters of it.
class StallWatch {
 public:
  StallWatch(const HttpOptions& options, Time now)
      : quarter_(options.stall_time / 4),
        least_bytes_(options.stall_bytes_per_second *
                     static_cast<uint64_t>(options.stall_time.count()) / 1000),
        next_(now + quarter_) {}

  // `idle_for`: time of the receiver's own since the last call.
  bool stalled(Time now, Time::duration receiver_time, uint64_t bytes) {
    next_ += receiver_time;
    while (now >= next_) {
      next_ += quarter_;
      const uint64_t oldest = samples_[at_];
      samples_[at_] = bytes;
      at_ = (at_ + 1) % samples_.size();
      if (++taken_ >= samples_.size() && bytes - oldest < least_bytes_) return true;
    }
    return false;
  }

 private:
  const milliseconds quarter_;
  const uint64_t least_bytes_;
  Time next_;
  std::array<uint64_t, 4> samples_{};
  size_t at_ = 0, taken_ = 0;
};

}  // namespace

bool is_transient(HttpFault fault) {
  return fault != HttpFault::Untrusted && fault != HttpFault::Proxy && fault != HttpFault::Receiver;
}

// One libcurl handle with a multi handle of its own, which keeps the connection.
class HttpClient::Connection {
 public:
  Connection() : multi_(curl_multi_init()), easy_(curl_easy_init()) {
    if (multi_ == nullptr || easy_ == nullptr) throw std::bad_alloc();
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    curl_easy_cleanup(easy_);
    curl_multi_cleanup(multi_);
    curl_slist_free_all(headers_);
  }

  std::string origin;  // that it was last used for

  std::expected<HttpHead, HttpFailure> run(const HttpOptions& options, const HttpRequest& request,
                                           OnHead on_head, OnData on_data,
                                           const CancelToken* cancel) {
    Exchange exchange{on_head, on_data, {}, {}, {}, 0, {}, false, false, false};
    configure(options, request, exchange);
    if (curl_multi_add_handle(multi_, easy_) != CURLM_OK)
      return broken(HttpFault::Broken, request, "libcurl refused the request");
    auto outcome = drive(options, request, exchange, cancel);
    curl_multi_remove_handle(multi_, easy_);
    if (!outcome) renew();
    return outcome;
  }

 private:
  struct Exchange {
    OnHead on_head;
    OnData on_data;
    HttpHead head;
    std::optional<Error> receiver_error;
    Time::duration receiver_time;
    uint64_t bytes;
    std::array<char, CURL_ERROR_SIZE> message;
    bool head_is_whole, stopped, too_long;
  };

  // A handle whose transfer ended before it had a connection keeps its buffer, and then refuses the
  // option for the size of it (libcurl 7.88). Connections are the multi handle's and remain.
  void renew() {
    CURL* const fresh = curl_easy_init();
    if (fresh == nullptr) throw std::bad_alloc();
    curl_easy_cleanup(std::exchange(easy_, fresh));
  }

  template <class T>
  void set(CURLoption option, T value) {
    const CURLcode code = curl_easy_setopt(easy_, option, value);
    STKIT_CHECK(code == CURLE_OK || code == CURLE_OUT_OF_MEMORY);
  }

  void configure(const HttpOptions& options, const HttpRequest& request, Exchange& exchange) {
    curl_easy_reset(easy_);
    set(CURLOPT_URL, request.url.text().c_str());
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_HTTP09_ALLOWED, 0L);
    set(CURLOPT_FOLLOWLOCATION, 0L);
#if LIBCURL_VERSION_NUM >= 0x075500
    set(CURLOPT_PROTOCOLS_STR, "http,https");
#else
    set(CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    set(CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    set(CURLOPT_QUICK_EXIT, 1L);  // who is interrupted does not wait for a name server
#endif
    set(CURLOPT_TCP_KEEPALIVE, 1L);
    set(CURLOPT_BUFFERSIZE, 256L * 1024);
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.deadline.count()));
    set(CURLOPT_USERAGENT, options.user_agent.c_str());
    // Asks for plain bytes, and unpacks what a proxy compressed all the same.
    set(CURLOPT_ACCEPT_ENCODING, "identity");
    set(CURLOPT_PROXY,
        (request.url.is_secure() ? options.proxy.https : options.proxy.http).c_str());
    set(CURLOPT_NOPROXY, options.proxy.no_proxy.c_str());
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    for (const CURLoption option : {CURLOPT_CAINFO, CURLOPT_PROXY_CAINFO})
      if (!options.ca_file.empty()) set(option, options.ca_file.c_str());
    for (const CURLoption option : {CURLOPT_CAPATH, CURLOPT_PROXY_CAPATH})
      if (!options.ca_folder.empty()) set(option, options.ca_folder.c_str());
    if (request.range) {
      const ByteRange range = *request.range;
      set(CURLOPT_RANGE, fmt::format("{}-{}", range.first, range.first + range.size - 1).c_str());
    }
    set_headers(request);
    exchange.message[0] = '\0';
    set(CURLOPT_ERRORBUFFER, exchange.message.data());
    set(CURLOPT_HEADERFUNCTION, &Connection::on_header);
    set(CURLOPT_HEADERDATA, &exchange);
    set(CURLOPT_WRITEFUNCTION, &Connection::on_body);
    set(CURLOPT_WRITEDATA, &exchange);
  }

  void set_headers(const HttpRequest& request) {
    curl_slist_free_all(std::exchange(headers_, nullptr));
    const auto add = [this](const std::string& line) {
      curl_slist* const longer = curl_slist_append(headers_, line.c_str());
      if (longer == nullptr) throw std::bad_alloc();
      headers_ = longer;
    };
    add(fmt::format("Accept: {}", request.accept.empty() ? "*/*" : request.accept));
    if (!request.bearer_token.empty()) add("Authorization: Bearer " + request.bearer_token);
    set(CURLOPT_HTTPHEADER, headers_);
  }

  std::expected<HttpHead, HttpFailure> drive(const HttpOptions& options, const HttpRequest& request,
                                             Exchange& exchange, const CancelToken* cancel) {
    StallWatch watch(options, std::chrono::steady_clock::now());
    while (true) {
      int running = 0;
      if (curl_multi_perform(multi_, &running) != CURLM_OK)
        return broken(HttpFault::Broken, request, "libcurl failed");
      int queued = 0;
      if (const CURLMsg* message = curl_multi_info_read(multi_, &queued);
          message != nullptr && message->msg == CURLMSG_DONE)
        return finished(message->data.result, request, exchange);
      if (cancel != nullptr && cancel->cancelled())
        return std::unexpected(HttpFailure{HttpFault::Receiver, cancel->check().error()});
      const auto receiver_time = std::exchange(exchange.receiver_time, {});
      if (watch.stalled(std::chrono::steady_clock::now(), receiver_time, exchange.bytes))
        return broken(
            HttpFault::Stalled, request,
            fmt::format("less than {} bytes a second came for {}",
                        format_grouped(options.stall_bytes_per_second),
                        format_seconds(std::chrono::duration<double>(options.stall_time).count())));
      curl_multi_poll(multi_, nullptr, 0, kPollMs, nullptr);
    }
  }

  std::expected<HttpHead, HttpFailure> finished(CURLcode code, const HttpRequest& request,
                                                Exchange& exchange) {
    if (exchange.receiver_error)
      return std::unexpected(HttpFailure{HttpFault::Receiver, *std::move(exchange.receiver_error)});
    if (exchange.too_long)
      return broken(HttpFault::Malformed, request, "the head of the answer is too long");
    if (exchange.stopped) return std::move(exchange.head);
    if (code == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
    if (code != CURLE_OK) {
      const std::string_view message = exchange.message.data();
      long connect_status = 0;  // of a proxy that was asked for a tunnel
      curl_easy_getinfo(easy_, CURLINFO_HTTP_CONNECTCODE, &connect_status);
      const bool refused = connect_status >= 400 && connect_status < 500;
      return broken(refused ? HttpFault::Proxy : fault_of(code), request,
                    message.empty() ? std::string_view(curl_easy_strerror(code)) : message);
    }
    // A body without any: the head was never handed over.
    if (!exchange.head_is_whole && !hand_over_head(exchange))
      return finished(code, request, exchange);
    return std::move(exchange.head);
  }

  static std::unexpected<HttpFailure> broken(HttpFault fault, const HttpRequest& request,
                                             std::string_view what) {
    return std::unexpected(
        HttpFailure{fault, Error{ErrorCode::Network, printable(what, 300),
                                 std::string(hint_for(fault)), request.url.label()}});
  }

  static bool hand_over_head(Exchange& exchange) {
    exchange.head_is_whole = true;
    if (auto accepted = exchange.on_head(exchange.head); !accepted) {
      exchange.receiver_error = std::move(accepted).error();
      return false;
    }
    return true;
  }

  static size_t on_header(const char* data, size_t, size_t size, void* object) {
    auto& exchange = *static_cast<Exchange*>(object);
    const std::string_view line(data, size);
    if (exchange.head_is_whole) return size;  // trailers
    if (line == "\r\n" || line == "\n")
      return exchange.head.status() < 200 || hand_over_head(exchange) ? size : 0;
    exchange.too_long = !exchange.head.add_line(line);
    return exchange.too_long ? 0 : size;
  }

  static size_t on_body(const char* data, size_t, size_t size, void* object) {
    auto& exchange = *static_cast<Exchange*>(object);
    const Time before = std::chrono::steady_clock::now();
    exchange.bytes += size;
    auto more = exchange.on_data(std::as_bytes(std::span(data, size)));
    exchange.receiver_time += std::chrono::steady_clock::now() - before;
    if (more && *more) return size;
    exchange.stopped = more.has_value();
    if (!more) exchange.receiver_error = std::move(more).error();
    return 0;
  }

  CURLM* multi_;
  CURL* easy_;
  curl_slist* headers_ = nullptr;
};

struct HttpClient::Rep {
  HttpOptions options;
  std::mutex mutex;
  std::vector<std::unique_ptr<Connection>> idle;  // the last used at the end
};

HttpClient::HttpClient(HttpOptions options) : rep_(std::make_unique<Rep>()) {
  STKIT_CHECK(start_curl());
  rep_->options = std::move(options);
}
HttpClient::~HttpClient() = default;

std::unique_ptr<HttpClient::Connection> HttpClient::borrow(const std::string& origin) {
  const std::lock_guard lock(rep_->mutex);
  auto& idle = rep_->idle;
  if (idle.empty()) return std::make_unique<Connection>();
  const auto same = std::ranges::find(idle.rbegin(), idle.rend(), origin, &Connection::origin);
  const auto chosen = same == idle.rend() ? idle.end() - 1 : same.base() - 1;
  auto connection = std::move(*chosen);
  idle.erase(chosen);
  return connection;
}

void HttpClient::give_back(std::unique_ptr<Connection> connection) {
  const std::lock_guard lock(rep_->mutex);
  if (rep_->idle.size() < kMostIdle) rep_->idle.push_back(std::move(connection));
}

std::expected<HttpHead, HttpFailure> HttpClient::get(const HttpRequest& request, OnHead on_head,
                                                     OnData on_data, const CancelToken* cancel) {
  const std::string origin = request.url.origin();
  std::unique_ptr<Connection> connection = borrow(origin);
  auto outcome = connection->run(rep_->options, request, on_head, on_data, cancel);
  connection->origin = origin;
  give_back(std::move(connection));
  return outcome;
}

}  // namespace stkit
