#include "formats/gguf_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "formats/file_cursor.h"
#include "formats/finding_log.h"
#include "formats/gguf_entries.h"
#include "formats/gguf_placement.h"
#include "formats/safetensors_reader.h"
#include "formats/tensor_names.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr uint32_t kOldestVersion = 2;
constexpr uint32_t kNewestVersion = 3;

Result<void> report_other_content(const RandomAccessFile& file, FindingLog& log) {
  std::array<std::byte, kForeignHeadBytes> buffer;
  const auto head = std::span(buffer).first(
      static_cast<size_t>(std::min<uint64_t>(file.size_bytes(), buffer.size())));
  STKIT_TRY(file.read_at(0, head));
  const ForeignContent content = recognise_foreign(head);
  Finding* const finding = log.add(Check::NotGguf, {}, [&] {
    return content.what.empty() ? "the file does not start with `GGUF`"
                                : fmt::format("the file is not GGUF but {}", content.what);
  });
  finding->hint = content.cure;
  return {};
}

bool check_version(uint32_t version, FindingLog& log) {
  if (version >= kOldestVersion && version <= kNewestVersion) return true;
  const bool swapped = version != 0 && (version & 0xFFFF) == 0;
  Finding* const finding = log.add(Check::GgufVersion, {}, [&] {
    if (swapped)
      return fmt::format("the file is big-endian GGUF of version {}", __builtin_bswap32(version));
    if (version == 1)
      return std::string(
          "the file is of GGUF version 1, which no tool writes "
          "since 2023");
    if (version > kNewestVersion)
      return fmt::format("the file is of GGUF version {}; the newest that stkit knows is {}",
                         version, kNewestVersion);
    return fmt::format("the file is of GGUF version {}, which does not exist", version);
  });
  if (swapped)
    finding->hint = "convert it with gguf_convert_endian.py of llama.cpp";
  else if (version > kNewestVersion)
    finding->hint = "update stkit";
  return false;
}

// Magic, version and counts, and everything behind them.
Result<GgufEntries> read_entries(const RandomAccessFile& file, FileCursor& cursor,
                                 uint32_t file_index, GgufHeader& header, FindingLog& log) {
  const auto magic = cursor.number<uint32_t>();
  if (cursor.state() == FileCursor::State::Failed) return fail(cursor.error());
  if (magic != kMagic) {
    STKIT_TRY(report_other_content(file, log));
    return GgufEntries{};
  }
  header.version = cursor.number<uint32_t>();
  if (cursor.ok() && !check_version(header.version, log)) return GgufEntries{};
  const auto tensors = cursor.number<uint64_t>();
  const auto keys = cursor.number<uint64_t>();
  if (cursor.state() == FileCursor::State::Failed) return fail(cursor.error());
  if (!cursor.ok()) {
    report_gguf_end(cursor, "the start of the header", log);
    return GgufEntries{};
  }
  return read_gguf_entries(cursor, keys, tensors, file_index, header.storage, log);
}

void check_metadata(const GgufEntries& entries, FindingLog& log) {
  for (const std::string_view key : repeated_gguf_keys(entries.metadata))
    log.add(Check::GgufDuplicateKey, {},
            [&] { return fmt::format("metadata key {} occurs more than once", quoted_name(key)); });
  if (!entries.complete) return;
  GgufProblems problems;
  check_gguf_metadata(entries.metadata, entries.tensors.size() + entries.unplaced, problems);
  for (GgufProblem& problem : problems)
    log.add(problem.check, {}, [&] { return std::move(problem.message); });
}

void drop_duplicate_tensors(std::vector<TensorInfo>& tensors, FindingLog& log) {
  const std::vector<uint32_t> superseded = superseded_names(
      static_cast<uint32_t>(tensors.size()), [&](uint32_t i) { return tensors[i].name; });
  for (const uint32_t index : superseded)
    log.add(Check::GgufDuplicateTensor, tensors[index].name, [&] {
      return fmt::format("tensor {} occurs again in the header", quoted_name(tensors[index].name));
    });
  drop_items(tensors, superseded);
}

// The offset of the first byte that is not zero, or `run`'s end.
Result<uint64_t> skip_zeros(const RandomAccessFile& file, const ByteRun& run) {
  std::array<std::byte, 4096> buffer;
  const uint64_t end = run.offset_bytes + run.size_bytes;
  for (uint64_t at = run.offset_bytes; at < end;) {
    const auto chunk =
        std::span(buffer).first(static_cast<size_t>(std::min<uint64_t>(end - at, buffer.size())));
    STKIT_TRY(file.read_at(at, chunk));
    const auto other = std::ranges::find_if(chunk, [](std::byte b) { return b != std::byte{0}; });
    at += static_cast<uint64_t>(other - chunk.begin());
    if (other != chunk.end()) return at;
  }
  return end;
}

}  // namespace

bool GgufHeader::sound() const {
  return std::ranges::none_of(
      findings, [](const Finding& finding) { return finding.severity() == Severity::Error; });
}

Result<GgufHeader> read_gguf_header(const RandomAccessFile& file, uint64_t max_header_bytes,
                                    uint32_t file_index) {
  GgufHeader header;
  FindingLog log(file.label(), kMaxFindingsOfAKind);
  FileCursor cursor(file, max_header_bytes);
  STKIT_ASSIGN(GgufEntries entries, read_entries(file, cursor, file_index, header, log));
  check_metadata(entries, log);

  const uint64_t file_bytes = file.size_bytes();
  header.alignment = gguf_alignment(entries.metadata);
  header.header_bytes = entries.complete ? cursor.position() : file_bytes;
  const uint64_t data_start =
      (header.header_bytes + header.alignment - 1) / header.alignment * header.alignment;
  if (entries.complete)
    check_gguf_placement(entries.tensors, entries.unplaced == 0,
                         {data_start, header.alignment, file_bytes}, log);
  header.data_offset = std::min(data_start, file_bytes);
  drop_duplicate_tensors(entries.tensors, log);
  for (TensorInfo& tensor : entries.tensors) tensor.offset_bytes += data_start;
  header.metadata = std::move(entries.metadata);
  header.tensors = std::move(entries.tensors);
  header.findings = log.take();
  return header;
}

std::vector<ByteRun> gguf_padding(const GgufHeader& header, uint64_t file_bytes,
                                  uint32_t file_index) {
  std::vector<ByteRun> runs;
  uint64_t covered = header.header_bytes;
  const auto pad_to = [&](uint64_t end) {
    if (end > covered) runs.push_back({file_index, covered, end - covered});
  };
  for (const TensorInfo& tensor : header.tensors) {
    pad_to(tensor.offset_bytes);
    covered = tensor.offset_bytes + tensor.size_bytes;
  }
  pad_to(file_bytes);
  return runs;
}

Result<std::vector<Finding>> check_gguf_padding(const RandomAccessFile& file,
                                                const GgufHeader& header) {
  FindingLog log(file.label(), kMaxFindingsOfAKind);
  for (const ByteRun& run : gguf_padding(header, file.size_bytes())) {
    STKIT_ASSIGN(const uint64_t other, skip_zeros(file, run));
    if (other < run.offset_bytes + run.size_bytes)
      log.add(Check::GgufPadding, {}, [&] {
        return fmt::format("byte {} of the file is padding, but not zero", format_grouped(other));
      });
  }
  return log.take();
}

}  // namespace stkit
