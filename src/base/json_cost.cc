#include "base/json_cost.h"

#include <array>

namespace stkit {
namespace {

enum class Kind : uint8_t { Scalar, Space, Separator, Colon, Open, Close, Quote, Backslash };

constexpr std::array<Kind, 256> kKinds = [] {
  std::array<Kind, 256> kinds{};
  kinds[' '] = kinds['\t'] = kinds['\n'] = kinds['\r'] = Kind::Space;
  kinds['{'] = kinds['['] = Kind::Open;
  kinds['}'] = kinds[']'] = Kind::Close;
  kinds[','] = Kind::Separator;
  kinds[':'] = Kind::Colon;
  kinds['"'] = Kind::Quote;
  kinds['\\'] = Kind::Backslash;
  return kinds;
}();

Kind kind_of(char c) { return kKinds[static_cast<unsigned char>(c)]; }

// The closing quote of a string, or the end of the text.
size_t end_of_string(std::string_view text, size_t at) {
  while (at < text.size() && text[at] != '"') at += text[at] == '\\' ? 2u : 1u;
  return at;
}

}  // namespace

JsonCost measure_json(std::string_view text) {
  JsonCost cost;
  uint64_t depth = 0;
  bool in_scalar = false;
  for (size_t at = 0; at < text.size(); ++at) {
    const Kind kind = kind_of(text[at]);
    const bool scalar = kind == Kind::Scalar || kind == Kind::Backslash;
    if (kind != Kind::Space && !(scalar && in_scalar)) ++cost.tokens;
    in_scalar = scalar;
    switch (kind) {
      case Kind::Open: ++depth; break;
      case Kind::Close: depth -= depth > 0 ? 1 : 0; break;
      case Kind::Colon: cost.root_members += depth == 1 ? 1 : 0; break;
      case Kind::Quote: at = end_of_string(text, at + 1); break;
      // Outside of strings too: the parser does not take the quote behind it for one.
      case Kind::Backslash: ++at; break;
      default: break;
    }
  }
  return cost;
}

}  // namespace stkit
