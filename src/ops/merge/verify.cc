#include "ops/merge/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/digest.h"
#include "base/parallel.h"
#include "formats/finding_log.h"
#include "io/os_error.h"
#include "model/read_blocks.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// Of all threads together.
constexpr uint64_t kBufferBytes = uint64_t{32} << 20;

class FileVerifier {
 public:
  FileVerifier(SystemCalls& calls, const MergeWork& work, const FilePlan& file,
               const AtomicOutput& output, const RunOptions& run)
      : calls_(calls), work_(work), file_(file), output_(output), run_(run) {
    if (run_.max_memory_bytes == 0) run_.max_memory_bytes = kBufferBytes;
  }

  Result<void> verify(std::span<std::string> digests) {
    STKIT_TRY(forget_cached_pages());
    STKIT_TRY(verify_header());
    ReadBuffers buffers(run_, 2);
    return parallel_for(file_.tensors.size(), buffers.threads(), run_.cancel,
                        [&](size_t i, unsigned worker) {
                          return verify_tensor(file_.tensors[i], buffers.pair(worker), digests);
                        });
  }

 private:
  using Buffers = std::pair<std::span<std::byte>, std::span<std::byte>>;

  // What is synced anyway is read back from the disk, not from memory.
  Result<void> forget_cached_pages() {
    if (!work_.options.sync) return {};
    if (uninterrupted([&] { return calls_.sync(output_.descriptor()); }) != 0)
      return fail(write_error(errno, output_.label(), "cannot be brought to the disk"));
    ::posix_fadvise(output_.descriptor(), 0, 0, POSIX_FADV_DONTNEED);
    return {};
  }

  std::unexpected<Error> differs(std::string_view what, uint64_t offset) const {
    return fail(ErrorCode::WriteFailed,
                fmt::format("{} reads back differently from what was written, from byte {} on",
                            what, format_grouped(offset)),
                "the disk or the memory of this machine is faulty; write to another disk",
                output_.label());
  }

  Result<void> verify_header() {
    std::string header(file_.header.size(), '\0');
    STKIT_TRY(output_.read_back(0, std::as_writable_bytes(std::span(header))));
    const auto place = std::ranges::mismatch(header, file_.header).in1;
    if (place == header.end()) return {};
    return differs("the header", static_cast<uint64_t>(place - header.begin()));
  }

  Result<void> verify_tensor(const FilePlan::Tensor& tensor, Buffers buffers,
                             std::span<std::string> digests) {
    const TensorRecipe& recipe = work_.weights.recipes[tensor.recipe];
    const TensorInfo& source = *recipe.source;
    // merge has no other encoding.
    const auto* cast = static_cast<const CastEncoding*>(recipe.encoding.get());
    const DTypeInfo& row = info(work_.weights.specs[tensor.recipe].dtype);
    // The bytes of the source come behind those that they are cast to.
    const size_t in_element = cast == nullptr ? 0 : info(source.dtype).block_bytes;
    const uint64_t most =
        buffers.first.size() / (row.block_bytes + in_element) * row.block_elements;
    Digest digest;
    uint64_t offset = tensor.offset_bytes;
    for (uint64_t first = 0; first < source.element_count;) {
      if (run_.cancel != nullptr) STKIT_TRY(run_.cancel->check());
      const uint64_t count = std::min(most, source.element_count - first);
      const auto bytes = static_cast<size_t>(count / row.block_elements * row.block_bytes);
      const auto written = buffers.second.first(bytes), expected = buffers.first.first(bytes);
      STKIT_TRY(output_.read_back(offset, written));
      if (cast == nullptr) {
        STKIT_TRY(work_.model.read(source, first, count, expected));
      } else {
        const auto in = buffers.first.subspan(bytes, static_cast<size_t>(count) * in_element);
        STKIT_TRY(work_.model.read(source, first, count, in));
        cast->repeat(in, expected);
      }
      if (std::memcmp(written.data(), expected.data(), bytes) != 0) {
        const auto place = std::ranges::mismatch(written, expected).in1;
        return differs("tensor " + quoted_name(work_.weights.specs[tensor.recipe].name),
                       offset + static_cast<uint64_t>(place - written.begin()));
      }
      digest.update(written);
      first += count;
      offset += bytes;
    }
    digests[tensor.recipe] = digest.hex();
    return {};
  }

  SystemCalls& calls_;
  const MergeWork& work_;
  const FilePlan& file_;
  const AtomicOutput& output_;
  RunOptions run_;
};

}  // namespace

Result<void> verify_weights(SystemCalls& calls, const MergeWork& work, size_t file,
                            const AtomicOutput& output, const RunOptions& run,
                            std::span<std::string> digests) {
  return FileVerifier(calls, work, work.weights.files[file], output, run).verify(digests);
}

}  // namespace stkit
