// From what the user wrote to a folder and, perhaps, a file of it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "stkit/io.h"

namespace stkit {

struct Reference {
  std::shared_ptr<const Folder> folder;
  std::string selected;     // a file of the folder; empty for all of it
  std::string folder_name;  // for people; the repository's in a snapshot of the Hub's cache
};

// A local path; for a repository of the Hub's cache (models--org--name) the snapshot of its main
// revision.
Result<Reference> open_reference(std::string_view reference);

// The name that people know a folder by: its own, or the repository's in a Hub snapshot.
std::string folder_display_name(const std::filesystem::path& path);

}  // namespace stkit
