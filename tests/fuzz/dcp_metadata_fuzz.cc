// The metadata of distributed checkpoints: whatever the bytes, chunks lie in files that are listed
// and are of their tensor's rank, and each tensor is chosen once at most.
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>

#include "base/check.h"
#include "model/box_coverage.h"
#include "model/dcp_choice.h"
#include "model/dcp_metadata.h"

namespace {

using namespace stkit;

void check_choice(const DcpMetadata& metadata, std::string_view key) {
  const auto choice = choose_dcp_tensors(metadata, key);
  if (!choice) {
    STKIT_CHECK(!choice.error().message.empty());
    return;
  }
  STKIT_CHECK(!choice->entries.empty());
  std::set<size_t> taken;
  for (const DcpChoice::Entry& entry : choice->entries) {
    STKIT_CHECK(entry.tensor < metadata.tensors.size());
    STKIT_CHECK(taken.insert(entry.tensor).second);
  }
}

void check_coverage(const DcpTensor& tensor) {
  BoxedTensor boxes{.shape = tensor.shape};
  for (const DcpChunk& chunk : tensor.chunks)
    boxes.boxes.push_back({chunk.file, chunk.offset_bytes, chunk.origin, chunk.size,
                           std::vector<uint64_t>(chunk.size.size(), 1)});
  const auto whole = settle_boxes(boxes);
  STKIT_CHECK(whole || !whole.error().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const DcpMetadata metadata = read_dcp_metadata(std::as_bytes(std::span(data, size)), "fuzz");
  STKIT_CHECK(metadata.usable || !metadata.findings.empty());
  for (const DcpTensor& tensor : metadata.tensors) {
    STKIT_CHECK(!tensor.name.empty() && !tensor.path.empty());
    for (const DcpChunk& chunk : tensor.chunks) {
      STKIT_CHECK(chunk.file < metadata.files.size());
      STKIT_CHECK(chunk.origin.size() == tensor.shape.size());
      STKIT_CHECK(chunk.size.size() == tensor.shape.size());
    }
    check_coverage(tensor);
  }
  check_choice(metadata, "");
  check_choice(metadata, "app.model");
  return 0;
}
