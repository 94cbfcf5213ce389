// NumPy's archives and arrays: whatever the bytes, tensors lie inside the file or inside of what a
// member decompresses to, and reading them ends well or says why not.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/check.h"
#include "model/npz_weights.h"
#include "model/tensor_boxes.h"
#include "stkit/io.h"

namespace {

using namespace stkit;

constexpr uint64_t kMaxBytes = 1 << 20;

void read_some(const RandomAccessFile& file, const WeightsHeader& header,
               const TensorInfo& tensor) {
  std::vector<std::byte> out(static_cast<size_t>(std::min(tensor.size_bytes, kMaxBytes)));
  if (tensor.contiguous) {
    STKIT_CHECK(file.read_at(tensor.offset_bytes, out).has_value());
    return;
  }
  const auto boxes = header.boxed.find({tensor.file, tensor.name});
  STKIT_CHECK(boxes != header.boxed.end());
  const uint16_t unit = boxes->second.unit_bytes;
  out.resize(out.size() / unit * unit);
  const std::shared_ptr<const RandomAccessFile> whole(std::shared_ptr<void>(), &file);
  const auto open = [&](uint32_t) {
    return Result<std::shared_ptr<const RandomAccessFile>>(whole);
  };
  const auto read = read_boxes(boxes->second, 0, out, open);
  STKIT_CHECK(read || (!boxes->second.sources.empty() && read.error().code == ErrorCode::Corrupt));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = open_memory_file("fuzz.npz", std::as_bytes(std::span(data, size)));
  const std::shared_ptr<const RandomAccessFile> whole(std::shared_ptr<void>(), file.get());
  OpenOptions options;
  options.max_header_bytes = kMaxBytes;
  const auto header = read_npz_weights(
      *file, 0, [&] { return Result<std::shared_ptr<const RandomAccessFile>>(whole); }, options);
  STKIT_CHECK(header.has_value());
  STKIT_CHECK(header->complete || !header->findings.empty());
  for (const TensorInfo& tensor : header->tensors) read_some(*file, *header, tensor);
  return 0;
}
