// The variables that say where the Hub is and how it is reached: those of the Hub's own tools, and
// those of proxies and certificates.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "stkit/hub.h"

namespace stkit::cli {

// The value of a variable; empty when it is not set.
using Variables = std::function<std::string(const char* name)>;

// HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HUB_DISABLE_IMPLICIT_TOKEN, HF_HUB_CACHE, HF_HOME,
// HF_HUB_OFFLINE and their older names; HF_HUB_DOWNLOAD_TIMEOUT, the seconds without a byte;
// *_proxy; SSL_CERT_FILE, SSL_CERT_DIR, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE. A token that lies in a
// file is for the Hub itself: another endpoint gets it only when it is named on purpose. `endpoint`
// wins over HF_ENDPOINT, unless it is empty.
HubOptions hub_options_from(const Variables& variable, const std::string& endpoint = {});

// The first line of a token file, without spaces around it. Empty when there is none.
std::string read_token_file(const std::filesystem::path& path);

}  // namespace stkit::cli
