#include "model/rank_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "formats/finding_log.h"
#include "formats/torch_part.h"
#include "model/assembled.h"
#include "model/box_coverage.h"
#include "model/listing.h"
#include "model/torch_state_dict.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr std::string_view kBegin = "model_world_size_";
constexpr std::string_view kRank = "_rank_";
constexpr std::string_view kEnd = ".pt";
constexpr std::string_view kCompanions = "huggingface/";
// A part may be a comb over several dimensions; real ones have one box, or a few.
constexpr uint64_t kMaxBoxesOfPart = 1 << 16;
constexpr size_t kMaxBadTensors = 100;

struct RankName {
  uint32_t ranks = 0, rank = 0;
};

bool take_number(std::string_view& text, uint32_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

std::optional<RankName> parse_rank_name(const FolderEntry& entry) {
  std::string_view text = base_name(entry.name);
  RankName name;
  if (entry.kind != EntryKind::File || !text.starts_with(kBegin)) return std::nullopt;
  text.remove_prefix(kBegin.size());
  if (!take_number(text, name.ranks) || !text.starts_with(kRank)) return std::nullopt;
  text.remove_prefix(kRank.size());
  if (!take_number(text, name.rank) || text != kEnd || name.rank >= name.ranks) return std::nullopt;
  return name;
}

// Calls use(origin, size, offset in the part) for each box of the part: every choice of one run a
// dimension.
template <class Use>
void for_each_box(const TorchPart& part, Use use) {
  const size_t rank = part.shape.size();
  std::vector<size_t> at(rank);
  std::vector<uint64_t> before(rank), origin(rank), size(rank);
  while (true) {
    uint64_t offset = 0;
    for (size_t i = 0; i < rank; ++i) {
      const IndexRun& run = part.held[i][at[i]];
      origin[i] = run.first;
      size[i] = run.count;
      offset += before[i] * part.local.strides[i];
    }
    use(origin, size, offset);
    size_t i = rank;
    while (i-- > 0) {
      before[i] += part.held[i][at[i]].count;
      if (++at[i] < part.held[i].size()) break;
      at[i] = 0;
      before[i] = 0;
    }
    if (i == size_t{0} - 1) return;
  }
}

uint64_t box_count(const TorchPart& part) {
  uint64_t count = 1;
  for (const auto& runs : part.held) {
    count *= runs.size();
    if (count > kMaxBoxesOfPart) return count;
  }
  return count;
}

class RankFilesScan {
 public:
  RankFilesScan(std::shared_ptr<const Folder> folder, std::string prefix,
                const OpenOptions& options)
      : prefix_(std::move(prefix)), options_(options) {
    contents_.folder = std::move(folder);
    contents_.format = FileFormat::PyTorch;
  }

  Result<ModelContents> run() {
    path_ = contents_.folder->path_of(prefix_);
    STKIT_TRY(list_files());
    if (ranks_ == 0) return std::move(contents_);
    if (!check_ranks()) return std::move(contents_);
    STKIT_TRY(read_ranks());
    if (!failed_) join_parts();
    return std::move(contents_);
  }

 private:
  struct Named {
    std::string name;
    TorchPart part;
  };
  struct OfRank {
    std::vector<Named> tensors;
    std::vector<Finding> findings;
  };

  void report(Check check, std::string message, std::string tensor = {}) {
    failed_ = true;
    contents_.findings.push_back({.check = check,
                                  .path = path_,
                                  .tensor = std::move(tensor),
                                  .message = std::move(message)});
  }

  Result<void> list_files() {
    const Folder& folder = *contents_.folder;
    STKIT_ASSIGN(const std::vector<FolderEntry> listing,
                 folder.list(without_slash(std::string_view(prefix_))));
    std::map<uint32_t, std::map<uint32_t, FolderEntry>> by_ranks;
    for (const FolderEntry& entry : listing)
      if (const auto name = parse_rank_name(entry))
        by_ranks[name->ranks].emplace(name->rank, entry);
    if (by_ranks.size() != 1) {
      std::vector<std::string> names;
      for (const auto& [ranks, files] : by_ranks)
        names.emplace_back(base_name(files.begin()->second.name));
      report(Check::AmbiguousModel,
             fmt::format("the folder holds files of several runs: {}", fmt::join(names, ", ")));
      return {};
    }
    ranks_ = by_ranks.begin()->first;
    std::vector<FolderEntry> weights;
    for (const auto& [rank, entry] : by_ranks.begin()->second) {
      there_.insert(rank);
      weights.push_back(entry);
    }
    std::vector<FolderEntry> beside = listing;
    if (const FolderEntry* const companions =
            find_entry(listing, prefix_ + std::string(without_slash(kCompanions)));
        companions != nullptr && companions->kind == EntryKind::Folder) {
      contents_.subfolder = prefix_ + std::string(kCompanions);
      STKIT_ASSIGN(beside, folder.list(companions->name));
    }
    list_assembled_files(weights, beside, contents_);
    for (const FolderEntry& entry : weights)
      places_.push_back(assembled_file(contents_, entry.name));
    return {};
  }

  bool check_ranks() {
    if (there_.size() == ranks_) return true;
    std::vector<uint32_t> missing;
    for (uint32_t rank = 0; rank < ranks_ && missing.size() < 5; ++rank)
      if (!there_.contains(rank)) missing.push_back(rank);
    report(Check::MissingRank,
           fmt::format("{} processes saved the model, but {} of their files are there; missing: "
                       "rank {}",
                       format_grouped(ranks_), format_grouped(there_.size()),
                       fmt::join(missing, ", ")));
    return false;
  }

  // Findings come in the order of the ranks; what all of them have alike is said once.
  Result<void> read_ranks() {
    of_ranks_.resize(places_.size());
    STKIT_TRY(parallel_for(places_.size(), thread_count({}), nullptr,
                           [&](size_t i, unsigned) -> Result<void> {
                             STKIT_ASSIGN(const auto file, contents_.pool->open(places_[i]));
                             return read_rank(*file, of_ranks_[i]);
                           }));
    std::set<std::pair<Check, std::string>> said;
    for (OfRank& rank : of_ranks_)
      for (Finding& finding : rank.findings) {
        const bool is_error = finding.severity() == Severity::Error;
        failed_ = failed_ || is_error;
        if (is_error || said.emplace(finding.check, finding.message).second)
          contents_.findings.push_back(std::move(finding));
      }
    return {};
  }

  Result<void> read_rank(const RandomAccessFile& file, OfRank& rank) const {
    STKIT_ASSIGN(const TorchFile torch, read_file(file, rank));
    const auto add = [&](Check check, std::string message, std::string tensor = {}) {
      rank.findings.push_back({.check = check,
                               .path = file.label(),
                               .tensor = std::move(tensor),
                               .message = std::move(message)});
    };
    if (!torch.has_object()) return {};
    const auto state = find_state_dict(torch, options_.key);
    if (!state) {
      add(state.error().check, state.error().message);
      return {};
    }
    if (!state->prefixes.empty())
      add(Check::WrapperPrefix, fmt::format("names are given without {}", state->prefixes));
    size_t bad = 0;
    for (const StateDict::Entry& entry : state->entries) {
      auto part = torch.part(entry.tensor);
      if (part)
        rank.tensors.push_back({entry.name, std::move(*part)});
      else if (++bad <= kMaxBadTensors)
        add(part.error().check,
            fmt::format("tensor {}: {}", quoted_name(entry.name), part.error().message),
            entry.name);
    }
    return {};
  }

  Result<TorchFile> read_file(const RandomAccessFile& file, OfRank& rank) const {
    STKIT_ASSIGN(TorchFile torch, TorchFile::read(file, options_.max_header_bytes));
    rank.findings = torch.take_findings();
    return torch;
  }

  void join_parts() {
    std::map<std::string_view, size_t> known;
    std::vector<AssembledTensor> tensors;
    for (size_t rank = 0; rank < of_ranks_.size(); ++rank)
      for (const Named& named : of_ranks_[rank].tensors) {
        const auto [place, added] = known.emplace(named.name, tensors.size());
        if (added) tensors.push_back(start(named));
        add_part(named, rank, tensors[place->second]);
      }
    for (AssembledTensor& tensor : tensors)
      if (auto whole = settle_boxes(tensor.boxes); !whole)
        report(Check::IncompleteTensor,
               fmt::format("tensor {}: {}", quoted_name(tensor.name), whole.error()), tensor.name);
    take_assembled_tensors(std::move(tensors), places_.front(), contents_);
  }

  static AssembledTensor start(const Named& named) {
    AssembledTensor tensor{named.name, named.part.local.dtype, named.part.shape, {}};
    tensor.boxes.shape = named.part.shape;
    tensor.boxes.unit_bytes = info(tensor.dtype).block_bytes;
    tensor.boxes.swap_bytes = named.part.local.swap_bytes;
    // What torch counts as one value is a whole block of the dtype, see TorchTensor.
    if (const auto values = info(tensor.dtype).block_elements; values > 1 && !tensor.shape.empty())
      tensor.shape.back() *= values;
    return tensor;
  }

  void add_part(const Named& named, size_t rank, AssembledTensor& tensor) {
    const TorchPart& part = named.part;
    const auto differs = [&](std::string what) {
      report(Check::BadPart,
             fmt::format("tensor {}: rank {} {}", quoted_name(named.name), rank, what), named.name);
    };
    if (part.local.dtype != tensor.dtype || part.shape != tensor.boxes.shape ||
        part.local.swap_bytes != tensor.boxes.swap_bytes)
      return differs(fmt::format("has it as {} [{}], others as {} [{}]", name(part.local.dtype),
                                 fmt::join(part.shape, ", "), name(tensor.dtype),
                                 fmt::join(tensor.boxes.shape, ", ")));
    const uint64_t count = box_count(part);
    if (count > kMaxBoxesOfPart)
      return differs(
          fmt::format("holds more than {} pieces of it", format_grouped(kMaxBoxesOfPart)));
    if (count == 0) return;
    for_each_box(part, [&](const std::vector<uint64_t>& origin, const std::vector<uint64_t>& size,
                           uint64_t offset) {
      tensor.boxes.boxes.push_back({places_[rank],
                                    part.local.offset_bytes + offset * tensor.boxes.unit_bytes,
                                    origin, size, part.local.strides});
    });
  }

  const std::string prefix_;
  const OpenOptions& options_;
  std::string path_;
  uint64_t ranks_ = 0;
  std::set<uint32_t> there_;
  std::vector<uint32_t> places_;  // by rank
  std::vector<OfRank> of_ranks_;
  bool failed_ = false;
  ModelContents contents_;
};

}  // namespace

bool has_rank_files(std::span<const FolderEntry> listing) {
  return std::ranges::any_of(
      listing, [](const FolderEntry& entry) { return parse_rank_name(entry).has_value(); });
}

Result<ModelContents> scan_rank_files(std::shared_ptr<const Folder> folder,
                                      const std::string& prefix, const OpenOptions& options) {
  return RankFilesScan(std::move(folder), prefix, options).run();
}

}  // namespace stkit
