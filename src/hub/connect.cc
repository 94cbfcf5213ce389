#include "hub/connect.h"

#include <algorithm>

namespace stkit {
namespace {

// A line feed would smuggle in another header.
bool is_token(std::string_view token) {
  return std::ranges::all_of(token, [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

Result<std::shared_ptr<HubConnection>> connect_hub(const HubOptions& options) {
  STKIT_ASSIGN(const Url endpoint, Url::parse(options.endpoint));
  if (!is_token(options.token))
    return fail(ErrorCode::Usage, "the token holds spaces or characters that no token has",
                "a token looks like hf_ followed by letters and digits");
  FetchOptions fetch;
  fetch.http.user_agent = options.user_agent;
  fetch.http.proxy = {options.http_proxy, options.https_proxy, options.no_proxy};
  fetch.http.ca_file = options.ca_file;
  fetch.http.ca_folder = options.ca_folder;
  fetch.http.stall_time = options.stall_time;
  fetch.retry.first_wait = options.first_retry_wait;
  fetch.endpoint = endpoint;
  fetch.token = options.token;
  if (options.on_retry)
    fetch.on_retry = [tell = options.on_retry](const RetryNotice& notice) {
      tell({notice.target, notice.reason, notice.attempt, notice.most_attempts,
            std::chrono::duration<double>(notice.wait).count(), notice.offset_bytes});
    };
  return std::make_shared<HubConnection>(std::move(fetch), endpoint, options.cancel);
}

}  // namespace stkit
