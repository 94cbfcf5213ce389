#include "ops/validate/hashing.h"

#include <utility>

#include "base/digest.h"
#include "base/function_ref.h"
#include "base/parallel.h"
#include "hub/content_digest.h"
#include "model/read_blocks.h"
#include "ops/validate/reading.h"

namespace stkit {
namespace {

Result<std::string> hash_file(const RandomAccessFile& file, std::string_view promised,
                              std::span<std::byte> buffer, const CancelToken* cancel,
                              FunctionRef<void(uint64_t)> advance) {
  Digest digest = begin_content_digest(promised, file.size_bytes());
  for (uint64_t at = 0; at < file.size_bytes();) {
    if (cancel != nullptr) STKIT_TRY(cancel->check());
    const uint64_t size = std::min<uint64_t>(buffer.size(), file.size_bytes() - at);
    const auto block = buffer.first(static_cast<size_t>(size));
    STKIT_TRY(file.read_at(at, block));
    digest.update(block);
    advance(size);
    at += size;
  }
  STKIT_TRY(file.check_unchanged());
  return digest.hex();
}

}  // namespace

Result<std::vector<HashOutcome>> hash_all(const Folder& folder, std::span<const Promise> promises,
                                          const RunOptions& run) {
  std::vector<HashOutcome> outcomes(promises.size());
  std::vector<ProgressItem> items(promises.size());
  for (size_t i = 0; i < promises.size(); ++i) {
    items[i].name = promises[i].name;
    auto file = folder.open(promises[i].name);
    if (file)
      items[i].size_bytes = (*file)->size_bytes();
    else
      outcomes[i].unreadable = std::move(file.error());
    if (!file) items[i].state = ItemState::Failed;
  }
  ReadingProgress progress(run.progress, "hashing", items);
  ReadBuffers buffers(run, 1);
  const auto hash = [&](size_t i, unsigned worker) -> Result<void> {
    if (outcomes[i].unreadable) return {};
    STKIT_ASSIGN(const auto file, folder.open(promises[i].name));
    const auto advance = [&](uint64_t bytes) { progress.advance(static_cast<uint32_t>(i), bytes); };
    STKIT_ASSIGN(outcomes[i].digest,
                 hash_file(*file, promises[i].digest, buffers.one(worker), run.cancel, advance));
    return {};
  };
  STKIT_TRY(parallel_for(promises.size(), buffers.threads(), run.cancel, hash));
  progress.done();
  return outcomes;
}

}  // namespace stkit
