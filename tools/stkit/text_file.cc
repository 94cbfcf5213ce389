#include "text_file.h"

#include <span>

#include "stkit/writer.h"

namespace stkit::cli {

Result<void> write_text_file(const std::filesystem::path& path, std::string_view text,
                             bool overwrite) {
  STKIT_ASSIGN(const auto file, create_output(path, text.size(), {.overwrite = overwrite}));
  STKIT_TRY(file->write_at(0, std::as_bytes(std::span(text))));
  return file->commit();
}

}  // namespace stkit::cli
