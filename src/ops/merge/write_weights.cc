#include "ops/merge/write_weights.h"

#include <bit>
#include <deque>
#include <span>

#include "formats/crc32_runs.h"

namespace stkit {
namespace {

class TensorSums final : public TensorWatcher {
 public:
  explicit TensorSums(size_t tensors) : sums_(tensors) {}

  void see(size_t tensor, uint64_t offset_bytes, std::span<const std::byte> bytes) override {
    sums_[tensor].add(offset_bytes, bytes);
  }
  uint32_t of(size_t tensor) const { return sums_[tensor].value(); }

 private:
  std::deque<Crc32Runs> sums_;
};

}  // namespace

Result<AssemblyReport> write_weights(const MergeWork& work, size_t index, AtomicOutput& output,
                                     const WriteFileOptions& options) {
  if (work.sums.empty()) return write_file(work.model, work.weights, index, output, options);
  TensorSums sums(work.weights.files[index].tensors.size());
  WriteFileOptions watched = options;
  watched.watcher = &sums;
  STKIT_ASSIGN(const AssemblyReport report,
               write_file(work.model, work.weights, index, output, watched));
  for (const ZipPlan::Sum& sum : work.sums[index]) {
    static_assert(std::endian::native == std::endian::little, "zip files are little-endian");
    const uint32_t crc = sums.of(sum.entry);
    STKIT_TRY(output.write_at(sum.offset_bytes, std::as_bytes(std::span(&crc, 1))));
  }
  return report;
}

}  // namespace stkit
