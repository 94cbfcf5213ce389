// Addresses of the web, as far as models are fetched from them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "stkit/error.h"

namespace stkit {

// http or https, without user and password (they end up in logs) and without a fragment (it is
// never sent). What is parsed is kept percent-encoded; characters that may not stand in an address
// as they are become percent-encoded.
struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; an IPv6 address in brackets
  uint16_t port = 0;   // always set
  std::string path;    // starts with '/'
  std::string query;   // with its '?'; empty when there is none

  static Result<Url> parse(std::string_view text);

  // What a Location or Link header means when it was received from this address. Takes absolute,
  // scheme-relative (//host/x), host-relative (/x), relative (x, ../x) and query-only (?x) forms.
  Result<Url> join(std::string_view reference) const;

  bool is_secure() const { return scheme == "https"; }
  bool same_origin(const Url& other) const {
    return scheme == other.scheme && host == other.host && port == other.port;
  }

  std::string origin() const;  // "https://host", with the port when it is not the usual one
  std::string text() const;
  // For messages: without the query, which holds the secrets of signed addresses.
  std::string label() const { return origin() + path; }
};

// Letters, digits, -._~ and those in `keep` stay; all other bytes become %XX.
std::string percent_encode(std::string_view text, std::string_view keep = {});

// Bytes for %XX; what is no escape stays as it is.
std::string percent_decode(std::string_view text);

}  // namespace stkit
