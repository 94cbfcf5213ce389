#include "hub_environment.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <initializer_list>
#include <system_error>

#include "stkit/io.h"
#include "stkit/version.h"

namespace fs = std::filesystem;

namespace stkit::cli {
namespace {

std::string first_of(const Variables& variable, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (std::string value = variable(name); !value.empty()) return value;
  return {};
}

// As the Hub's own tools read a switch.
bool is_on(std::string value) {
  std::ranges::transform(value, value.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

// `~` in front, and $NAME or ${NAME} anywhere; a variable that is not set stays as it is written.
fs::path expanded(const std::string& text, const Variables& variable) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i == 0 && text[0] == '~' && (text.size() == 1 || text[1] == '/')) {
      out += variable("HOME");
      continue;
    }
    if (text[i] != '$') {
      out += text[i];
      continue;
    }
    const bool braced = text.substr(i + 1, 1) == "{";
    const size_t start = i + (braced ? 2 : 1);
    const auto is_name = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    };
    const auto end = static_cast<size_t>(
        std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(start), text.end(), is_name) -
        text.begin());
    const bool closed = !braced || text.substr(end, 1) == "}";
    const std::string value = variable(text.substr(start, end - start).c_str());
    if (value.empty() || !closed) {
      out += '$';
      continue;
    }
    out += value;
    i = end - (braced ? 0 : 1);
  }
  return out;
}

// Seconds, whole ones as a rule; what is no number of them is as if it were not set.
std::chrono::milliseconds stall_time_from(const Variables& variable,
                                          std::chrono::milliseconds fallback) {
  constexpr unsigned kMostSeconds = 86'400;
  const std::string text = variable("HF_HUB_DOWNLOAD_TIMEOUT");
  unsigned seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (!is_number || seconds == 0 || seconds > kMostSeconds) return fallback;
  return std::chrono::seconds(seconds);
}

fs::path hub_home(const Variables& variable) {
  if (const std::string home = variable("HF_HOME"); !home.empty()) return expanded(home, variable);
  if (const std::string cache = variable("XDG_CACHE_HOME"); !cache.empty())
    return expanded(cache, variable) / "huggingface";
  const std::string home = variable("HOME");
  return home.empty() ? fs::path() : fs::path(home) / ".cache" / "huggingface";
}

std::string token_from(const Variables& variable, const fs::path& home, bool is_the_hub) {
  if (std::string token = first_of(variable, {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"});
      !token.empty()) {
    token.erase(token.find_last_not_of(" \t\r\n") + 1);
    token.erase(0, token.find_first_not_of(" \t\r\n"));
    return token;
  }
  if (!is_the_hub || is_on(variable("HF_HUB_DISABLE_IMPLICIT_TOKEN"))) return {};
  const std::string path = variable("HF_TOKEN_PATH");
  return path.empty() ? (home.empty() ? std::string() : read_token_file(home / "token"))
                      : read_token_file(expanded(path, variable));
}

void set_certificates(const Variables& variable, HubOptions& options) {
  options.ca_folder = variable("SSL_CERT_DIR");
  const std::string bundle =
      first_of(variable, {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"});
  std::error_code error;
  if (fs::is_directory(bundle, error))
    options.ca_folder = bundle;
  else
    options.ca_file = bundle;
}

}  // namespace

std::string read_token_file(const fs::path& path) {
  constexpr uint64_t kLongest = 4096;
  const auto file = open_local_file(path, Access::Read);
  if (!file || (*file)->size_bytes() > kLongest) return {};
  std::string text((*file)->size_bytes(), '\0');
  if (!(*file)->read_at(0, std::as_writable_bytes(std::span(text)))) return {};
  text.erase(0, std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  return text.substr(0, text.find_first_of(" \t\r\n"));
}

HubOptions hub_options_from(const Variables& variable, const std::string& endpoint) {
  HubOptions options;
  const std::string the_hub = options.endpoint;
  const std::string named = endpoint.empty() ? variable("HF_ENDPOINT") : endpoint;
  if (!named.empty()) options.endpoint = named;
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();

  const fs::path home = hub_home(variable);
  options.token = token_from(variable, home, options.endpoint == the_hub);
  if (const std::string cache = first_of(variable, {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"});
      !cache.empty())
    options.cache_folder = expanded(cache, variable);
  else if (!home.empty())
    options.cache_folder = home / "hub";
  options.offline = is_on(variable("HF_HUB_OFFLINE")) || is_on(variable("TRANSFORMERS_OFFLINE"));

  options.stall_time = stall_time_from(variable, options.stall_time);
  options.user_agent = fmt::format("stkit/{}", version());
  // The upper-case name of the first is what a CGI program gets from its client.
  options.http_proxy = first_of(variable, {"http_proxy", "all_proxy", "ALL_PROXY"});
  options.https_proxy =
      first_of(variable, {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
  options.no_proxy = first_of(variable, {"no_proxy", "NO_PROXY"});
  set_certificates(variable, options);
  return options;
}

}  // namespace stkit::cli
