#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/character_class.h"
#include "base/utf8.h"
#include "stkit/text.h"

namespace stkit {
namespace {

bool is_plain(char c) { return c >= 0x20 && c < 0x7F; }

// What is shown for the character that a text starts with. Never cut apart.
struct Piece {
  std::string_view text;  // into `escape` when the character is shown as an escape
  unsigned cells = 1;
  size_t source_bytes = 1;
};

Piece first_piece(std::string_view rest, fmt::memory_buffer& escape) {
  if (is_plain(rest[0])) return {rest.substr(0, 1)};
  const Utf8Char c = decode_utf8(rest);
  const CharacterClass kind = c.valid ? classify(c.code) : CharacterClass::Hidden;
  if (kind != CharacterClass::Hidden) return {rest.substr(0, c.length), cells(kind), c.length};

  escape.clear();
  const auto out = std::back_inserter(escape);
  if (!c.valid)
    fmt::format_to(out, "\\x{:02x}", static_cast<unsigned char>(rest[0]));
  else if (c.code == '\n')
    fmt::format_to(out, "\\n");
  else if (c.code == '\r')
    fmt::format_to(out, "\\r");
  else if (c.code == '\t')
    fmt::format_to(out, "\\t");
  else if (c.code < 0x80)
    fmt::format_to(out, "\\x{:02x}", static_cast<uint32_t>(c.code));
  else
    fmt::format_to(out, "\\u{{{:x}}}", static_cast<uint32_t>(c.code));
  return {{escape.data(), escape.size()}, static_cast<unsigned>(escape.size()), c.length};
}

template <class Visit>
void for_each_piece(std::string_view text, Visit visit) {
  fmt::memory_buffer escape;
  while (!text.empty()) {
    const Piece piece = first_piece(text, escape);
    visit(piece);
    text.remove_prefix(piece.source_bytes);
  }
}

size_t shown_cells(std::string_view text) {
  size_t total = 0;
  for_each_piece(text, [&](const Piece& piece) { total += piece.cells; });
  return total;
}

// Without the rest of a character that was cut apart in front.
std::string_view whole_characters(std::string_view text) {
  for (int i = 0; i < 3 && !text.empty() && (text[0] & 0xC0) == 0x80; ++i) text.remove_prefix(1);
  return text;
}

}  // namespace

std::string printable(std::string_view text) {
  if (std::ranges::all_of(text, is_plain)) return std::string(text);
  std::string out;
  out.reserve(text.size() + 16);
  for_each_piece(text, [&](const Piece& piece) { out += piece.text; });
  return out;
}

std::string printable(std::string_view text, size_t columns) {
  // Enough for any writing; what needs more is a stack of accents, or a megabyte meant to hurt.
  constexpr size_t kBytesPerCell = 16;
  const bool is_long = text.size() / (2 * kBytesPerCell) > columns;
  if (!is_long && shown_cells(text) <= columns) return printable(text);
  if (columns == 0) return {};
  const std::string_view front = is_long ? text.substr(0, columns * kBytesPerCell) : text;
  const std::string_view back =
      is_long ? whole_characters(text.substr(text.size() - columns * kBytesPerCell)) : text;

  const size_t tail_cells = (columns - 1) / 2;
  const size_t head_cells = columns - 1 - tail_cells;
  std::string head;
  size_t done = 0;
  for_each_piece(front, [&](const Piece& piece) {
    done += piece.cells;
    if (done <= head_cells) head += piece.text;
  });

  std::string tail;
  size_t to_come = shown_cells(back);
  for_each_piece(back, [&](const Piece& piece) {
    // A combining character must not land on the ellipsis.
    if (to_come <= tail_cells && (piece.cells > 0 || !tail.empty())) tail += piece.text;
    to_come -= piece.cells;
  });
  return head + "…" + tail;
}

size_t display_width(std::string_view text) {
  size_t width = 0;
  while (!text.empty()) {
    const Utf8Char c = decode_utf8(text);
    width += c.valid ? cells(classify(c.code)) : 1;
    text.remove_prefix(c.length);
  }
  return width;
}

}  // namespace stkit
