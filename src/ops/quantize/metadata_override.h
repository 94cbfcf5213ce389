// Keys of GGUF that the user gives.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "formats/gguf_value.h"
#include "stkit/error.h"

namespace stkit {

// Each is a key and TYPE:VALUE. A key that is there keeps its place. Usage where the text is none,
// where the key is of another type, and for the alignment, which the layout decides. Texts and keys
// must outlive the entries.
Result<void> apply_overrides(std::span<const std::pair<std::string, std::string>> overrides,
                             std::vector<GgufEntry>& entries);

}  // namespace stkit
