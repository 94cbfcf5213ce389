#include "hub/fetch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "stkit/text.h"

namespace stkit {
namespace {

constexpr unsigned kMostRedirects = 10;

// The body of an answer that is an error is read up to here, for its message.
constexpr size_t kErrorBodyBytes = 16 * 1024;

std::string_view reason_of(HttpFault fault) {
  switch (fault) {
    case HttpFault::Dns: return "dns";
    case HttpFault::Connect: return "connect";
    case HttpFault::Untrusted: return "tls";
    case HttpFault::Proxy: return "proxy";
    case HttpFault::Stalled: return "stall";
    case HttpFault::Broken: return "reset";
    case HttpFault::Malformed: return "protocol";
    case HttpFault::Receiver: return "receiver";
  }
  return "";
}

bool is_content(int status) { return status == 200 || status == 206 || status == 416; }

void note_linked(const HttpHead& head, Reply& reply) {
  if (const auto commit = head.find("X-Repo-Commit"); commit && !reply.commit)
    reply.commit = std::string(*commit);
  if (const auto etag = head.find("X-Linked-ETag"); etag && !reply.linked_etag)
    reply.linked_etag = normalized_etag(*etag);
  if (const auto size = head.find("X-Linked-Size"); size && !reply.linked_size)
    reply.linked_size = parse_decimal(*size);
}

FetchFailure redirect_failure(const Url& url, std::string what) {
  return {.error = {ErrorCode::Network, std::move(what), {}, url.label()},
          .reason = "redirect",
          .url = url};
}

// Where a redirect leads, when it may be followed.
std::expected<Url, FetchFailure> next_hop(const HttpHead& head, const Url& from) {
  const auto location = head.find("Location");
  if (!location)
    return std::unexpected(redirect_failure(
        from, fmt::format("the server answers {} without saying where to", head.status())));
  auto next = from.join(*location);
  if (!next)
    return std::unexpected(redirect_failure(
        from,
        fmt::format("the server leads to a place that is refused: {}", next.error().message)));
  if (from.is_secure() && !next->is_secure())
    return std::unexpected(redirect_failure(
        from, fmt::format("the server leads from https to the unprotected {}", next->label())));
  return *std::move(next);
}

}  // namespace

Fetcher::Fetcher(FetchOptions options, Clock& clock)
    : options_(std::move(options)), client_(options_.http), policy_(options_.retry, clock) {}

std::expected<Reply, FetchFailure> Fetcher::try_once(const FetchRequest& request, OnReply on_reply,
                                                     HttpClient::OnData on_data,
                                                     const CancelToken* cancel) {
  Reply reply;
  reply.url = request.url;
  for (unsigned hops = 0;; ++hops) {
    if (auto ready = policy_.wait_for(reply.url.origin(), cancel); !ready)
      return std::unexpected(FetchFailure{.error = std::move(ready).error(), .url = reply.url});
    const bool trusted = options_.endpoint && reply.url.same_origin(*options_.endpoint);
    const HttpRequest hop{.url = reply.url,
                          .bearer_token = trusted ? options_.token : std::string(),
                          .range = request.range,
                          .accept = request.accept,
                          .deadline = request.deadline};
    int status = 0;
    std::string error_body;
    auto outcome = client_.get(
        hop,
        [&](const HttpHead& head) -> Result<void> {
          status = head.status();
          note_linked(head, reply);
          if (!is_content(status)) return {};
          reply.head = head;
          return on_reply(reply);
        },
        [&](std::span<const std::byte> data) -> Result<bool> {
          if (is_content(status)) return on_data(data);
          error_body.append(reinterpret_cast<const char*>(data.data()), data.size());
          return error_body.size() < kErrorBodyBytes;
        },
        cancel);
    if (!outcome) {
      HttpFailure& failure = outcome.error();
      return std::unexpected(FetchFailure{.error = std::move(failure.error),
                                          .transient = is_transient(failure.fault),
                                          .reason = std::string(reason_of(failure.fault)),
                                          .status = status,
                                          .url = reply.url});
    }
    reply.head = *std::move(outcome);
    if (is_content(reply.head.status())) return reply;
    if (!reply.head.is_redirect())
      return std::unexpected(FetchFailure{
          .error = status_error(reply.head, reply.url, error_body, !hop.bearer_token.empty()),
          .transient = is_transient_status(reply.head.status()),
          .reason = fmt::format("http_{}", reply.head.status()),
          .status = reply.head.status(),
          .url = reply.url,
          .wait = wait_asked_for(reply.head, policy_.clock().wall_time())});
    if (hops == kMostRedirects)
      return std::unexpected(
          redirect_failure(request.url, fmt::format("more than {} redirects", kMostRedirects)));
    auto next = next_hop(reply.head, reply.url);
    if (!next) return std::unexpected(std::move(next).error());
    reply.url = *std::move(next);
  }
}

Result<void> Fetcher::wait_to_retry(const FetchFailure& failure, unsigned failures,
                                    RetryNotice notice, const CancelToken* cancel) {
  if (!failure.transient) return fail(failure.error);
  const RetryOptions& limits = policy_.options();
  Error error = failure.error;
  if (failures >= limits.most_failures) {
    error.message += fmt::format("; gave up after {} tries", failures);
    return fail(std::move(error));
  }
  if (failure.wait && *failure.wait > limits.longest_server_wait) {
    error.message +=
        fmt::format("; the server asks to wait for {}",
                    format_seconds(std::chrono::duration<double>(*failure.wait).count()));
    return fail(std::move(error));
  }
  if (failure.wait) policy_.hold(failure.url.origin(), *failure.wait);
  notice.reason = failure.reason;
  notice.attempt = failures;
  notice.most_attempts = limits.most_failures;
  notice.wait = failure.wait ? *failure.wait : policy_.backoff(failures);
  if (options_.on_retry) options_.on_retry(notice);
  // A wait that the server asked for binds everybody, and is waited out with the next request.
  return failure.wait ? Result<void>() : policy_.clock().sleep(notice.wait, cancel);
}

Result<Fetcher::Text> Fetcher::get_text(const FetchRequest& request, uint64_t most_bytes,
                                        const CancelToken* cancel) {
  for (unsigned failures = 1;; ++failures) {
    Text text;
    auto reply = try_once(
        request, [](const Reply&) -> Result<void> { return {}; },
        [&](std::span<const std::byte> data) -> Result<bool> {
          if (data.size() > most_bytes - text.body.size())
            return fail(
                ErrorCode::Network,
                fmt::format("the answer is larger than {} bytes", format_grouped(most_bytes)), {},
                request.url.label());
          text.body.append(reinterpret_cast<const char*>(data.data()), data.size());
          return true;
        },
        cancel);
    if (reply) {
      text.reply = *std::move(reply);
      return text;
    }
    STKIT_TRY(wait_to_retry(reply.error(), failures, {.target = request.url.label()}, cancel));
  }
}

}  // namespace stkit
