#include "model/shard_index.h"

#include <fmt/format.h>

#include <unordered_map>

#include "base/json_cost.h"
#include "base/json_reader.h"
#include "formats/finding_log.h"
#include "model/name_index.h"
#include "stkit/text.h"

namespace stkit {
namespace {

class Parser {
 public:
  Parser(ShardIndex& index, const std::string& path) : index_(index), path_(path) {}

  Result<void> root(JsonCursor cursor) {
    if (cursor.type() != JsonType::Object) {
      report(Check::BadIndex,
             fmt::format("the index is of type {}, not object", name(cursor.type())));
      return cursor.skip();
    }
    STKIT_TRY(cursor.object([&](std::string_view key, JsonCursor value) -> Result<void> {
      if (key == "weight_map") return weight_map(value);
      if (key == "metadata" && value.type() == JsonType::Object) return metadata(value);
      return value.skip();
    }));
    if (maps_seen_ == 0) report(Check::BadIndex, "the index has no weight_map");
    return {};
  }

  bool usable() const { return usable_; }

 private:
  Result<void> weight_map(JsonCursor value) {
    if (++maps_seen_ == 2) report(Check::BadIndex, "the index has two weight_maps");
    if (value.type() != JsonType::Object) {
      report(Check::BadIndex,
             fmt::format("weight_map is of type {}, not object", name(value.type())));
      return value.skip();
    }
    STKIT_TRY(value.object([&](std::string_view tensor, JsonCursor file) -> Result<void> {
      if (file.type() != JsonType::String) {
        if (++bad_values_ == 1) first_bad_value_ = tensor;
        return file.skip();
      }
      STKIT_ASSIGN(const std::string_view file_name, file.string());
      index_.entries.push_back({index_.storage.copy(tensor), intern(file_name)});
      return {};
    }));
    if (index_.entries.empty()) report(Check::BadIndex, "weight_map names no tensors");
    usable_ = !index_.entries.empty();
    if (bad_values_ > 0)
      report(Check::BadIndex, fmt::format("weight_map has {}, first {}",
                                          counted(bad_values_, "value that is no file name",
                                                  "values that are not file names"),
                                          quoted_name(first_bad_value_)));
    return {};
  }

  Result<void> metadata(JsonCursor value) {
    return value.object([&](std::string_view key, JsonCursor field) -> Result<void> {
      if (key != "total_size") return field.skip();
      if (field.type() != JsonType::Number) {
        report(Check::WrongTotalSize,
               fmt::format("total_size is of type {}, not number", name(field.type())));
        return field.skip();
      }
      STKIT_ASSIGN(index_.total_size, field.number());
      return {};
    });
  }

  // Neighbours mostly name the same file, so the last one is tried before the table.
  uint32_t intern(std::string_view file) {
    if (!index_.files.empty() && index_.files[last_file_] == file) return last_file_;
    const auto known = ids_.find(file);
    if (known != ids_.end()) return last_file_ = known->second;
    last_file_ = static_cast<uint32_t>(index_.files.size());
    index_.files.push_back(index_.storage.copy(file));
    ids_.emplace(index_.files.back(), last_file_);
    return last_file_;
  }

  void report(Check check, std::string message) {
    index_.findings.push_back({.check = check, .path = path_, .message = std::move(message)});
  }

  ShardIndex& index_;
  const std::string& path_;
  std::unordered_map<std::string_view, uint32_t> ids_;
  uint32_t last_file_ = 0;
  unsigned maps_seen_ = 0;
  bool usable_ = false;
  uint64_t bad_values_ = 0;
  std::string first_bad_value_;
};

// A forged index of 100 MB would name twelve million files and take gigabytes; those of the largest
// models take a tenth of what is allowed here.
bool is_too_costly(std::string_view text, const std::string& path, ShardIndex& index) {
  constexpr uint64_t kAlwaysAllowed = uint64_t{48} << 20;
  // An entry, its name and its file's in the tables; four tokens make one.
  constexpr uint64_t kBytesOfAnEntry = 160;
  const JsonCost cost = measure_json(text);
  const uint64_t needed = cost.parser_bytes() + cost.tokens / 4 * kBytesOfAnEntry;
  const uint64_t allowed = kAlwaysAllowed + 2 * uint64_t{text.size()};
  if (needed <= allowed) return false;
  index.findings.push_back(
      {.check = Check::BadIndex,
       .path = path,
       .message =
           fmt::format("the index is {} of JSON, which take {} of memory; the limit is {}",
                       counted(cost.tokens, "token"), format_bytes(needed), format_bytes(allowed)),
       .hint = "no tool writes such an index; download it again"});
  return true;
}

}  // namespace

ShardIndex parse_shard_index(std::string_view padded_text, const std::string& path) {
  ShardIndex index;
  if (is_too_costly(padded_text, path, index)) return index;
  Parser parser(index, path);
  const Result<void> parsed =
      read_json(padded_text, [&](JsonCursor cursor) { return parser.root(cursor); });
  if (!parsed) {
    index.findings.push_back(
        {.check = Check::BadIndex, .path = path, .message = parsed.error().message});
    return index;
  }
  index.usable = parser.usable();
  return index;
}

Result<ShardIndex> read_shard_index(const RandomAccessFile& file, uint64_t max_bytes) {
  const uint64_t size = file.size_bytes();
  if (size > max_bytes) {
    ShardIndex index;
    index.findings.push_back(
        {.check = Check::BadIndex,
         .path = file.label(),
         .message = fmt::format("the index takes {} bytes, the limit is {}", format_grouped(size),
                                format_grouped(max_bytes)),
         .hint = "if it is trusted, raise the limit with --max-header"});
    return index;
  }
  std::string text(size + kJsonPadding, '\0');
  STKIT_TRY(file.read_at(0, std::as_writable_bytes(std::span(text).first(size))));
  return parse_shard_index(std::string_view(text).substr(0, size), file.label());
}

}  // namespace stkit
