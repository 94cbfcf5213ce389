#include "ops/download/single_file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/digest.h"
#include "io/os_error.h"
#include "io/system_calls.h"
#include "stkit/json.h"
#include "stkit/merge.h"
#include "stkit/text.h"

namespace fs = std::filesystem;

namespace stkit {
namespace {

struct Shard {
  Placement placement;
  fs::path stem;
};

// Every byte that a shard gives to the output, by its path.
Result<std::map<std::string, Shard>> place_shards(const MergePlan& plan,
                                                  const MergePlan::CopiedWeights& weights) {
  std::map<std::string, Shard> shards;
  const std::span<const ModelFile> files = plan.model().files();
  for (const ModelFile& file : files)
    if (file.role == FileRole::Weights) shards[file.name];
  for (const MergePlan::CopiedRun& run : weights.runs)
    shards[files[run.file].name].placement.runs.push_back(
        {run.file_offset_bytes, run.size_bytes, run.offset_bytes});
  for (auto& [name, shard] : shards) {
    auto& runs = shard.placement.runs;
    std::ranges::sort(runs, {}, &Placement::Run::offset_bytes);
    const auto overlap = std::ranges::adjacent_find(runs, [](const auto& left, const auto& right) {
      return left.offset_bytes + left.size_bytes > right.offset_bytes;
    });
    if (overlap != runs.end())
      return fail(ErrorCode::Unsupported, "two tensors share their bytes",
                  "download it without --single-file, then: stkit merge", name);
  }
  return shards;
}

std::string plan_id(const MergePlan::CopiedWeights& weights,
                    const std::map<std::string, Shard>& shards,
                    const std::vector<RepoFile>& files) {
  Digest digest(DigestKind::Sha1);
  digest.update(weights.header);
  for (const RepoFile& file : files) {
    const auto shard = shards.find(file.path);
    if (shard == shards.end()) continue;
    digest.update(fmt::format("{}\n{}\n{}\n", file.path, file.etag(), file.size_bytes));
    for (const Placement::Run& run : shard->second.placement.runs)
      digest.update(
          fmt::format("{} {} {}\n", run.offset_bytes, run.size_bytes, run.output_offset_bytes));
  }
  return digest.hex();
}

class SingleFileDestination final : public Destination {
 public:
  SingleFileDestination(fs::path folder, const RepoTree& tree, DestinationOptions options,
                        MergePlan plan, MergePlan::CopiedWeights weights,
                        std::map<std::string, Shard> shards, std::string id)
      : folder_(std::move(folder)),
        options_(options),
        companions_(folder_destination(folder_, tree, options)),
        plan_(std::move(plan)),
        weights_(std::move(weights)),
        shards_(std::move(shards)),
        id_(std::move(id)),
        work_(folder_ / ".cache" / "stkit"),
        target_(folder_ / weights_.name) {
    size_t number = 0;
    for (auto& [name, shard] : shards_) {
      shard.stem = work_ / fmt::format("{}-{}", id_, ++number);
      shard.placement.output = output();
      shard.placement.id = id_;
    }
  }

  const fs::path& folder() const override { return folder_; }

  Result<bool> has(const RepoFile& file, const CancelToken* cancel) override {
    if (!shards_.contains(file.path)) return companions_->has(file, cancel);
    if (options_.force) return false;
    struct stat info;
    if (::stat(target_.c_str(), &info) != 0) return false;
    const auto note = open_local_file(note_path(), Access::Read);
    const std::string wanted = note_of(info);
    if (note && (*note)->size_bytes() == wanted.size()) {
      std::string text(wanted.size(), '\0');
      if ((*note)->read_at(0, std::as_writable_bytes(std::span(text))) && text == wanted)
        return true;
    }
    return fail(ErrorCode::OutputExists, "exists already, and was not made of these shards",
                "replace it with --force, or choose another folder", target_.string());
  }

  Result<void> prepare(const RepoFile& file) override {
    if (!shards_.contains(file.path)) return companions_->prepare(file);
    return prepared_ ? Result<void>() : prepare_output();
  }

  Paths where(const RepoFile& file) const override {
    const auto shard = shards_.find(file.path);
    if (shard == shards_.end()) return companions_->where(file);
    return {shard->second.stem, shard->second.stem, &shard->second.placement};
  }

  Result<void> note_done(const RepoFile& file) override {
    return shards_.contains(file.path) ? Result<void>() : companions_->note_done(file);
  }

  Result<fs::path> finish(std::span<const RepoFile> files) override {
    if (prepared_) STKIT_TRY(publish());
    std::set<std::string, std::less<>> rewritten;
    for (size_t i = 0; i < plan_.files().size(); ++i) {
      const auto text = plan_.text(i);
      if (!text) continue;
      STKIT_TRY(write_if_changed(folder_ / plan_.files()[i].name, *text));
      rewritten.insert(plan_.files()[i].name);
    }
    std::vector<RepoFile> companions;
    std::ranges::copy_if(files, std::back_inserter(companions), [&](const RepoFile& file) {
      return !shards_.contains(file.path) && !rewritten.contains(file.path);
    });
    return companions_->finish(companions);
  }

 private:
  fs::path output() const { return work_ / (id_ + ".output"); }
  fs::path note_path() const { return work_ / "single-file.json"; }

  // Tells this file from any other, and from itself once somebody has changed it.
  std::string note_of(const struct stat& info) const {
    std::string text;
    JsonWriter json(text);
    json.begin_object().field("plan", id_).field("name", weights_.name);
    json.field("bytes", info.st_size).field("modified", info.st_mtim.tv_sec);
    json.field("modified_ns", info.st_mtim.tv_nsec).end_object();
    return text;
  }

  void forget_journals() const {
    SystemCalls& calls = SystemCalls::real();
    for (const auto& [name, shard] : shards_)
      for (const char* suffix : {".journal", ".incomplete"})
        calls.unlink(AT_FDCWD, (shard.stem.string() + suffix).c_str());
  }

  Result<void> prepare_output() {
    SystemCalls& calls = SystemCalls::real();
    STKIT_TRY(make_folders(work_));
    constexpr int kFlags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    const std::string path = output().string();
    const auto failed = [&](std::string_view action) {
      return fail(write_error(errno, path, action));
    };
    const Descriptor file(
        calls, uninterrupted([&] { return calls.open_at(AT_FDCWD, path.c_str(), kFlags, 0666); }));
    if (!file.is_open()) return failed("cannot be created");
    struct stat info;
    if (calls.stat(file.get(), info) != 0) return failed("cannot be looked at");
    if (static_cast<uint64_t>(info.st_size) != weights_.size_bytes) {
      // Before the journals could speak of bytes that are not there.
      forget_journals();
      const auto size = static_cast<off_t>(weights_.size_bytes);
      if (uninterrupted([&] { return calls.truncate(file.get(), 0); }) != 0 ||
          uninterrupted([&] { return calls.truncate(file.get(), size); }) != 0)
        return failed("cannot be given its size");
    }
    auto left = std::as_bytes(std::span(weights_.header));
    while (!left.empty()) {
      const auto at = static_cast<off_t>(weights_.header.size() - left.size());
      const ssize_t count = uninterrupted([&] { return calls.pwrite(file.get(), left, at); });
      if (count <= 0) return failed("its header cannot be written");
      left = left.subspan(static_cast<size_t>(count));
    }
    prepared_ = true;
    return {};
  }

  // Each shard was verified and is on the disk; the header may not be yet.
  Result<void> publish() {
    SystemCalls& calls = SystemCalls::real();
    const std::string path = output().string();
    const Descriptor file(calls, uninterrupted([&] {
                            return calls.open_at(AT_FDCWD, path.c_str(),
                                                 O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
                          }));
    if (!file.is_open() || uninterrupted([&] { return calls.sync(file.get()); }) != 0)
      return fail(write_error(errno, path, "cannot be brought to the disk"));
    if (uninterrupted([&] { return calls.rename(AT_FDCWD, path.c_str(), target_.c_str()); }) != 0)
      return fail(write_error(errno, target_.string(), "cannot be given its name"));
    sync_folder(calls, folder_);
    struct stat info;
    if (calls.stat(file.get(), info) != 0)
      return fail(write_error(errno, target_.string(), "cannot be looked at"));
    STKIT_TRY(write_if_changed(note_path(), note_of(info)));
    forget_journals();
    return {};
  }

  const fs::path folder_;
  const DestinationOptions options_;
  const std::unique_ptr<Destination> companions_;
  const MergePlan plan_;
  const MergePlan::CopiedWeights weights_;
  std::map<std::string, Shard> shards_;
  const std::string id_;
  const fs::path work_, target_;
  bool prepared_ = false;
};

}  // namespace

Result<SingleFile> plan_single_file(const fs::path& folder, std::shared_ptr<HubConnection> hub,
                                    const RepoTree& tree, const std::vector<RepoFile>& taken,
                                    DestinationOptions options) {
  RepoTree part = tree;
  part.files = taken;
  STKIT_ASSIGN(Model model, Model::open(open_repo_folder(std::move(hub), std::move(part), {})));
  if (model.format() != FileFormat::Safetensors)
    return fail(ErrorCode::Unsupported,
                fmt::format("the weights are of the kind '{}'", name(model.format())),
                "download them without --single-file", tree.repo);
  // What is there is judged by has(), which knows what an earlier try left.
  STKIT_ASSIGN(MergePlan plan,
               MergePlan::make(std::move(model), folder.string(), {.overwrite = true}));
  STKIT_ASSIGN(MergePlan::CopiedWeights weights, plan.copied_weights());
  STKIT_ASSIGN(auto shards, place_shards(plan, weights));
  std::set<std::string, std::less<>> companions;
  for (const MergePlan::File& file : plan.files())
    if (!file.is_weights) companions.insert(file.name);
  SingleFile single;
  for (const RepoFile& file : taken)
    if (shards.contains(file.path) || companions.contains(file.path)) single.files.push_back(file);
  std::string id = plan_id(weights, shards, single.files);
  single.destination = std::make_unique<SingleFileDestination>(
      folder, tree, options, std::move(plan), std::move(weights), std::move(shards), std::move(id));
  return single;
}

}  // namespace stkit
