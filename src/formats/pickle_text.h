// The text forms of protocol 0, and latin-1 in UTF-8's clothes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace stkit {

// What Python's repr() of a byte string stands for, quotes included. Nothing when it is malformed.
std::optional<std::string> unescape_python_string(std::string_view quoted);

// "raw-unicode-escape": latin-1 with \uXXXX and \UXXXXXXXX; to UTF-8.
std::optional<std::string> unescape_raw_unicode(std::string_view text);

// The bytes that a string of characters below 256 was made of. Nothing when there are others.
std::optional<std::string> latin1_bytes(std::string_view utf8);

// A decimal number beyond 64 bits as two's complement, little-endian, of the fewest bytes.
std::optional<std::string> parse_big_integer(std::string_view decimal);

}  // namespace stkit
