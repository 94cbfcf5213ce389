#include "ops/merge/left_over.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "io/local_file.h"
#include "io/os_error.h"
#include "stkit/io.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPieceBytes = size_t{1} << 20;

// `read` fills a span with the bytes from an offset on.
template <class Read>
Result<bool> has_bytes(const RandomAccessFile& file, uint64_t size_bytes, const Read& read) {
  std::vector<std::byte> there(std::min<uint64_t>(size_bytes, kPieceBytes)), wanted(there.size());
  for (uint64_t offset = 0; offset < size_bytes; offset += kPieceBytes) {
    const auto size = static_cast<size_t>(std::min<uint64_t>(size_bytes - offset, kPieceBytes));
    STKIT_TRY(file.read_at(offset, std::span(there).first(size)));
    STKIT_TRY(read(offset, std::span(wanted).first(size)));
    if (std::memcmp(there.data(), wanted.data(), size) != 0) return false;
  }
  return true;
}

Result<bool> has_text(const RandomAccessFile& file, std::string_view text) {
  return has_bytes(file, text.size(), [&](uint64_t offset, std::span<std::byte> out) {
    std::memcpy(out.data(), text.data() + offset, out.size());
    return Result<void>();
  });
}

}  // namespace

Result<bool> looks_left_over(const MergeWork& work, const MergeOutput& output,
                             uint64_t size_bytes) {
  STKIT_ASSIGN(const auto file, open_local_file(output.path, Access::Read));
  if (file->size_bytes() != size_bytes) return false;
  if (const auto* weights = std::get_if<MergeOutput::Weights>(&output.content))
    return has_text(*file, work.weights.files[weights->index].header);
  if (const auto* text = std::get_if<MergeOutput::Text>(&output.content))
    return has_text(*file, text->content);
  STKIT_ASSIGN(const auto source,
               work.model.open_file(std::get<MergeOutput::Copy>(output.content).file));
  return has_bytes(*file, size_bytes, [&](uint64_t offset, std::span<std::byte> out) {
    return source->read_at(offset, out);
  });
}

Result<void> check_left_over(SystemCalls& calls, const fs::path& path,
                             const AtomicOutput& written) {
  STKIT_ASSIGN(const auto file, open_local_file(calls, path, Access::Read));
  const auto read_back = [&](uint64_t offset, std::span<std::byte> out) {
    return written.read_back(offset, out);
  };
  const uint64_t common_bytes = std::min(file->size_bytes(), written.size_bytes());
  STKIT_ASSIGN(const bool is_same, has_bytes(*file, common_bytes, read_back));
  if (!is_same || file->size_bytes() != written.size_bytes())
    return fail(ErrorCode::OutputExists, "exists already, and holds other bytes",
                "replace it with --force, or choose another name for the output", path.string());
  if (written.is_synced() && uninterrupted([&] { return calls.sync(file->descriptor()); }) != 0)
    return fail(write_error(errno, path.string(), "cannot be brought to the disk"));
  return {};
}

}  // namespace stkit
