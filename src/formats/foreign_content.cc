#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/ascii.h"
#include "formats/safetensors_reader.h"
#include "stkit/text.h"

namespace stkit {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kRefetch =
    "fetch the weights themselves, or name the file for what it is";
constexpr std::string_view kDownloadAgain =
    "the download failed and kept the server's answer; download the file again";

struct Magic {
  size_t offset;
  std::string_view bytes;
  std::string_view what;
  std::string_view cure;
};

constexpr Magic kMagics[] = {
    {0, "PK\x03\x04"sv, "a zip archive, as PyTorch writes its .bin and .pt files",
     "rename it to .bin or .pt"},
    {0, "GGUF"sv, "a GGUF file", "rename it to .gguf"},
    {0, "\x80\x02"sv, "a Python pickle, as PyTorch wrote before version 1.6", kRefetch},
    {0, "\x80\x03"sv, "a Python pickle", kRefetch},
    {0, "\x80\x04"sv, "a Python pickle", kRefetch},
    {0, "\x80\x05"sv, "a Python pickle", kRefetch},
    {0, "\x89HDF\r\n"sv, "an HDF5 file, as Keras writes", kRefetch},
    {0, "\x93NUMPY"sv, "a NumPy array", kRefetch},
    {0, "\x1f\x8b"sv, "a gzip archive", "unpack it"},
    {0, "\x28\xb5\x2f\xfd"sv, "a zstd archive", "unpack it"},
    {0, "\xfd\x37zXZ\0"sv, "an xz archive", "unpack it"},
    {0, "7z\xbc\xaf\x27\x1c"sv, "a 7-Zip archive", "unpack it"},
    {257, "ustar"sv, "a tar archive", "unpack it"},
    {0, "%PDF-"sv, "a PDF document", kRefetch},
    {0,
     "\x7f"
     "ELF"sv,
     "an ELF program", kRefetch},
};

std::string_view lfs_field(std::string_view text, std::string_view key) {
  const size_t start = text.find(key);
  if (start == std::string_view::npos) return {};
  const std::string_view rest = text.substr(start + key.size());
  return rest.substr(0, rest.find('\n'));
}

ForeignContent lfs_pointer(std::string_view text) {
  std::string what = "a Git LFS pointer";
  const std::string_view size = lfs_field(text, "\nsize ");
  const std::string_view oid = lfs_field(text, "\noid sha256:");
  if (!size.empty() && size.size() <= 19 && ascii::all_digits(size)) {
    uint64_t bytes = 0;
    for (const char digit : size) bytes = bytes * 10 + static_cast<uint64_t>(digit - '0');
    what += fmt::format(" to a file of {} bytes", format_grouped(bytes));
  }
  if (oid.size() == 64 && ascii::all_hex_digits(oid)) what += fmt::format(" with SHA-256 {}", oid);
  return {what, "fetch the file that it stands for: `git lfs pull`, or `stkit download`"};
}

ForeignContent recognise_text(std::string_view text) {
  const std::string_view start =
      text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  if (start.empty()) return {};
  if (ascii::starts_with_ignoring_case(start, "<!doctype html") ||
      ascii::starts_with_ignoring_case(start, "<html"))
    return {"an HTML page", std::string(kDownloadAgain)};
  if (start.starts_with("<")) return {"an XML or HTML document", std::string(kDownloadAgain)};
  if (start.starts_with("{") || start.starts_with("["))
    return {"a JSON document without the 8-byte length in front of a safetensors header",
            std::string(kDownloadAgain)};
  const auto is_text = [](char c) {
    return c == '\n' || c == '\r' || c == '\t' || (c >= 0x20 && c < 0x7F);
  };
  if (!std::ranges::all_of(start, is_text)) return {};
  const std::string_view line = start.substr(0, start.find_first_of("\r\n"));
  return {fmt::format("a text file that begins with \"{}\"", printable(line, 60)),
          std::string(kDownloadAgain)};
}

}  // namespace

ForeignContent recognise_foreign(std::span<const std::byte> head) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  if (text.empty()) return {};
  if (text.starts_with("version https://git-lfs.github.com/spec/")) return lfs_pointer(text);
  for (const Magic& magic : kMagics)
    if (text.size() > magic.offset && text.substr(magic.offset).starts_with(magic.bytes))
      return {std::string(magic.what), std::string(magic.cure)};
  if (std::ranges::all_of(text, [](char c) { return c == '\0'; }))
    return {"a run of zero bytes, like a download that was preallocated and never began",
            std::string("download the file again")};
  return recognise_text(text);
}

}  // namespace stkit
