// Files against promised digests: a list in sha256sum's format, or what a download left behind.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>

#include "base/ascii.h"
#include "ops/validate/checks.h"
#include "ops/validate/hashing.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr size_t kHexDigits = 64;
constexpr uint64_t kMaxListBytes = uint64_t{64} << 20;

std::optional<std::string> unescape(std::string_view name) {
  std::string plain;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] != '\\') {
      plain += name[i];
      continue;
    }
    if (++i == name.size()) return std::nullopt;
    switch (name[i]) {
      case '\\': plain += '\\'; break;
      case 'n': plain += '\n'; break;
      case 'r': plain += '\r'; break;
      default: return std::nullopt;
    }
  }
  return plain;
}

// A name that needs escaping is announced by a backslash in front of the digest.
std::string checksum_line(std::string_view digest, std::string_view name) {
  std::string escaped;
  for (const char c : name) {
    if (c == '\\')
      escaped += "\\\\";
    else if (c == '\n')
      escaped += "\\n";
    else if (c == '\r')
      escaped += "\\r";
    else
      escaped += c;
  }
  return fmt::format("{}{}  {}\n", escaped == name ? "" : "\\", digest, escaped);
}

// `<hex>  <name>` or `<hex> *<name>`.
std::optional<Promise> parse_line(std::string_view line) {
  const bool escaped = line.starts_with('\\');
  if (escaped) line.remove_prefix(1);
  if (line.size() < kHexDigits + 3 || !ascii::all_hex_digits(line.substr(0, kHexDigits)))
    return std::nullopt;
  if (line[kHexDigits] != ' ') return std::nullopt;
  if (line[kHexDigits + 1] != ' ' && line[kHexDigits + 1] != '*') return std::nullopt;
  std::string_view name = line.substr(kHexDigits + 2);
  Promise promise{lower_case(line.substr(0, kHexDigits)), std::string(name)};
  if (escaped) {
    auto plain = unescape(name);
    if (!plain) return std::nullopt;
    promise.name = std::move(*plain);
  }
  if (promise.name.starts_with("./")) promise.name.erase(0, 2);
  if (promise.name.empty()) return std::nullopt;
  return promise;
}

Result<std::string> read_list(const std::string& path) {
  STKIT_ASSIGN(const auto file, open_local_file(path, Access::Read));
  if (file->size_bytes() > kMaxListBytes)
    return fail(ErrorCode::Unsupported,
                fmt::format("a checksum list of {} bytes is larger than {}", file->size_bytes(),
                            kMaxListBytes),
                {}, path);
  std::string text(static_cast<size_t>(file->size_bytes()), '\0');
  STKIT_TRY(file->read_at(0, std::as_writable_bytes(std::span(text))));
  return text;
}

std::vector<Promise> parse_list(Context& context, const std::string& path, std::string_view text) {
  std::vector<Promise> promises;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    if (auto promise = parse_line(line)) {
      promises.push_back(std::move(*promise));
    } else {
      context.report(Check::BadChecksumLine, path,
                     fmt::format("line {} is not a SHA-256 and a file name", number));
    }
  }
  return promises;
}

// Where a download keeps what the server said of a file: three lines, the second its ETag.
std::optional<std::string> digest_of_metadata(const Model& model, std::string_view name) {
  const auto file =
      model.folder().open(fmt::format(".cache/huggingface/download/{}.metadata", name));
  if (!file || (*file)->size_bytes() > 4096) return std::nullopt;
  std::string text(static_cast<size_t>((*file)->size_bytes()), '\0');
  if (!(*file)->read_at(0, std::as_writable_bytes(std::span(text)))) return std::nullopt;
  const size_t line = text.find('\n');
  if (line == text.npos) return std::nullopt;
  return text.substr(line + 1, text.find_first_of("\r\n", line + 1) - line - 1);
}

// In the Hub's cache a file is a link to a blob that is named by its ETag.
std::optional<std::string> digest_of_blob(const Model& model, std::string_view name) {
  std::error_code error;
  const auto target = std::filesystem::read_symlink(model.folder().path_of(name), error);
  if (error || target.parent_path().filename() != "blobs") return std::nullopt;
  return target.filename().string();
}

}  // namespace

Result<void> check_checksums(Context& context) {
  const std::string& path = *context.options.checksums;
  STKIT_ASSIGN(const std::string text, read_list(path));
  const std::vector<Promise> promises = parse_list(context, path, text);
  const Folder& folder = context.model.folder();
  STKIT_ASSIGN(const std::vector<HashOutcome> outcomes, hash_all(folder, promises, context.run));

  std::set<std::string_view> listed;
  for (size_t i = 0; i < promises.size(); ++i) {
    listed.insert(promises[i].name);
    const auto& problem = outcomes[i].unreadable;
    if (problem && problem->code == ErrorCode::NotFound)
      context.report(Check::ChecksumMissingFile, folder.path_of(promises[i].name),
                     fmt::format("'{}' is listed, but not there", printable(promises[i].name)));
    else if (problem)
      context.report(
          Check::BadChecksumLine, path,
          fmt::format("'{}' cannot be checked: {}", printable(promises[i].name), problem->message));
    else if (outcomes[i].digest != promises[i].digest)
      context.report(Check::ChecksumMismatch, folder.path_of(promises[i].name),
                     fmt::format("the SHA-256 is {}, but {} was promised", outcomes[i].digest,
                                 promises[i].digest));
  }
  for (const uint32_t file : context.weights) {
    const ModelFile& weights = context.model.files()[file];
    if (!listed.contains(weights.name))
      context.report(Check::ChecksumUnlisted, weights.path,
                     fmt::format("'{}' is not in the list", weights.name));
  }
  return {};
}

Result<void> check_download_evidence(Context& context) {
  std::vector<Promise> promises;
  for (const uint32_t file : context.weights) {
    const std::string& name = context.model.files()[file].name;
    auto etag = digest_of_metadata(context.model, name);
    if (!etag) etag = digest_of_blob(context.model, name);
    // Shorter ones are SHA-1 of small files, or no digests at all.
    if (etag && etag->size() == kHexDigits && ascii::all_hex_digits(*etag))
      promises.push_back({lower_case(*etag), name});
  }
  if (promises.empty()) return {};
  STKIT_ASSIGN(const std::vector<HashOutcome> outcomes,
               hash_all(context.model.folder(), promises, context.run));
  for (size_t i = 0; i < promises.size(); ++i) {
    if (outcomes[i].unreadable || outcomes[i].digest == promises[i].digest) continue;
    context.report(
        {.check = Check::ChecksumMismatch,
         .path = context.model.folder().path_of(promises[i].name),
         .message = fmt::format("the SHA-256 is {}, but the file that was downloaded had {}",
                                outcomes[i].digest, promises[i].digest),
         .hint =
             "damaged, incomplete, or changed since; download it again if you did not change it"});
  }
  return {};
}

Result<std::string> checksum_list(const Model& model, const RunOptions& run) {
  std::vector<Promise> files;
  for (const ModelFile& file : model.files()) files.push_back({{}, file.name});
  STKIT_ASSIGN(std::vector<HashOutcome> outcomes, hash_all(model.folder(), files, run));
  std::string list;
  for (size_t i = 0; i < files.size(); ++i) {
    if (outcomes[i].unreadable) return fail(std::move(*outcomes[i].unreadable));
    list += checksum_line(outcomes[i].digest, files[i].name);
  }
  return list;
}

}  // namespace stkit
