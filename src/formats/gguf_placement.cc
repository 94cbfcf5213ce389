#include "formats/gguf_placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <tuple>
#include <vector>

#include "base/checked_math.h"
#include "stkit/text.h"

namespace stkit {
namespace {

uint64_t end_of(const TensorInfo& tensor) { return tensor.offset_bytes + tensor.size_bytes; }

// Entries end below 2^62 (gguf_entries.cc), so there is always a next multiple.
uint64_t padded(uint64_t end, const GgufData& data) {
  return checked_round_up(end, uint64_t{data.alignment}).value_or(end);
}

void report_offset(const TensorInfo& tensor, uint64_t expected, FindingLog& log) {
  log.add(Check::GgufOffset, tensor.name, [&] {
    return fmt::format("tensor {} lies at byte {} of the data, where byte {} is its place",
                       quoted_name(tensor.name), format_grouped(tensor.offset_bytes),
                       format_grouped(expected));
  });
}

// Reports each tensor that begins before all those in front of it have ended.
void report_overlaps(std::span<const TensorInfo> tensors, FindingLog& log) {
  std::vector<uint32_t> order(tensors.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(order, [&](uint32_t a, uint32_t b) {
    return std::tuple(tensors[a].offset_bytes, end_of(tensors[a]), a) <
           std::tuple(tensors[b].offset_bytes, end_of(tensors[b]), b);
  });
  const TensorInfo* holder = nullptr;
  for (const uint32_t index : order) {
    const TensorInfo& tensor = tensors[index];
    if (holder != nullptr && tensor.offset_bytes < end_of(*holder))
      log.add(Check::GgufOverlap, tensor.name, [&] {
        const uint64_t end = std::min(end_of(*holder), end_of(tensor));
        return fmt::format("tensors {} and {} share bytes {} to {} of the data ({})",
                           quoted_name(holder->name), quoted_name(tensor.name),
                           format_grouped(tensor.offset_bytes), format_grouped(end),
                           counted(end - tensor.offset_bytes, "byte"));
      });
    if (holder == nullptr || end_of(tensor) >= end_of(*holder)) holder = &tensor;
  }
}

void check_order(std::span<const TensorInfo> tensors, bool all_placed, const GgufData& data,
                 FindingLog& log) {
  uint64_t expected = 0;
  bool steps_back = false;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.offset_bytes % data.alignment != 0)
      log.add(Check::GgufMisaligned, tensor.name, [&] {
        return fmt::format("tensor {} lies at byte {} of the data, not at a multiple of {}",
                           quoted_name(tensor.name), format_grouped(tensor.offset_bytes),
                           data.alignment);
      });
    else if (tensor.offset_bytes != expected && all_placed)
      report_offset(tensor, expected, log);
    steps_back |= tensor.offset_bytes < expected;
    expected = padded(end_of(tensor), data);
  }
  // Where each begins behind the one before it, none overlap.
  if (steps_back) report_overlaps(tensors, log);
}

void check_end(std::span<const TensorInfo> tensors, bool all_placed, const GgufData& data,
               FindingLog& log) {
  uint64_t covered = 0;
  uint64_t cut_count = 0;
  const TensorInfo* first_cut = nullptr;
  for (const TensorInfo& tensor : tensors) {
    const uint64_t end = end_of(tensor);
    covered = std::max(covered, end);
    if (data.start + end <= data.file_bytes) continue;
    ++cut_count;
    if (first_cut == nullptr) first_cut = &tensor;
  }
  const uint64_t end = data.start + covered;
  if (first_cut != nullptr) {
    log.add(Check::GgufTruncated, first_cut->name, [&] {
      return fmt::format(
          "tensor {} ends at byte {} but the file holds {}: {} missing{}, like those of an "
          "incomplete download",
          quoted_name(first_cut->name), format_grouped(data.start + end_of(*first_cut)),
          format_grouped(data.file_bytes), counted(end - data.file_bytes, "byte is", "bytes are"),
          cut_count == 1 ? "" : fmt::format(", of {} tensors", format_grouped(cut_count)));
    });
    return;
  }
  if (!all_placed) return;
  const uint64_t padded_end = data.start + padded(covered, data);
  if (data.file_bytes > padded_end)
    log.add(Check::GgufTrailingBytes, {}, [&] {
      return fmt::format("{} the last tensor and its padding, from byte {} on",
                         counted(data.file_bytes - padded_end, "byte follows", "bytes follow"),
                         format_grouped(padded_end));
    });
  else if (data.file_bytes < padded_end && !tensors.empty()) {
    Finding* const finding = log.add(Check::GgufPadding, {}, [&] {
      return fmt::format("the last tensor has {} of padding, not {}",
                         counted(data.file_bytes - end, "byte"), padded_end - end);
    });
    // llama.cpp maps the tensors alone; only a reader that loads the data as one block wants it.
    finding->severity_override = Severity::Note;
  }
}

}  // namespace

void check_gguf_placement(std::span<const TensorInfo> tensors, bool all_placed,
                          const GgufData& data, FindingLog& log) {
  check_order(tensors, all_placed, data, log);
  check_end(tensors, all_placed, data, log);
}

}  // namespace stkit
