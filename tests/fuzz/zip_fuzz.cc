// Zip archives and the PyTorch files in them: whatever the bytes, entries of a sound archive lie
// apart from each other inside the file, and tensors inside their storages.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"
#include "formats/torch_file.h"
#include "formats/zip_reader.h"
#include "stkit/io.h"

namespace {

using namespace stkit;

constexpr uint64_t kMaxBytes = 1 << 20;

void check_entries(const RandomAccessFile& file) {
  const auto directory = read_zip_directory(file, kMaxBytes);
  STKIT_CHECK(directory.has_value());
  if (!directory->sound()) return;
  std::vector<ZipEntry> entries = directory->entries;
  std::ranges::sort(entries, {}, &ZipEntry::header_offset);
  uint64_t covered = 0;
  for (const ZipEntry& entry : entries) {
    STKIT_CHECK(entry.header_offset >= covered);
    STKIT_CHECK(entry.data_offset > entry.header_offset);
    covered = entry.data_offset + entry.stored_bytes;
    STKIT_CHECK(covered <= directory->data_end);
    STKIT_CHECK(directory->find(entry.name) != nullptr);
    const auto content = read_zip_entry(file, entry, kMaxBytes);
    STKIT_CHECK(!content || content->bytes.size() == entry.size_bytes);
  }
  STKIT_CHECK(directory->data_end <= file.size_bytes());
}

void check_tensors(const RandomAccessFile& file) {
  const auto torch = TorchFile::read(file, kMaxBytes);
  STKIT_CHECK(torch.has_value());
  if (!torch->has_object()) return;
  for (PickleId id = 0; id < torch->pickle().node_count(); ++id) {
    if (!torch->is_tensor(id)) continue;
    const auto tensor = torch->tensor(id);
    if (!tensor) {
      STKIT_CHECK(!tensor.error().message.empty());
      continue;
    }
    STKIT_CHECK(tensor->shape.size() == tensor->strides.size());
    const uint16_t block = info(tensor->dtype).block_elements;
    uint64_t end = tensor->offset_bytes;
    const bool empty = std::ranges::find(tensor->shape, uint64_t{0}) != tensor->shape.end();
    for (size_t i = 0; i < tensor->shape.size() && !empty; ++i) {
      const uint64_t size =
          i + 1 == tensor->shape.size() ? tensor->shape[i] / block : tensor->shape[i];
      end += (size - 1) * tensor->strides[i] * info(tensor->dtype).block_bytes;
    }
    if (!empty) end += info(tensor->dtype).block_bytes;
    STKIT_CHECK(end <= file.size_bytes());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = open_memory_file("fuzz", std::as_bytes(std::span(data, size)));
  check_entries(*file);
  check_tensors(*file);
  return 0;
}
