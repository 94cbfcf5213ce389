// Small files as text.
#pragma once

#include <string>
#include <string_view>

#include "stkit/error.h"
#include "stkit/io.h"

namespace stkit {

// tokenizer.json is the largest companion, tens of megabytes in the largest vocabularies.
inline constexpr uint64_t kMaxTextFileBytes = 64ull << 20;

Result<std::string> read_text_file(const Folder& folder, std::string_view name);

}  // namespace stkit
