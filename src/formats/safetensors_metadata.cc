#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <tuple>

#include "formats/safetensors_entries.h"
#include "stkit/text.h"

namespace stkit {
namespace {

using Metadata = std::vector<std::pair<std::string, std::string>>;

void check_size(uint64_t keys, uint64_t bytes, FindingLog& log) {
  constexpr uint64_t kMuchBytes = 1024 * 1024;
  if (keys > kMaxMetadataKeys)
    log.add(Check::LargeMetadata, {}, [&] {
      return fmt::format("__metadata__ has {} keys; those behind the first {} are left out",
                         format_grouped(keys), format_grouped(kMaxMetadataKeys));
    });
  else if (bytes >= kMuchBytes)
    log.add(Check::LargeMetadata, {},
            [&] { return fmt::format("__metadata__ holds {}", format_bytes(bytes)); });
}

// One finding for all of them: it is lighter than other findings of its kind, and must not use up
// the places of those.
void report_duplicates(std::string_view first, size_t count, FindingLog& log) {
  Finding* const finding = log.add(Check::DuplicateField, {}, [&] {
    return fmt::format("__metadata__ has the key {} twice{}; the last value counts",
                       quoted_name(first),
                       count == 1 ? "" : fmt::format(" (and {} more)", format_grouped(count - 1)));
  });
  // The Rust library takes it too, and no weight depends on it.
  if (finding != nullptr) finding->severity_override = Severity::Warning;
}

void keep_last_of_each_key(Metadata& metadata, FindingLog& log) {
  const auto key_of = [&](uint32_t i) -> const std::string& { return metadata[i].first; };
  std::vector<uint32_t> order(metadata.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(order, [&](uint32_t a, uint32_t b) {
    return std::tie(key_of(a), a) < std::tie(key_of(b), b);
  });

  std::vector<bool> superseded(metadata.size());
  std::string_view first;
  size_t count = 0;
  for (size_t i = 1; i < order.size(); ++i) {
    if (key_of(order[i - 1]) != key_of(order[i])) continue;
    superseded[order[i - 1]] = true;
    if (count++ == 0) first = key_of(order[i]);
  }
  if (count == 0) return;
  report_duplicates(first, count, log);
  size_t next = 0;
  std::erase_if(metadata, [&](const auto&) { return superseded[next++]; });
}

}  // namespace

Result<void> read_safetensors_metadata(JsonCursor value, FindingLog& log,
                                       SafetensorsEntries& entries) {
  const JsonType type = value.type();
  if (type == JsonType::Null) {
    STKIT_TRY(value.skip());
    log.add(Check::NullMetadata, {}, [] { return "__metadata__ is null"; });
    return {};
  }
  if (type != JsonType::Object) {
    STKIT_TRY(value.skip());
    log.add(Check::BadMetadata, {},
            [&] { return fmt::format("__metadata__ is of type {}, not object", name(type)); });
    return {};
  }
  entries.has_metadata = true;
  uint64_t keys = 0;
  uint64_t bytes = 0;
  STKIT_TRY(value.object([&](std::string_view key, JsonCursor content) -> Result<void> {
    if (const JsonType found = content.type(); found != JsonType::String) {
      STKIT_TRY(content.skip());
      log.add(Check::BadMetadata, {}, [&] {
        return fmt::format("the value of {} in __metadata__ is of type {}, not string",
                           quoted_name(key), name(found));
      });
      return {};
    }
    STKIT_ASSIGN(const std::string_view text, content.string());
    bytes += key.size() + text.size();
    if (++keys <= kMaxMetadataKeys) entries.metadata.emplace_back(key, text);
    return {};
  }));
  check_size(keys, bytes, log);
  keep_last_of_each_key(entries.metadata, log);
  return {};
}

}  // namespace stkit
