#include "formats/imatrix_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "formats/imatrix_forms.h"
#include "formats/safetensors_reader.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr std::array kGgufMagic = {std::byte{'G'}, std::byte{'G'}, std::byte{'U'}, std::byte{'F'}};

// Whether the means are such as sums of squares have.
bool check_values(const ImatrixEntry& entry, FindingLog& log) {
  const auto is_bad = [](float value) { return !std::isfinite(value) || value < 0; };
  const auto bad = std::ranges::find_if(entry.values, is_bad);
  if (bad != entry.values.end()) {
    log.add(Check::ImatrixBadValues, entry.name, [&] {
      const auto count = static_cast<uint64_t>(std::count_if(bad, entry.values.end(), is_bad));
      return fmt::format(
          "{} of {} importances of {} are negative or not finite, the first is "
          "number {}: {}",
          format_grouped(count), format_grouped(entry.values.size()), quoted_name(entry.name),
          format_grouped(static_cast<uint64_t>(bad - entry.values.begin())), *bad);
    });
    return false;
  }
  if (std::ranges::all_of(entry.values, [](float value) { return value == 0; }))
    log.add(Check::ImatrixAllZero, entry.name, [&] {
      return fmt::format("all {} importances of {} are zero", format_grouped(entry.values.size()),
                         quoted_name(entry.name));
    });
  return true;
}

Result<void> sort_by_name(const RandomAccessFile& file, std::vector<ImatrixEntry>& entries) {
  std::ranges::sort(entries, {}, &ImatrixEntry::name);
  const auto twice = std::ranges::adjacent_find(entries, {}, &ImatrixEntry::name);
  if (twice == entries.end()) return {};
  return fail(ErrorCode::Corrupt,
              fmt::format("the importance matrix has two entries {}", quoted_name(twice->name)), {},
              file.label());
}

}  // namespace

Result<std::span<const float>> ImatrixEntry::values_for(uint64_t wanted_matrices,
                                                        uint64_t columns) const {
  const bool known = matrices != 0;
  // A file has fewer than 2^32 values, so that the product of what fits does not overflow.
  if ((known && matrices != wanted_matrices) || wanted_matrices == 0 ||
      values.size() % wanted_matrices != 0 || values.size() / wanted_matrices != columns)
    return fail(ErrorCode::Corrupt,
                fmt::format("{} has {} importances{}, but the weight has {} matrices of {} columns",
                            quoted_name(name), format_grouped(values.size()),
                            known ? fmt::format(" of {} matrices", format_grouped(matrices)) : "",
                            format_grouped(wanted_matrices), format_grouped(columns)),
                "use the importance matrix of this very model");
  return values;
}

const ImatrixEntry* Imatrix::find(std::string_view name) const {
  const auto place = std::ranges::lower_bound(entries, name, {}, &ImatrixEntry::name);
  return place != entries.end() && place->name == name ? &*place : nullptr;
}

Result<Imatrix> read_imatrix(const RandomAccessFile& file) {
  if (file.size_bytes() > kMaxImatrixBytes)
    return fail(ErrorCode::Unsupported,
                fmt::format("the file has {} bytes; an importance matrix has at most {}",
                            format_grouped(file.size_bytes()), format_grouped(kMaxImatrixBytes)),
                {}, file.label());
  std::array<std::byte, 4> magic{};
  if (file.size_bytes() >= magic.size()) STKIT_TRY(file.read_at(0, magic));

  Imatrix imatrix;
  FindingLog log(file.label(), kMaxFindingsOfAKind);
  STKIT_TRY(magic == kGgufMagic ? read_gguf_imatrix(file, imatrix, log)
                                : read_legacy_imatrix(file, imatrix));
  STKIT_TRY(sort_by_name(file, imatrix.entries));
  std::erase_if(imatrix.entries,
                [&](const ImatrixEntry& entry) { return !check_values(entry, log); });
  imatrix.findings = log.take();
  return imatrix;
}

}  // namespace stkit
