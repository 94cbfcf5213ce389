#include "model/text_file.h"

#include <fmt/format.h>

#include <span>

#include "formats/finding_log.h"
#include "stkit/text.h"

namespace stkit {

Result<std::string> read_text_file(const Folder& folder, std::string_view name) {
  STKIT_ASSIGN(const std::unique_ptr<RandomAccessFile> file, folder.open(name));
  if (file->size_bytes() > kMaxTextFileBytes)
    return fail(ErrorCode::Corrupt,
                fmt::format("{} takes {} bytes, at most {} are read", quoted_name(name),
                            format_grouped(file->size_bytes()), format_grouped(kMaxTextFileBytes)),
                {}, file->label());
  std::string text(file->size_bytes(), '\0');
  STKIT_TRY(file->read_at(0, std::as_writable_bytes(std::span(text))));
  return text;
}

}  // namespace stkit
