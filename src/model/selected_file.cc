#include "model/selected_file.h"

#include <algorithm>
#include <array>
#include <memory>

#include "base/byte_reader.h"
#include "formats/safetensors_reader.h"
#include "formats/zip_reader.h"
#include "model/listing.h"
#include "model/other_formats.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// Enough to recognise any content by.
constexpr size_t kHeadBytes = 4096;
constexpr std::string_view kZipMagic = "PK\x03\x04";

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// JSON text read as a length is beyond 2^56, so the two cannot be confused.
bool looks_like_safetensors(std::span<const std::byte> head) {
  constexpr uint64_t kBeyondAnyHeader = uint64_t{1} << 48;
  ByteReader in(head);
  const uint64_t header_bytes = in.u64();
  const uint8_t first = in.u8();
  return in.ok() && header_bytes < kBeyondAnyHeader &&
         std::string_view("{ \t\r\n").find(static_cast<char>(first)) != std::string_view::npos;
}

bool looks_like_json(std::span<const std::byte> head) {
  const std::string_view text = as_text(head);
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

// In either form, whatever the name.
bool looks_like_torch(std::span<const std::byte> head) {
  return as_text(head).starts_with(kZipMagic) ||
         as_text(head).starts_with("\x80\x02\x8A\x0A\x6C\xFC\x9C\x46");
}

// PyTorch writes zip archives, too: those have an object, not arrays. A broken one is what its name
// says.
Result<bool> is_numpy(const RandomAccessFile& file, std::span<const std::byte> head,
                      std::string_view base, uint64_t max_directory_bytes) {
  const bool by_name = is_weights_name(base, FileFormat::Npz);
  if (!as_text(head).starts_with(kZipMagic))
    return as_text(head).starts_with("\x93NUMPY") || by_name;
  STKIT_ASSIGN(const ZipDirectory directory, read_zip_directory(file, max_directory_bytes));
  const auto has = [&](std::string_view ending) {
    return std::ranges::any_of(directory.entries,
                               [&](const ZipEntry& entry) { return entry.name.ends_with(ending); });
  };
  return directory.sound() ? (by_name || has(".npy")) && !has("/data.pkl") : by_name;
}

bool is_config_name(std::string_view base) { return glob_match("*config*.json", base); }

}  // namespace

Result<SelectedKind> classify_selected(const Folder& folder, std::string_view selected,
                                       uint64_t max_index_bytes, std::optional<ShardIndex>& index) {
  STKIT_ASSIGN(const std::unique_ptr<RandomAccessFile> file, folder.open(selected));
  std::array<std::byte, kHeadBytes> buffer;
  const std::span<std::byte> head =
      std::span(buffer).first(std::min<uint64_t>(kHeadBytes, file->size_bytes()));
  STKIT_TRY(file->read_at(0, head));

  const std::string_view base = base_name(selected);
  if (looks_like_safetensors(head) || is_weights_name(base)) return SelectedKind::Weights;
  STKIT_ASSIGN(const bool numpy, is_numpy(*file, head, base, max_index_bytes));
  if (numpy) return SelectedKind::NumpyArrays;
  if (looks_like_torch(head) || is_weights_name(base, FileFormat::PyTorch))
    return SelectedKind::TorchWeights;
  if (looks_like_json(head)) {
    if (is_config_name(base)) return SelectedKind::Config;
    STKIT_ASSIGN(index, read_shard_index(*file, max_index_bytes));
    if (index->usable || base.ends_with(".index.json")) return SelectedKind::Index;
    return fail(unsupported_format("a JSON file that is neither an index nor a config.json",
                                   file->label(), "name a weight file, an index or a folder"));
  }
  if (file->size_bytes() == 0) return fail(unsupported_format("an empty file", file->label()));
  const ForeignContent foreign = recognise_foreign(head);
  return fail(unsupported_format(foreign.what.empty() ? "content of no known format" : foreign.what,
                                 file->label(), foreign.cure));
}

}  // namespace stkit
