#include "text_file.h"

#include <span>
#include <system_error>

#include "stkit/writer.h"

namespace stkit::cli {

Result<void> write_text_file(const std::filesystem::path& path, std::string_view text,
                             bool overwrite) {
  STKIT_ASSIGN(const auto file, create_output(path, text.size(), {.overwrite = overwrite}));
  STKIT_TRY(file->write_at(0, std::as_bytes(std::span(text))));
  return file->commit();
}

Result<void> check_not_input(const Model& model, const std::filesystem::path& path) {
  for (const ModelFile& file : model.files()) {
    std::error_code not_there;
    if (std::filesystem::equivalent(path, file.path, not_there))
      return fail(ErrorCode::OutputConflict, "is a file of the model that is read",
                  "write to another place; an input is never changed", path.string());
  }
  return {};
}

}  // namespace stkit::cli
