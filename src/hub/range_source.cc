#include "hub/range_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "stkit/text.h"

namespace stkit {
namespace {

using namespace std::chrono_literals;

RangeFailure failure(RangeFailure::Kind kind, const Reply& reply, std::string_view reason,
                     std::string message, bool transient = false) {
  const ErrorCode code =
      kind == RangeFailure::Kind::Changed ? ErrorCode::InputChanged : ErrorCode::Network;
  return {kind,
          {.error = {code, std::move(message), {}, reply.url.label()},
           .transient = transient,
           .reason = std::string(reason),
           .status = reply.head.status(),
           .url = reply.url}};
}

RangeFailure changed(const Reply& reply, std::string_view what, std::string_view before,
                     std::string_view now) {
  return failure(RangeFailure::Kind::Changed, reply, "changed",
                 fmt::format("the file on the server has changed: {} is {}, not {}", what,
                             printable(now, 80), printable(before, 80)));
}

// The total that an answer tells of, if it does.
std::optional<uint64_t> total_of(const Reply& reply) {
  if (const auto value = reply.head.find("Content-Range"))
    if (const auto range = parse_content_range(*value)) return range->total;
  if (reply.head.status() != 200 || reply.head.find("Content-Encoding")) return std::nullopt;
  const auto length = reply.head.find("Content-Length");
  return length ? parse_decimal(*length) : std::nullopt;
}

// What no server sends for a part of a file.
bool is_web_page(const Reply& reply) {
  return reply.head.status() == 200 && !reply.url.path.ends_with(".html") &&
         reply.head.find("Content-Type").value_or("").starts_with("text/html");
}

std::string strong_etag(const HttpHead& head) {
  const auto value = head.find("ETag");
  return value && !is_weak_etag(*value) ? normalized_etag(*value) : std::string();
}

}  // namespace

std::optional<uint64_t> RangeSource::size_bytes() const {
  const std::lock_guard lock(mutex_);
  return expected_.size_bytes ? expected_.size_bytes : size_bytes_;
}

std::string RangeSource::etag() const {
  const std::lock_guard lock(mutex_);
  return etag_;
}

void RangeSource::reset() {
  const std::lock_guard lock(mutex_);
  direct_.reset();
  direct_etag_.clear();
  etag_.clear();
  size_bytes_.reset();
}

// One asks the Hub, the others wait for what it says.
Result<RangeSource::Lead> RangeSource::take_lead(const CancelToken* cancel) {
  std::unique_lock lock(mutex_);
  while (!direct_ && resolving_) {
    settled_.wait_for(lock, 100ms);
    if (cancel != nullptr) STKIT_TRY(cancel->check());
  }
  if (direct_) return Lead{*direct_, true, generation_};
  resolving_ = true;
  return Lead{url_, false, generation_};
}

// Ends what take_lead() began, with the address that answered or without any.
void RangeSource::settle(const Url* found) {
  const std::lock_guard lock(mutex_);
  resolving_ = false;
  if (found != nullptr) {
    direct_ = *found;
    direct_etag_.clear();
    ++generation_;
  }
  settled_.notify_all();
}

std::optional<RangeFailure> RangeSource::check(const Reply& reply, ByteRange range,
                                               const Lead& lead) {
  using Kind = RangeFailure::Kind;
  if (is_web_page(reply))
    return failure(Kind::Fetch, reply, "web_page",
                   "a web page came in place of the file; a login page of the network or a proxy "
                   "may be in between");
  if (!expected_.commit.empty() && reply.commit && *reply.commit != expected_.commit)
    return changed(reply, "its commit", expected_.commit, *reply.commit);
  if (!expected_.sha256.empty() && reply.linked_etag && *reply.linked_etag != expected_.sha256)
    return changed(reply, "its ETag", expected_.sha256, *reply.linked_etag);
  if (expected_.size_bytes && reply.linked_size && *reply.linked_size != *expected_.size_bytes)
    return changed(reply, "its size", format_grouped(*expected_.size_bytes),
                   format_grouped(*reply.linked_size));
  const std::optional<uint64_t> known = size_bytes();
  const std::optional<uint64_t> total = total_of(reply);
  if (known && total && *total != *known)
    return changed(reply, "its size", format_grouped(*known), format_grouped(*total));

  const std::string tag = strong_etag(reply.head);
  {
    const std::lock_guard lock(mutex_);
    if (!lead.is_known && etag_.empty()) etag_ = reply.linked_etag.value_or(tag);
    // Another node of a CDN may have other tags: only those of one address can be compared.
    const bool same_address = direct_ && reply.url.text() == direct_->text();
    if (same_address && !direct_etag_.empty() && !tag.empty() && tag != direct_etag_)
      return changed(reply, "its ETag", direct_etag_, tag);
    if (same_address && direct_etag_.empty()) direct_etag_ = tag;
    if (!size_bytes_) size_bytes_ = total;
  }

  if (reply.head.status() == 416)
    return failure(
        Kind::Fetch, reply, "bad_range",
        fmt::format("the server does not have the bytes from {} on", format_grouped(range.first)));
  if (reply.head.status() == 200) return std::nullopt;
  const auto value = reply.head.find("Content-Range");
  const auto sent = value ? parse_content_range(*value) : std::nullopt;
  const bool encoded = reply.head.find("Content-Encoding").value_or("identity") != "identity";
  if (encoded || !sent || sent->unsatisfied || sent->first != range.first ||
      sent->last > range.first + range.size - 1)
    return failure(Kind::Fetch, reply, "bad_range",
                   fmt::format("the server answers bytes {}-{} with '{}'", range.first,
                               range.first + range.size - 1,
                               printable(encoded ? "compressed bytes" : value.value_or(""), 80)),
                   true);
  return std::nullopt;
}

std::expected<void, RangeFailure> RangeSource::get(ByteRange range, HttpClient::OnData on_data,
                                                   const Options& options) {
  auto lead = take_lead(options.cancel);
  if (!lead) return std::unexpected(RangeFailure{.fetch = {.error = std::move(lead).error()}});

  bool settled = lead->is_known;
  std::optional<RangeFailure> rejected;
  uint64_t to_skip = 0;
  uint64_t left = range.size;
  auto reply = fetcher_.try_once(
      {.url = lead->url, .range = range},
      [&](const Reply& head) -> Result<void> {
        if (!std::exchange(settled, true)) settle(&head.url);
        rejected = check(head, range, *lead);
        if (!rejected && head.head.status() == 200) {
          to_skip = range.first;
          const bool is_whole = range.first == 0 && range.size == size_bytes().value_or(0);
          if (to_skip > options.most_skipped || (!options.cut_whole && !is_whole))
            rejected = failure(RangeFailure::Kind::NoRanges, head, "no_ranges",
                               "the server cannot send parts of a file");
        }
        return rejected ? fail(rejected->fetch.error) : Result<void>();
      },
      [&](std::span<const std::byte> data) -> Result<bool> {
        const auto skipped = std::min<uint64_t>(to_skip, data.size());
        to_skip -= skipped;
        data = data.subspan(skipped);
        data = data.first(std::min<uint64_t>(left, data.size()));
        left -= data.size();
        if (data.empty()) return left > 0;
        STKIT_ASSIGN(const bool more, on_data(data));
        return more && left > 0;
      },
      options.cancel);
  if (!settled) settle(nullptr);
  if (rejected) return std::unexpected(*std::move(rejected));
  if (reply) return {};

  RangeFailure failed{.fetch = std::move(reply).error()};
  // The signed address of an earlier answer has expired: asking the Hub again gives another.
  const int status = failed.fetch.status;
  if (lead->is_known && (status == 401 || status == 403 || status == 404 || status == 410)) {
    const std::lock_guard lock(mutex_);
    if (generation_ == lead->generation) direct_.reset();
    failed.fetch.transient = true;
    failed.fetch.reason = kExpired;
    failed.fetch.wait = 0ms;
  }
  return std::unexpected(std::move(failed));
}

}  // namespace stkit
