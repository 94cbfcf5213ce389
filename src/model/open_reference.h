// From what the user wrote to a folder and, perhaps, a file of it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "stkit/io.h"

namespace stkit {

// A local path; for a repository of the Hub's cache (models--org--name) the snapshot of its main
// revision. What is none goes to `remote`, if there is one.
Result<OpenedReference> open_reference(std::string_view reference, const ReferenceOpener& remote);

// The name that people know a folder by: its own, or the repository's in a Hub snapshot.
std::string folder_display_name(const std::filesystem::path& path);

}  // namespace stkit
