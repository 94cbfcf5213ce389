#include "model/open_reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <vector>

#include "model/text_file.h"
#include "stkit/text.h"

namespace fs = std::filesystem;

namespace stkit {
namespace {

constexpr std::string_view kRepositoryPrefix = "models--";

Error system_error(const fs::path& path, const std::error_code& error) {
  const bool denied = error == std::errc::permission_denied;
  return {denied ? ErrorCode::AccessDenied : ErrorCode::ReadFailed,
          denied ? "permission denied" : error.message(),
          {},
          path.string()};
}

// ORG/NAME, perhaps with @REVISION, and nothing that only a path can be.
bool could_be_repository(std::string_view reference) {
  const std::string_view id = reference.substr(0, reference.find('@'));
  return std::ranges::count(id, '/') == 1 && !id.starts_with('/') && !id.ends_with('/') &&
         !id.starts_with('.') && !id.starts_with('~');
}

// What the user may have meant, or where else such a reference would be looked up.
std::string not_found_hint(const fs::path& path) {
  const fs::path parent = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(parent, error), end; !error && entry != end;
       entry.increment(error))
    names.push_back(entry->path().filename().string());
  std::ranges::sort(names);  // directories list in any order; the hint must not
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const std::string_view near = nearest(path.filename().string(), candidates);
  if (!near.empty())
    return fmt::format("did you mean '{}'?",
                       path.has_parent_path() ? (parent / near).string() : std::string(near));
  if (could_be_repository(path.string()))
    return "models of the Hub are not opened here; name a local file or folder";
  return {};
}

Error not_found(const fs::path& path) {
  std::error_code error;
  if (fs::is_symlink(fs::symlink_status(path, error)))
    return {ErrorCode::NotFound, "a symbolic link that leads nowhere", {}, path.string()};
  return {ErrorCode::NotFound, "no such file or folder", not_found_hint(path), path.string()};
}

bool is_commit(std::string_view text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// models--org--name/{refs/main,snapshots/<commit>/}: the folder that holds the files.
Result<fs::path> snapshot_of(const fs::path& repository) {
  STKIT_ASSIGN(const std::unique_ptr<Folder> folder, open_local_folder(repository));
  if (const auto main = read_text_file(*folder, "refs/main")) {
    const std::string_view commit =
        std::string_view(*main).substr(0, main->find_last_not_of(" \r\n") + 1);
    std::error_code error;
    const fs::path snapshot = repository / "snapshots" / commit;
    if (is_commit(commit) && fs::is_directory(snapshot, error)) return snapshot;
  }
  STKIT_ASSIGN(const std::vector<FolderEntry> snapshots, folder->list("snapshots"));
  if (snapshots.size() == 1) return repository / snapshots.front().name;
  return fail(ErrorCode::NotFound,
              fmt::format("{} snapshots, and refs/main names none of them", snapshots.size()),
              "name the folder of one snapshot", repository.string());
}

bool is_repository(const fs::path& path) {
  std::error_code error;
  const fs::path normal = path.has_filename() ? path : path.parent_path();
  return normal.filename().string().starts_with(kRepositoryPrefix) &&
         fs::is_directory(path / "snapshots", error);
}

Result<OpenedReference> open_folder(const fs::path& path) {
  STKIT_ASSIGN(std::unique_ptr<Folder> folder, open_local_folder(path));
  return OpenedReference{std::move(folder), {}, folder_display_name(path)};
}

Result<OpenedReference> open_file(const fs::path& path) {
  fs::path parent = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (path.has_parent_path() && parent == ".") parent = "./";  // typed, so it is shown
  STKIT_ASSIGN(std::unique_ptr<Folder> folder, open_local_folder(parent));
  OpenedReference reference{std::move(folder), path.filename().string(),
                            folder_display_name(parent)};
  // A link of the user's own may lead anywhere, so one that the folder refuses is followed by hand.
  std::error_code error;
  if (fs::is_symlink(path, error) && !reference.folder->open(reference.selected)) {
    const fs::path target = fs::canonical(path, error);
    if (error) return fail(system_error(path, error));
    STKIT_ASSIGN(folder, open_local_folder(target.parent_path()));
    reference = {std::move(folder), target.filename().string(),
                 folder_display_name(target.parent_path())};
  }
  return reference;
}

Result<OpenedReference> open_repository(std::string_view reference, const ReferenceOpener& remote) {
  auto opened = remote(reference);
  if (opened || opened.error().code == ErrorCode::Interrupted) return opened;
  // The user may have meant a path.
  Error error = std::move(opened).error();
  const Error local = not_found(fs::path(reference));
  if (error.code == ErrorCode::Usage) return fail(local);
  error.message += fmt::format("; no local file or folder is named '{}' either", reference);
  if (local.hint.starts_with("did you mean")) error.hint = local.hint;
  return fail(std::move(error));
}

}  // namespace

std::string folder_display_name(const fs::path& path) {
  std::error_code error;
  fs::path whole = fs::absolute(path, error).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path();
  if (whole.parent_path().filename() == "snapshots") whole = whole.parent_path().parent_path();
  std::string name = whole.filename().string();
  if (name.starts_with(kRepositoryPrefix)) name.erase(0, name.rfind("--") + 2);
  return name;
}

Result<OpenedReference> open_reference(std::string_view reference, const ReferenceOpener& remote) {
  if (reference.empty()) return fail(ErrorCode::Usage, "the model's name is empty");
  if (reference.find('\0') != std::string_view::npos)
    return fail(ErrorCode::Usage, "the model's name holds a NUL");
  if (reference.find("://") != std::string_view::npos) {
    if (remote) return remote(reference);
    return fail(ErrorCode::Unsupported, "remote models are not opened here",
                "name a local file or folder", std::string(reference));
  }

  const fs::path path(reference);
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  switch (status.type()) {
    case fs::file_type::regular: return open_file(path);
    case fs::file_type::directory: {
      if (!is_repository(path)) return open_folder(path);
      STKIT_ASSIGN(const fs::path snapshot, snapshot_of(path));
      return open_folder(snapshot);
    }
    case fs::file_type::not_found:
      if (remote && could_be_repository(reference)) return open_repository(reference, remote);
      return fail(not_found(path));
    case fs::file_type::none: return fail(system_error(path, error));
    default:
      return fail(ErrorCode::Unsupported, "neither a regular file nor a folder",
                  "copy the content into a file", path.string());
  }
}

}  // namespace stkit
