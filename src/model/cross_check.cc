#include "model/cross_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "formats/finding_log.h"
#include "model/listing.h"
#include "model/weight_choice.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// Of a tensor of which much is said in one finding.
struct Defect {
  Check check;
  uint32_t file;      // the finding is about this one
  uint32_t position;  // of the tensor or index entry: keeps the order of the file
  std::string_view tensor;
  std::string_view other;  // the file where it was expected or found as well; may be empty

  auto order() const { return std::tuple(check, file, position); }
};

std::string_view what_is_wrong(Check check) {
  switch (check) {
    case Check::MissingTensor: return "missing that the index places in this file";
    case Check::MisplacedTensor: return "in this file that the index places elsewhere";
    case Check::UnlistedTensor: return "in this file that the index does not take from it";
    default: return "in this file that another file holds as well";
  }
}

// "3 tensors in this file that the index places elsewhere: 'a' (model-2.safetensors), 'b' ..."
std::string describe(std::span<const Defect> defects) {
  constexpr size_t kShown = 3;
  std::string text = fmt::format("{} {}: ", counted(defects.size(), "tensor"),
                                 what_is_wrong(defects.front().check));
  for (size_t i = 0; i < std::min(kShown, defects.size()); ++i) {
    text += (i == 0 ? "" : ", ") + quoted_name(defects[i].tensor);
    if (!defects[i].other.empty()) text += fmt::format(" ({})", printable(defects[i].other));
  }
  if (defects.size() > kShown)
    text += fmt::format(" and {} more", format_grouped(defects.size() - kShown));
  return text;
}

void report(std::vector<Defect>& defects, std::span<const ModelFile> files,
            std::vector<Finding>& findings) {
  std::ranges::sort(defects, {}, &Defect::order);
  for (auto begin = defects.begin(); begin != defects.end();) {
    const auto end = std::find_if(begin, defects.end(), [&](const Defect& defect) {
      return defect.check != begin->check || defect.file != begin->file;
    });
    findings.push_back({.check = begin->check,
                        .path = files[begin->file].path,
                        .tensor = std::string(begin->tensor),
                        .message = describe({begin, end})});
    begin = end;
  }
}

// The join of index entries and tensors: both lists sorted alike, walked once.
class IndexJoin {
 public:
  IndexJoin(const Bundle& bundle, std::span<const ScannedFile> scanned,
            std::span<const ModelFile> files, std::span<const TensorInfo> tensors,
            const NameIndex& names)
      : bundle_(bundle),
        scanned_(scanned),
        files_(files),
        tensors_(tensors),
        slots_(names.slots()),
        keep_(tensors.size()),
        entries_(static_cast<uint32_t>(bundle.index->entries.size()),
                 [&](uint32_t i) { return bundle.index->entries[i].tensor; }) {}

  void run() {
    const std::span<const NameIndex::Slot> entries = entries_.slots();
    size_t entry = 0, tensor = 0;
    while (entry < entries.size() || tensor < slots_.size()) {
      const int order = entry == entries.size() ? 1
                        : tensor == slots_.size()
                            ? -1
                            : NameIndex::compare(entries[entry], entry_name(entries[entry]),
                                                 slots_[tensor], tensor_name(slots_[tensor]));
      size_t entry_end = entry, tensor_end = tensor;
      if (order <= 0)
        while (entry_end < entries.size() &&
               entry_name(entries[entry_end]) == entry_name(entries[entry]))
          ++entry_end;
      if (order >= 0)
        while (tensor_end < slots_.size() &&
               tensor_name(slots_[tensor_end]) == tensor_name(slots_[tensor]))
          ++tensor_end;
      one_name(entries.subspan(entry, entry_end - entry),
               slots_.subspan(tensor, tensor_end - tensor));
      entry = entry_end;
      tensor = tensor_end;
    }
  }

  std::vector<Defect> defects;
  std::vector<std::string_view> repeated_entries;

  const std::vector<bool>& keep() const { return keep_; }

 private:
  using Slots = std::span<const NameIndex::Slot>;

  std::string_view entry_name(const NameIndex::Slot& slot) const {
    return bundle_.index->entries[slot.position].tensor;
  }
  std::string_view tensor_name(const NameIndex::Slot& slot) const {
    return tensors_[slot.position].name;
  }

  // All entries and all tensors of one name.
  void one_name(Slots entries, Slots tensors) {
    if (entries.size() > 1) repeated_entries.push_back(entry_name(entries.front()));
    if (entries.empty()) {
      for (const NameIndex::Slot& slot : tensors) add(Check::UnlistedTensor, slot, {});
      return;
    }
    // Of repeated entries the last counts, as in Python's json.
    const ShardIndex::Entry& entry = bundle_.index->entries[entries.back().position];
    const uint32_t weights = bundle_.weights_of_index_file[entry.file];
    const std::string_view place = bundle_.index->files[entry.file];
    if (tensors.empty()) {
      if (weights != Bundle::kAbsent && scanned_[weights].all_entries)
        defects.push_back({Check::MissingTensor,
                           scanned_[weights].file,
                           entries.back().position,
                           entry.tensor,
                           {}});
      return;
    }
    const auto in_place = [&](const NameIndex::Slot& slot) {
      return weights != Bundle::kAbsent && tensors_[slot.position].file == scanned_[weights].file;
    };
    if (std::ranges::none_of(tensors, in_place)) {
      keep_[tensors.front().position] = true;
      for (const NameIndex::Slot& slot : tensors) add(Check::MisplacedTensor, slot, place);
      return;
    }
    for (const NameIndex::Slot& slot : tensors) {
      if (in_place(slot))
        keep_[slot.position] = true;
      else
        add(Check::UnlistedTensor, slot, place);
    }
  }

  void add(Check check, const NameIndex::Slot& slot, std::string_view other) {
    const TensorInfo& tensor = tensors_[slot.position];
    defects.push_back({check, tensor.file, slot.position, tensor.name, other});
  }

  const Bundle& bundle_;
  std::span<const ScannedFile> scanned_;
  std::span<const ModelFile> files_;
  std::span<const TensorInfo> tensors_;
  Slots slots_;
  std::vector<bool> keep_;
  NameIndex entries_;
};

void drop_tensors(const std::vector<bool>& keep, std::vector<TensorInfo>& tensors,
                  NameIndex& names) {
  if (std::ranges::find(keep, false) == keep.end()) return;
  std::vector<uint32_t> new_position(tensors.size(), NameIndex::kDropped);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    if (!keep[i]) continue;
    new_position[i] = kept;
    tensors[kept++] = tensors[i];
  }
  tensors.resize(kept);
  names.renumber(new_position);
}

void check_total_size(const Folder& folder, const Bundle& bundle, std::span<const ModelFile> files,
                      std::span<const TensorInfo> tensors, std::vector<Finding>& findings) {
  if (!bundle.index->total_size) return;
  const double declared = *bundle.index->total_size;
  uint64_t bytes = 0, header_bytes = 0;
  for (const TensorInfo& tensor : tensors) bytes += tensor.size_bytes;
  for (const ModelFile& file : files)
    if (file.role == FileRole::Weights) header_bytes += file.header_bytes;
  if (declared == static_cast<double>(bytes)) return;
  Finding finding{
      .check = Check::WrongTotalSize,
      .path = folder.path_of(bundle.index_name),
      .message = fmt::format("total_size is {:.17g}, the tensors take {} bytes", declared, bytes)};
  if (declared == static_cast<double>(bytes + header_bytes)) {
    finding.message += fmt::format(": it counts whole files, with {} bytes of headers",
                                   format_grouped(header_bytes));
    finding.severity_override = Severity::Note;
  }
  findings.push_back(std::move(finding));
}

}  // namespace

void apply_index(const Folder& folder, const Bundle& bundle, std::span<const ScannedFile> scanned,
                 std::span<const ModelFile> files, std::vector<TensorInfo>& tensors,
                 NameIndex& names, std::vector<Finding>& findings) {
  IndexJoin join(bundle, scanned, files, tensors, names);
  join.run();
  report(join.defects, files, findings);
  if (!join.repeated_entries.empty()) {
    std::ranges::sort(join.repeated_entries);
    const std::vector<std::string> repeated(join.repeated_entries.begin(),
                                            join.repeated_entries.end());
    findings.push_back(
        {.check = Check::DuplicateIndexEntry,
         .path = folder.path_of(bundle.index_name),
         .tensor = repeated.front(),
         .message = fmt::format("{} {} more than one entry: {}", format_grouped(repeated.size()),
                                repeated.size() == 1 ? "tensor has" : "tensors have",
                                list_names(repeated))});
  }
  drop_tensors(join.keep(), tensors, names);

  const bool all_read = std::ranges::all_of(scanned, &ScannedFile::all_entries) &&
                        std::ranges::find(bundle.weights_of_index_file, Bundle::kAbsent) ==
                            bundle.weights_of_index_file.end();
  if (all_read) check_total_size(folder, bundle, files, tensors, findings);
}

void check_without_index(const Folder& folder, const Bundle& bundle,
                         std::span<const ModelFile> files, std::span<const TensorInfo> tensors,
                         const NameIndex& names, bool is_one_model,
                         std::vector<Finding>& findings) {
  std::vector<Defect> defects;
  const std::span<const NameIndex::Slot> slots = names.slots();
  for (size_t i = 1; i < slots.size(); ++i) {
    const TensorInfo& first = tensors[slots[i - 1].position];
    const TensorInfo& second = tensors[slots[i].position];
    if (first.name == second.name && first.file != second.file)
      defects.push_back({Check::TensorInTwoShards, second.file, slots[i].position, second.name,
                         base_name(files[first.file].name)});
  }
  if (!bundle.unrelated_files) return report(defects, files, findings);
  if (is_one_model && defects.empty()) return;

  std::vector<std::string> candidates;
  for (const FolderEntry& entry : bundle.weights) candidates.emplace_back(base_name(entry.name));
  std::string reason = "there is neither an index nor a config.json";
  if (is_one_model) {
    std::ranges::sort(defects, {}, &Defect::order);
    reason = fmt::format("tensor {} is in {} and in {}", quoted_name(defects.front().tensor),
                         quoted_name(defects.front().other),
                         quoted_name(base_name(files[defects.front().file].name)));
  }
  findings.push_back(
      {.check = Check::AmbiguousModel,
       .path = folder.label(),
       .message = fmt::format("the folder holds {} weight files that are not one model: {} ({})",
                              format_grouped(candidates.size()), list_names(candidates), reason),
       .hint = fmt::format("name the one that is meant: {}",
                           folder.path_of(bundle.weights.front().name))});
}

}  // namespace stkit
