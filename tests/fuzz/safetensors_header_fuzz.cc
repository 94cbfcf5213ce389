// The safetensors reader: whatever the bytes, what it calls sound is covered by its tensors without
// a byte too many, and the writer makes a file of the same tensors that is sound, too.
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "formats/safetensors_reader.h"
#include "stkit/writer.h"

namespace {

using namespace stkit;

constexpr uint64_t kMaxHeaderBytes = 1 << 20;

SafetensorsHeader read(std::span<const std::byte> bytes) {
  const auto file = open_memory_file("fuzz", bytes);
  auto header = read_safetensors_header(*file, kMaxHeaderBytes);
  STKIT_CHECK(header.has_value());
  return std::move(*header);
}

void check_sound(const SafetensorsHeader& header, uint64_t file_bytes) {
  uint64_t end = header.header_bytes;
  for (const TensorInfo& tensor : header.tensors) {
    STKIT_CHECK(tensor.offset_bytes == end);
    STKIT_CHECK(storage_bytes(tensor.dtype, tensor.element_count) == tensor.size_bytes);
    STKIT_CHECK(element_count(tensor.shape) == tensor.element_count);
    end += tensor.size_bytes;
  }
  STKIT_CHECK(end == file_bytes);
}

void check_written(const SafetensorsHeader& header) {
  std::vector<TensorSpec> specs;
  for (const TensorInfo& tensor : header.tensors)
    specs.push_back(
        {std::string(tensor.name), tensor.dtype, {tensor.shape.begin(), tensor.shape.end()}});
  const std::map<std::string, std::string, std::less<>> metadata(header.metadata.begin(),
                                                                 header.metadata.end());
  const auto layout = plan_safetensors(specs, metadata);
  STKIT_CHECK(layout.has_value());
  std::string bytes = layout->header;
  bytes.resize(static_cast<size_t>(layout->file_bytes));
  const SafetensorsHeader again = read(std::as_bytes(std::span(bytes)));
  STKIT_CHECK(again.sound());
  STKIT_CHECK(again.tensors.size() == header.tensors.size());
  STKIT_CHECK(again.metadata.size() == header.metadata.size());
  check_sound(again, bytes.size());
}

void check(std::span<const std::byte> bytes) {
  const SafetensorsHeader header = read(bytes);
  if (!header.sound()) return;
  check_sound(header, bytes.size());
  check_written(header);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  check(bytes);
  // The same as a header alone, for which no length has to be guessed.
  std::string framed;
  for (int shift = 0; shift < 64; shift += 8)
    framed += static_cast<char>(uint64_t{size} >> shift & 0xFF);
  framed.append(reinterpret_cast<const char*>(data), size);
  check(std::as_bytes(std::span(framed)));
  return 0;
}
