// Numbers, sizes and foreign text as people read and write them. Locale-independent.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "stkit/error.h"

namespace stkit {

// "512", "64K", "200M", "1.5G", "5GB" are decimal (the Hub's habit); "64KiB", "2GiB" are binary.
// Any case, an optional space and a trailing "B". Usage error otherwise.
Result<uint64_t> parse_size(std::string_view text);

// "14.4 KiB", "1.92 GiB"; bytes below 1 KiB exactly. For people; JSON has exact integers.
std::string format_bytes(uint64_t bytes);
// "7.62 B", "494 M", "1.2 K": parameters and counts, decimal.
std::string format_count(uint64_t count);
// "91,991"
std::string format_grouped(uint64_t number);
// "1 tensor", "91,991 tensors".
std::string counted(uint64_t number, std::string_view noun);
// The same for what an s does not make many of: counted(n, "byte is", "bytes are").
std::string counted(uint64_t number, std::string_view one, std::string_view many);
// "1m 12s", "3.4 s", "14 ms"
std::string format_seconds(double seconds);

// Text from a file made safe for a terminal or a log: control characters (C0, C1, DEL), invalid
// UTF-8, and characters that reorder or hide text become \n, \x1b, \u{202e}, ...
std::string printable(std::string_view text);
// The same, cut in its middle with "…" to at most `columns` terminal cells.
std::string printable(std::string_view text, size_t columns);
// Terminal cells that `text` takes (wide and combining characters counted as such).
size_t display_width(std::string_view text);

// A to Z made small, whatever the locale; every other byte as it is.
std::string lower_case(std::string_view text);

// The candidate nearest to what was typed, if it is near enough to be meant; else empty.
std::string_view nearest(std::string_view typed, std::span<const std::string_view> candidates);

// Shell-style: `*` any run of characters, `?` one character, `[a-z]` `[!a-z]` sets, `{a,b}`
// alternatives, `\` quotes. Matches the whole text; `*` also matches '/' and '.'.
bool glob_match(std::string_view pattern, std::string_view text);

// True when `left` sorts before `right` with runs of digits compared as numbers
// ("layers.2" < "layers.10"); equal numbers fall back to byte order.
bool natural_less(std::string_view left, std::string_view right);

}  // namespace stkit
