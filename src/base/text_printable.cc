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

}  // namespace

std::string printable(std::string_view text) {
  if (std::ranges::all_of(text, is_plain)) return std::string(text);
  std::string out;
  out.reserve(text.size() + 16);
  for_each_piece(text, [&](const Piece& piece) { out += piece.text; });
  return out;
}

std::string printable(std::string_view text, size_t columns) {
  size_t total = 0;
  for_each_piece(text, [&](const Piece& piece) { total += piece.cells; });
  if (total <= columns) return printable(text);
  if (columns == 0) return {};

  const size_t tail_cells = (columns - 1) / 2;
  const size_t head_cells = columns - 1 - tail_cells;
  std::string head, tail;
  size_t done = 0;
  bool in_head = true;
  for_each_piece(text, [&](const Piece& piece) {
    done += piece.cells;
    in_head = in_head && done <= head_cells;
    if (in_head) {
      head += piece.text;
    } else if (total - done + piece.cells <= tail_cells) {
      // A combining character must not land on the ellipsis.
      if (!tail.empty() || piece.cells > 0) tail += piece.text;
    }
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
