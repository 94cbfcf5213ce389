// The GGUF reader: whatever the bytes, what it calls sound is header, tensors and padding without a
// byte too many, and the writer puts the same metadata and tensors at the same places.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "formats/gguf_reader.h"
#include "formats/gguf_writer.h"
#include "stkit/io.h"

namespace {

using namespace stkit;

constexpr uint64_t kMaxHeaderBytes = 1 << 20;

GgufHeader read(const RandomAccessFile& file) {
  auto header = read_gguf_header(file, kMaxHeaderBytes);
  STKIT_CHECK(header.has_value());
  for (const Finding& finding : header->findings) STKIT_CHECK(!finding.message.empty());
  return std::move(*header);
}

void check_sound(const GgufHeader& header, const RandomAccessFile& file) {
  uint64_t total = header.header_bytes;
  for (const TensorInfo& tensor : header.tensors) {
    STKIT_CHECK(tensor.offset_bytes % header.alignment == header.data_offset % header.alignment);
    STKIT_CHECK(storage_bytes(tensor.dtype, tensor.element_count) == tensor.size_bytes);
    STKIT_CHECK(element_count(tensor.shape) == tensor.element_count);
    total += tensor.size_bytes;
  }
  for (const ByteRun& run : gguf_padding(header, file.size_bytes())) {
    STKIT_CHECK(run.size_bytes < header.alignment);
    total += run.size_bytes;
  }
  STKIT_CHECK(total == file.size_bytes());
  STKIT_CHECK(check_gguf_padding(file, header).has_value());
}

void check_written(const GgufHeader& header) {
  std::vector<TensorSpec> specs;
  for (const TensorInfo& tensor : header.tensors)
    specs.push_back(
        {std::string(tensor.name), tensor.dtype, {tensor.shape.begin(), tensor.shape.end()}});
  const auto layout = plan_gguf(header.metadata, specs, header.alignment);
  STKIT_CHECK(layout.has_value());
  for (const GgufLayout::Entry& entry : layout->entries) {
    const TensorInfo& tensor = header.tensors[entry.spec];
    STKIT_CHECK(entry.offset_bytes == tensor.offset_bytes);
    STKIT_CHECK(entry.size_bytes == tensor.size_bytes);
  }
  std::string bytes = layout->header;
  bytes.resize(static_cast<size_t>(layout->file_bytes));
  const auto file = open_memory_file("written", std::as_bytes(std::span(bytes)));
  const GgufHeader again = read(*file);
  STKIT_CHECK(again.sound());
  STKIT_CHECK(again.tensors.size() == header.tensors.size());
  STKIT_CHECK(again.metadata.size() == header.metadata.size());
  check_sound(again, *file);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = open_memory_file("fuzz", std::as_bytes(std::span(data, size)));
  const GgufHeader header = read(*file);
  if (!header.sound()) return 0;
  check_sound(header, *file);
  check_written(header);
  return 0;
}
