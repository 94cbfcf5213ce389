// What a class or function that a pickle names could do if Python looked it up and called it.
#pragma once

#include <cstdint>
#include <string_view>

namespace stkit {

enum class GlobalVerdict : uint8_t {
  Allowed,    // builds plain data; the reader knows what
  Unknown,    // some class; harmless here, where it is never looked up
  Dangerous,  // runs programs or code, opens files or sockets, or is a step on the way there
};
std::string_view name(GlobalVerdict verdict);  // "allowed", "unknown", "dangerous"

// `name` may be a path of attributes, as protocol 4 allows: "Shard.from_json".
GlobalVerdict judge_global(std::string_view module, std::string_view name);

}  // namespace stkit
