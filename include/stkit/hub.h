// The Hugging Face Hub, and servers like it: where models are read from by ranges and fetched from.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "stkit/error.h"
#include "stkit/io.h"
#include "stkit/progress.h"

namespace stkit {

// One failed try of a request that is made again, for who shows progress.
struct HubRetry {
  std::string target;  // an address without its query
  std::string reason;  // "stall", "reset", "http_503", "url_expired", ...
  unsigned attempt = 1, most_attempts = 1;
  double wait_seconds = 0;
  std::optional<uint64_t> offset_bytes = {};
};

// The library reads no environment: who uses it says what HF_ENDPOINT and the others hold.
struct HubOptions {
  std::string endpoint = "https://huggingface.co";  // may have a path: mirrors live below one
  // Sent to the endpoint's own origin alone, never to where it redirects.
  std::string token = {};
  std::filesystem::path cache_folder = {};  // that of the Hub's own tools; empty: none
  bool offline = false;                     // only what the cache holds
  std::string user_agent = "stkit";
  std::string http_proxy = {}, https_proxy = {}, no_proxy = {};
  std::string ca_file = {}, ca_folder = {};      // certificates to trust; empty: the system's
  std::chrono::milliseconds stall_time{15'000};  // without bytes; then the connection is made anew
  std::chrono::milliseconds first_retry_wait{500};     // doubles with each failure in a row
  std::function<void(const HubRetry&)> on_retry = {};  // from any thread
  const CancelToken* cancel = nullptr;                 // must outlive all that is opened
};

// Opens "ORG/NAME[@REVISION]", "hf://ORG/NAME[@REVISION][/FILE]", pages of the Hub, and any other
// http(s) address of one file. A revision is resolved to its commit once; files are read by ranges,
// those of a cached snapshot from the disk. Connects when first called.
ReferenceOpener hub_references(HubOptions options);

}  // namespace stkit
