#include "formats/safetensors_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <new>
#include <optional>

#include "base/byte_reader.h"
#include "base/json_cost.h"
#include "base/json_reader.h"
#include "formats/finding_log.h"
#include "formats/safetensors_coverage.h"
#include "formats/safetensors_entries.h"
#include "stkit/dtype.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr uint64_t kLengthBytes = 8;

// What the format allows, and every option's default.
constexpr uint64_t kFormatMaxHeaderBytes = 100'000'000;

// Says what the file is instead, if that can be told.
Result<bool> is_foreign(const RandomAccessFile& file, FindingLog& log) {
  std::array<std::byte, kForeignHeadBytes> buffer;
  const auto head = std::span(buffer).first(
      static_cast<size_t>(std::min<uint64_t>(file.size_bytes(), buffer.size())));
  STKIT_TRY(file.read_at(0, head));
  const ForeignContent content = recognise_foreign(head);
  if (content.what.empty()) return false;
  Finding* const finding = log.add(Check::NotSafetensors, {}, [&] {
    return fmt::format("the file is not safetensors but {}", content.what);
  });
  finding->hint = content.cure;
  return true;
}

// The length of the JSON, once it is known to lie inside the file and its limit: before anything
// is allocated for it.
Result<std::optional<uint64_t>> read_length(const RandomAccessFile& file, uint64_t max_header_bytes,
                                            FindingLog& log) {
  const uint64_t size = file.size_bytes();
  if (size < kLengthBytes) {
    log.add(Check::FileTooSmall, {}, [&] {
      return fmt::format("the file holds {}, fewer than the 8 of a header's length",
                         counted(size, "byte"));
    });
    return std::nullopt;
  }
  std::array<std::byte, kLengthBytes> prefix;
  STKIT_TRY(file.read_at(0, prefix));
  const uint64_t length = ByteReader(prefix).u64();
  if (length > 0 && length <= max_header_bytes && length <= size - kLengthBytes) return length;

  STKIT_ASSIGN(const bool foreign, is_foreign(file, log));
  if (foreign) return std::nullopt;
  if (length == 0)
    log.add(Check::HeaderNotJson, {}, [] { return "the header is empty: its length is 0"; });
  else if (length > max_header_bytes)
    log.add(Check::HeaderTooLarge, {}, [&] {
      return fmt::format("the header takes {}; the limit is {}", counted(length, "byte"),
                         format_grouped(max_header_bytes));
    });
  else
    log.add(Check::HeaderPastEnd, {}, [&] {
      return fmt::format(
          "the header takes {} but only {} follow its length: {} missing, like those of an "
          "incomplete download",
          counted(length, "byte"), format_grouped(size - kLengthBytes),
          counted(length - (size - kLengthBytes), "byte is", "bytes are"));
    });
  return std::nullopt;
}

// The JSON, which `storage` keeps from then on because names are views into it.
Result<std::string_view> read_text(const RandomAccessFile& file, uint64_t length, Arena& storage) {
  const auto bytes = static_cast<size_t>(length);
  std::unique_ptr<std::byte[]> text(new (std::nothrow) std::byte[bytes + kJsonPadding]);
  if (text == nullptr)
    return fail(ErrorCode::OutOfMemory,
                fmt::format("no memory for a header of {} bytes", format_grouped(length)), {},
                file.label());
  std::memset(text.get() + bytes, 0, kJsonPadding);
  STKIT_TRY(file.read_at(kLengthBytes, std::span(text.get(), bytes)));
  const std::string_view view(reinterpret_cast<const char*>(text.get()), bytes);
  storage.adopt(std::move(text));
  return view;
}

void check_leading_space(std::string_view text, FindingLog& log) {
  const size_t spaces = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  if (spaces > 0)
    log.add(Check::HeaderLeadingSpace, {}, [&] {
      return fmt::format("the header starts with {} of white space", counted(spaces, "byte"));
    });
}

void check_format_tag(const SafetensorsHeader& header, FindingLog& log) {
  constexpr std::string_view kFormats[] = {"pt", "tf", "flax", "mlx"};
  const auto tag =
      std::ranges::find(header.metadata, "format", &std::pair<std::string, std::string>::first);
  const bool present = tag != header.metadata.end();
  if (present && std::ranges::find(kFormats, tag->second) != std::end(kFormats)) return;
  log.add(Check::MissingFormatTag, {}, [&] {
    return present ? fmt::format("__metadata__ has the format {}, which is not pt, tf, flax or mlx",
                                 quoted_name(tag->second))
                   : "__metadata__ has no format";
  });
}

void check_alignment(const SafetensorsHeader& header, FindingLog& log) {
  const auto is_unaligned = [](const TensorInfo& tensor) {
    const DTypeInfo& row = info(tensor.dtype);
    return row.block_elements == 1 && tensor.offset_bytes % row.block_bytes != 0;
  };
  const auto first = std::ranges::find_if(header.tensors, is_unaligned);
  if (first == header.tensors.end()) return;
  const auto count =
      static_cast<uint64_t>(std::count_if(first, header.tensors.end(), is_unaligned));
  log.add(Check::UnalignedData, first->name, [&] {
    return fmt::format("tensor {} starts at byte {}, which is not a multiple of its element size{}",
                       quoted_name(first->name), format_grouped(first->offset_bytes),
                       count == 1 ? "" : fmt::format(" (and {} more)", format_grouped(count - 1)));
  });
}

// Entries are tens of bytes a token, and only a forgery is made of commas: a header of 100 MB would
// take 400 MB of the parser, or a gigabyte of entries with names of no length. What is allowed
// grows with a limit that the user has raised.
bool is_too_costly(std::string_view text, uint64_t max_header_bytes, FindingLog& log) {
  constexpr uint64_t kAlwaysAllowed = uint64_t{48} << 20;
  constexpr uint64_t kCheapHeader = uint64_t{2} << 20;
  if (text.size() <= kCheapHeader) return false;
  const uint64_t trusted = max_header_bytes > kFormatMaxHeaderBytes ? max_header_bytes : 0;
  const uint64_t allowed = kAlwaysAllowed + 2 * std::max<uint64_t>(text.size(), trusted);
  const JsonCost cost = measure_json(text);
  const uint64_t needed = cost.parser_bytes() + cost.root_members * sizeof(TensorInfo);
  if (needed <= allowed) return false;
  Finding* const finding = log.add(Check::HeaderTooLarge, {}, [&] {
    return fmt::format(
        "the header's {} bytes are {} of JSON, which take {} of memory; the limit is {}",
        format_grouped(text.size()), counted(cost.tokens, "token"), format_bytes(needed),
        format_bytes(allowed));
  });
  finding->hint = "no known tool writes such a header; if it is trusted, raise --max-header";
  return true;
}

// Everything behind the length.
Result<void> read_body(const RandomAccessFile& file, uint64_t length, uint64_t max_header_bytes,
                       uint32_t file_index, SafetensorsHeader& header, FindingLog& log) {
  STKIT_ASSIGN(const std::string_view text, read_text(file, length, header.storage));
  check_leading_space(text, log);
  if (is_too_costly(text, max_header_bytes, log)) return {};
  SafetensorsEntries entries;
  STKIT_TRY(read_safetensors_entries(text, file_index, header.storage, log, entries));
  drop_duplicate_names(entries, log);
  sort_by_place(entries);
  if (entries.complete) STKIT_TRY(check_coverage(file, header.header_bytes, entries, log));
  header.tensors = std::move(entries.tensors);
  header.metadata = std::move(entries.metadata);
  header.has_metadata = entries.has_metadata;
  for (TensorInfo& tensor : header.tensors) tensor.offset_bytes += header.header_bytes;
  if (entries.complete) {
    check_format_tag(header, log);
    check_alignment(header, log);
  }
  return {};
}

}  // namespace

bool SafetensorsHeader::sound() const {
  return std::ranges::none_of(
      findings, [](const Finding& finding) { return finding.severity() == Severity::Error; });
}

Result<SafetensorsHeader> read_safetensors_header(const RandomAccessFile& file,
                                                  uint64_t max_header_bytes, uint32_t file_index) {
  SafetensorsHeader header;
  FindingLog log(file.label(), kMaxFindingsOfAKind);
  STKIT_ASSIGN(const auto length, read_length(file, max_header_bytes, log));
  header.header_bytes = length ? kLengthBytes + *length : file.size_bytes();
  if (length) STKIT_TRY(read_body(file, *length, max_header_bytes, file_index, header, log));
  header.findings = log.take();
  return header;
}

}  // namespace stkit
