#include "model/deepspeed_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "formats/finding_log.h"
#include "formats/safetensors_reader.h"
#include "model/assembled.h"
#include "model/deepspeed_files.h"
#include "model/deepspeed_plan.h"
#include "model/listing.h"
#include "stkit/text.h"

namespace stkit {
namespace {

class DeepSpeedScan {
 public:
  DeepSpeedScan(std::shared_ptr<const Folder> folder, std::string subfolder,
                const OpenOptions& options)
      : folder_(std::move(folder)), options_(options) {
    contents_.folder = folder_;
    contents_.subfolder = std::move(subfolder);
    contents_.format = FileFormat::DeepSpeed;
  }

  Result<ModelContents> run() {
    STKIT_ASSIGN(const std::vector<FolderEntry> listing,
                 folder_->list(without_slash(contents_.subfolder)));
    STKIT_ASSIGN(DeepSpeedFiles files,
                 find_deepspeed_files(*folder_, contents_.subfolder, listing, options_.tag));
    contents_.findings = std::move(files.findings);
    list_files(files, listing);
    checkpoint_.path = folder_->path_of(files.prefix);
    if (sound()) STKIT_TRY(read_states(files));
    if (sound()) check_ranks(files);
    if (sound())
      take_assembled_tensors(plan_zero(checkpoint_, contents_.findings),
                             checkpoint_.state_files.front(), contents_);
    return std::move(contents_);
  }

 private:
  bool sound() const {
    return std::ranges::none_of(contents_.findings, [](const Finding& finding) {
      return finding.severity() == Severity::Error;
    });
  }

  void report(Check check, std::string message) {
    contents_.findings.push_back(
        {.check = check, .path = checkpoint_.path, .message = std::move(message)});
  }

  void list_files(const DeepSpeedFiles& files, const std::vector<FolderEntry>& listing) {
    std::vector<FolderEntry> weights;
    for (const auto& [rank, entry] : files.model_states) weights.push_back(entry);
    for (const auto& [rank, entry] : files.optim_states) weights.push_back(entry);
    list_assembled_files(weights, listing, contents_);
  }

  // Ranks are read by many threads; what they find is put in their order.
  template <class State>
  Result<void> read_all(const std::map<uint32_t, FolderEntry>& entries,
                        Result<std::optional<State>> (*read)(const RandomAccessFile&, uint64_t,
                                                             std::vector<Finding>&),
                        std::vector<State>& states, std::vector<uint32_t>& files) {
    for (const auto& [rank, entry] : entries)
      files.push_back(assembled_file(contents_, entry.name));
    std::vector<std::optional<State>> found(files.size());
    std::vector<std::vector<Finding>> findings(files.size());
    STKIT_TRY(parallel_for(
        files.size(), thread_count({}), nullptr, [&](size_t i, unsigned) -> Result<void> {
          STKIT_ASSIGN(const auto file, contents_.pool->open(files[i]));
          STKIT_ASSIGN(found[i], read(*file, options_.max_header_bytes, findings[i]));
          return {};
        }));
    for (size_t i = 0; i < found.size(); ++i) {
      std::ranges::move(findings[i], std::back_inserter(contents_.findings));
      if (found[i]) states.push_back(std::move(*found[i]));
    }
    return {};
  }

  Result<void> read_states(const DeepSpeedFiles& files) {
    if (files.model_states.empty()) {
      report(Check::MissingRank, "the checkpoint has no *_model_states.pt");
      return {};
    }
    STKIT_TRY(read_all(files.model_states, read_zero_model_state, checkpoint_.states,
                       checkpoint_.state_files));
    // The 16-bit weights that training computed with are all in one file, up to stage 2.
    if (options_.key != "module")
      STKIT_TRY(read_all(files.optim_states, read_zero_partition, checkpoint_.partitions,
                         checkpoint_.partition_files));
    return {};
  }

  static std::string missing(const std::map<uint32_t, FolderEntry>& there, uint64_t ranks) {
    std::string text;
    size_t listed = 0;
    for (uint32_t rank = 0; rank < ranks && listed < 5; ++rank)
      if (!there.contains(rank)) text += fmt::format("{}{}", listed++ == 0 ? "" : ", ", rank);
    return text;
  }

  void check_ranks(const DeepSpeedFiles& files) {
    if (checkpoint_.partitions.empty()) {
      if (files.model_states.size() > 1)
        report(Check::BadZeroState,
               "the model's states are in parts, and the optimizer's that hold the weights are "
               "missing");
      return;
    }
    const uint64_t ranks = checkpoint_.partitions.front().ranks;
    const uint64_t stage = checkpoint_.partitions.front().stage;
    for (const ZeroPartition& partition : checkpoint_.partitions)
      if (partition.ranks != ranks || partition.stage != stage)
        return report(Check::MixedSteps,
                      fmt::format("files of {} ranks at stage {} and of {} ranks at stage {}",
                                  ranks, stage, partition.ranks, partition.stage));
    const auto complete = [&](const std::map<uint32_t, FolderEntry>& there, std::string_view what) {
      if (there.size() == ranks && there.rbegin()->first == ranks - 1) return;
      const std::string absent = missing(there, ranks);
      report(Check::MissingRank,
             fmt::format("the optimizer was dealt to {} ranks, but there are {} files {}{}{}",
                         format_grouped(ranks), format_grouped(there.size()), what,
                         absent.empty() ? "" : "; missing: rank ", absent));
    };
    complete(files.optim_states, "*_optim_states.pt");
    if (stage == 3) complete(files.model_states, "*_model_states.pt");
    for (const ZeroModelState& state : checkpoint_.states)
      if (state.step && checkpoint_.states.front().step &&
          *state.step != *checkpoint_.states.front().step)
        return report(
            Check::MixedSteps,
            fmt::format("files of steps {} and {}", *checkpoint_.states.front().step, *state.step));
  }

  std::shared_ptr<const Folder> folder_;
  const OpenOptions& options_;
  ModelContents contents_;
  ZeroCheckpoint checkpoint_;
};

}  // namespace

Result<ModelContents> scan_deepspeed(std::shared_ptr<const Folder> folder, std::string subfolder,
                                     const OpenOptions& options) {
  return DeepSpeedScan(std::move(folder), std::move(subfolder), options).run();
}

}  // namespace stkit
