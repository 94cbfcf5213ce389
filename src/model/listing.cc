#include "model/listing.h"

#include <fmt/format.h>

#include "formats/finding_log.h"

namespace stkit {

Finding not_a_file(const Folder& folder, const FolderEntry& entry) {
  return {.check = Check::NotAFile,
          .path = folder.path_of(entry.name),
          .message = fmt::format("{} {}", quoted_name(base_name(entry.name)),
                                 entry.kind == EntryKind::Folder ? "is a folder" : entry.problem)};
}

}  // namespace stkit
