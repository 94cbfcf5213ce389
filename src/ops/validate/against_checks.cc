// Whether another model holds the same tensors, bit for bit, whatever its files (--against).
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/digest.h"
#include "base/parallel.h"
#include "model/model_digest.h"
#include "model/read_blocks.h"
#include "ops/validate/checks.h"
#include "ops/validate/reading.h"

namespace stkit {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

// By index of the validated model's tensors: the other's tensor to compare with. A merge of two
// sorted lists; what only one of them has is reported here.
std::vector<uint32_t> join(Context& context, const Model& other) {
  const std::span<const TensorInfo> ours = context.model.tensors();
  const std::span<const TensorInfo> theirs = other.tensors();
  const std::vector<uint32_t> left = tensors_by_name(context.model);
  const std::vector<uint32_t> right = tensors_by_name(other);
  std::vector<uint32_t> partner(ours.size(), kNone);
  const auto only = [&](Check check, const std::string& path, std::string_view tensor,
                        const Model& lacking) {
    context.report({.check = check,
                    .path = path,
                    .tensor = std::string(tensor),
                    .message = fmt::format("'{}' is not in {}", tensor, lacking.reference())});
  };
  size_t i = 0, j = 0;
  while (i < left.size() || j < right.size()) {
    const int order = i == left.size()    ? 1
                      : j == right.size() ? -1
                                          : ours[left[i]].name.compare(theirs[right[j]].name);
    if (order < 0) {
      const TensorInfo& tensor = ours[left[i++]];
      only(Check::OnlyHere, context.path_of(tensor), tensor.name, other);
    } else if (order > 0) {
      const TensorInfo& tensor = theirs[right[j++]];
      only(Check::OnlyThere, other.files()[tensor.file].path, tensor.name, context.model);
    } else {
      partner[left[i++]] = right[j++];
    }
  }
  return partner;
}

bool same_type(Context& context, const TensorInfo& ours, const TensorInfo& theirs) {
  if (ours.dtype == theirs.dtype && std::ranges::equal(ours.shape, theirs.shape)) return true;
  context.report({.check = Check::DifferentType,
                  .path = context.path_of(ours),
                  .tensor = std::string(ours.name),
                  .message = fmt::format("'{}' is {} {} here and {} {} there", ours.name,
                                         name(ours.dtype), shape_text(ours.shape),
                                         name(theirs.dtype), shape_text(theirs.shape))});
  return false;
}

// How far two tensors of the same type are apart.
struct Difference {
  uint64_t bytes = 0;
  uint64_t first_byte = 0;
};

void compare_blocks(std::span<const std::byte> ours, std::span<const std::byte> theirs,
                    uint64_t offset, Difference& difference) {
  if (std::memcmp(ours.data(), theirs.data(), ours.size()) == 0) return;
  for (size_t i = 0; i < ours.size(); ++i) {
    if (ours[i] == theirs[i]) continue;
    if (difference.bytes++ == 0) difference.first_byte = offset + i;
  }
}

}  // namespace

Result<std::string> check_against(Context& context, const Model& other) {
  const std::span<const TensorInfo> tensors = context.model.tensors();
  std::vector<uint32_t> partner = join(context, other);
  for (const TensorInfo& tensor : tensors)
    if (!context.readable(tensor)) return std::string();
  for (uint32_t i = 0; i < tensors.size(); ++i)
    if (partner[i] != kNone && !same_type(context, tensors[i], other.tensors()[partner[i]]))
      partner[i] = kNone;

  std::vector<std::string> digests(tensors.size());
  std::vector<Difference> differences(tensors.size());
  ReadingProgress progress(context.run.progress, "comparing", weight_items(context));
  const std::vector<uint32_t> item = items_by_file(context);
  ReadBuffers buffers(context.run, 2);
  const auto compare = [&](size_t i, unsigned worker) -> Result<void> {
    const TensorInfo& ours = tensors[i];
    const auto buffer = buffers.pair(worker);
    Digest digest;
    uint64_t offset = 0;
    const auto use = [&](uint64_t first, std::span<const std::byte> block) -> Result<void> {
      digest.update(block);
      if (partner[i] != kNone) {
        const DTypeInfo& row = info(ours.dtype);
        const uint64_t count = block.size() / row.block_bytes * row.block_elements;
        const auto copy = buffer.second.first(block.size());
        STKIT_TRY(other.read(other.tensors()[partner[i]], first, count, copy));
        compare_blocks(block, copy, offset, differences[i]);
      }
      offset += block.size();
      progress.advance(item[ours.file], block.size());
      return {};
    };
    STKIT_TRY(read_in_blocks(context.model, ours, buffer.first, context.run.cancel, use));
    digests[i] = digest.hex();
    return {};
  };
  STKIT_TRY(parallel_for(tensors.size(), buffers.threads(), context.run.cancel, compare));
  STKIT_TRY(context.model.check_unchanged());
  STKIT_TRY(other.check_unchanged());
  progress.done();

  for (uint32_t i = 0; i < tensors.size(); ++i) {
    if (differences[i].bytes == 0) continue;
    context.report({.check = Check::DifferentBytes,
                    .path = context.path_of(tensors[i]),
                    .tensor = std::string(tensors[i].name),
                    .message = fmt::format("{} of the {} bytes of '{}' differ, the first at {}",
                                           differences[i].bytes, tensors[i].size_bytes,
                                           tensors[i].name, differences[i].first_byte)});
  }
  return combine_digests(context.model, digests);
}

}  // namespace stkit
