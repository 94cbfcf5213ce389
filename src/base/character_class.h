// What a terminal does with a character. Own tables: the C library's depend on the locale.
#pragma once

#include <cstdint>

namespace stkit {

enum class CharacterClass : uint8_t {
  Narrow,     // one cell
  Wide,       // two cells
  Combining,  // drawn over the character before it
  // Controls, and characters that reorder what follows, draw nothing, or pass for a space: foreign
  // text must not contain them on its way to a terminal.
  Hidden,
};

CharacterClass classify(char32_t code);

constexpr unsigned cells(CharacterClass c) {
  switch (c) {
    case CharacterClass::Narrow: return 1;
    case CharacterClass::Wide: return 2;
    case CharacterClass::Combining:
    case CharacterClass::Hidden: return 0;
  }
  return 0;
}

}  // namespace stkit
