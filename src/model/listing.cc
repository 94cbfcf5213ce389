#include "model/listing.h"

#include <fmt/format.h>

#include "formats/finding_log.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr std::string_view kTorchWeights = "*.{bin,pt,pth,ckpt}";
constexpr std::string_view kNumpyArchives = "*.npz";
constexpr std::string_view kTorchIndexes = "*.{bin,pt,pth,ckpt}.index.json";
constexpr std::string_view kTrainingState =
    "{optimizer,scheduler,scaler,training_args,rng_state*,random_states*}.{bin,pt,pth,pkl}";

}  // namespace

bool is_weights_name(std::string_view name, FileFormat format) {
  const std::string_view base = base_name(name);
  if (base.starts_with('.')) return false;
  if (format == FileFormat::PyTorch)
    return glob_match(kTorchWeights, base) && !glob_match(kTrainingState, base);
  if (format == FileFormat::Npz) return glob_match(kNumpyArchives, base);
  return base.ends_with(kWeightsSuffix);
}

bool is_index_name(std::string_view name, FileFormat format) {
  const std::string_view base = base_name(name);
  if (base.starts_with('.')) return false;
  if (format == FileFormat::PyTorch) return glob_match(kTorchIndexes, base);
  if (format == FileFormat::Npz) return false;
  return base.ends_with(kIndexSuffix);
}

Finding not_a_file(const Folder& folder, const FolderEntry& entry) {
  return {.check = Check::NotAFile,
          .path = folder.path_of(entry.name),
          .message = fmt::format("{} {}", quoted_name(base_name(entry.name)),
                                 entry.kind == EntryKind::Folder ? "is a folder" : entry.problem)};
}

}  // namespace stkit
