#include "formats/safetensors_coverage.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "formats/safetensors_reader.h"
#include "formats/tensor_names.h"
#include "stkit/text.h"

namespace stkit {
namespace {

struct Extent {
  std::string_view name;
  uint64_t begin = 0;
  uint64_t end = 0;
};

// An empty tensor comes in front of the one that starts at the same byte.
using Place = std::tuple<uint64_t, uint64_t, std::string_view>;
Place place_of(const TensorInfo& tensor) {
  return {tensor.offset_bytes, tensor.offset_bytes + tensor.size_bytes, tensor.name};
}
Place place_of(const BrokenEntry& entry) { return {entry.begin, entry.end, entry.name}; }

// Goes through the extents of sound and broken entries in the order of the file.
class ExtentWalk {
 public:
  explicit ExtentWalk(const SafetensorsEntries& entries)
      : tensors_(entries.tensors), broken_(entries.broken) {}

  bool next(Extent& extent) {
    while (!broken_.empty() && !broken_.front().placed) broken_ = broken_.subspan(1);
    if (broken_.empty() && tensors_.empty()) return false;
    if (tensors_.empty() ||
        (!broken_.empty() && place_of(broken_.front()) < place_of(tensors_.front()))) {
      extent = {broken_.front().name, broken_.front().begin, broken_.front().end};
      broken_ = broken_.subspan(1);
    } else {
      const TensorInfo& tensor = tensors_.front();
      extent = {tensor.name, tensor.offset_bytes, tensor.offset_bytes + tensor.size_bytes};
      tensors_ = tensors_.subspan(1);
    }
    return true;
  }

 private:
  std::span<const TensorInfo> tensors_;
  std::span<const BrokenEntry> broken_;
};

template <class T>
void sort_by_place(std::vector<T>& items) {
  const auto before = [](const T& a, const T& b) { return place_of(a) < place_of(b); };
  // Most writers list tensors in the order of their data.
  if (!std::ranges::is_sorted(items, before)) std::ranges::sort(items, before);
}

void report_overlap(const Extent& extent, const Extent& holder, FindingLog& log) {
  log.add(Check::TensorsOverlap, extent.name, [&] {
    if (extent.begin == extent.end)
      return fmt::format("tensor {}, which is empty, lies at byte {} inside tensor {}",
                         quoted_name(extent.name), format_grouped(extent.begin),
                         quoted_name(holder.name));
    const uint64_t end = std::min(extent.end, holder.end);
    return fmt::format("tensors {} and {} share bytes {} to {} of the data ({})",
                       quoted_name(holder.name), quoted_name(extent.name),
                       format_grouped(extent.begin), format_grouped(end),
                       counted(end - extent.begin, "byte"));
  });
}

void report_hole(uint64_t begin, const Extent& next, FindingLog& log) {
  log.add(Check::DataHole, next.name, [&] {
    return fmt::format("bytes {} to {} of the data ({}) in front of tensor {} belong to none",
                       format_grouped(begin), format_grouped(next.begin),
                       counted(next.begin - begin, "byte"), quoted_name(next.name));
  });
}

void report_truncation(const Extent& first_cut, uint64_t cut_count, uint64_t covered,
                       uint64_t data_start, uint64_t data_bytes, FindingLog& log) {
  log.add(Check::Truncated, first_cut.name, [&] {
    return fmt::format(
        "tensor {} ends at byte {} but the file holds {}: {} missing{}, like those of an "
        "incomplete download",
        quoted_name(first_cut.name), format_grouped(data_start + first_cut.end),
        format_grouped(data_start + data_bytes),
        counted(covered - data_bytes, "byte is", "bytes are"),
        cut_count == 1 ? "" : fmt::format(", of {} tensors", format_grouped(cut_count)));
  });
}

Result<void> report_rest(const RandomAccessFile& file, uint64_t start, FindingLog& log) {
  const uint64_t rest = file.size_bytes() - start;
  std::vector<std::byte> head(static_cast<size_t>(std::min<uint64_t>(rest, kForeignHeadBytes)));
  STKIT_TRY(file.read_at(start, head));
  log.add(Check::TrailingBytes, {}, [&] {
    const std::string what = recognise_foreign(head).what;
    return fmt::format("{} the last tensor, from byte {} of the file on{}",
                       counted(rest, "byte follows", "bytes follow"), format_grouped(start),
                       what.empty() ? "" : "; they look like " + what);
  });
  return {};
}

}  // namespace

void drop_duplicate_names(SafetensorsEntries& entries, FindingLog& log) {
  // Broken entries have the numbers in front of those of tensors, so they go first.
  const auto first_tensor = static_cast<uint32_t>(entries.broken.size());
  const auto name_of = [&](uint32_t number) -> std::string_view {
    return number < first_tensor ? entries.broken[number].name
                                 : entries.tensors[number - first_tensor].name;
  };
  const std::vector<uint32_t> superseded =
      superseded_names(first_tensor + static_cast<uint32_t>(entries.tensors.size()), name_of);
  for (const uint32_t number : superseded)
    log.add(Check::DuplicateTensor, name_of(number), [&] {
      return fmt::format("tensor {} occurs again in the header", quoted_name(name_of(number)));
    });
  drop_items(entries.broken, superseded);
  drop_items(entries.tensors, superseded, first_tensor);
}

void sort_by_place(SafetensorsEntries& entries) {
  sort_by_place(entries.tensors);
  sort_by_place(entries.broken);
}

Result<void> check_coverage(const RandomAccessFile& file, uint64_t data_start,
                            const SafetensorsEntries& entries, FindingLog& log) {
  const uint64_t data_bytes = file.size_bytes() - data_start;
  // With an entry whose place is unknown, a hole is most likely its.
  const bool all_placed = std::ranges::all_of(entries.broken, &BrokenEntry::placed);
  uint64_t covered = 0;
  uint64_t cut_count = 0;
  Extent holder, first_cut;
  ExtentWalk walk(entries);
  for (Extent extent; walk.next(extent);) {
    if (extent.begin < covered) report_overlap(extent, holder, log);
    if (extent.begin > covered && all_placed) report_hole(covered, extent, log);
    if (extent.end > data_bytes && cut_count++ == 0) first_cut = extent;
    if (extent.end >= covered) holder = extent;
    covered = std::max(covered, extent.end);
  }
  if (covered > data_bytes)
    report_truncation(first_cut, cut_count, covered, data_start, data_bytes, log);
  else if (covered < data_bytes && all_placed)
    STKIT_TRY(report_rest(file, data_start + covered, log));
  return {};
}

}  // namespace stkit
