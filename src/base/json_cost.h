// What reading a JSON text will take in memory, found out before any of it is taken.
#pragma once

#include <cstdint>
#include <string_view>

namespace stkit {

// Counted as the parser does, which keeps 4 bytes for each token: a bracket, comma or colon, and
// the beginning of a string or another scalar.
struct JsonCost {
  uint64_t tokens = 0;
  uint64_t root_members = 0;  // of an object

  uint64_t parser_bytes() const { return 4 * tokens; }
};

// One pass, nothing allocated. Of text that is no JSON, what the parser will see in it.
JsonCost measure_json(std::string_view text);

}  // namespace stkit
