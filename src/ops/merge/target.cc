#include "ops/merge/target.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "io/disk_space.h"
#include "io/os_error.h"
#include "io/output_conflict.h"
#include "model/listing.h"
#include "model/model_contents.h"
#include "ops/merge/left_over.h"
#include "pipeline/write_file.h"
#include "stkit/text.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;

// The model's folder, too, unless a lone file of it was asked for: the output may lie beside it.
std::vector<fs::path> inputs_of(const MergeWork& work) {
  const ModelContents& contents = ModelAccess::contents(work.model);
  std::vector<fs::path> inputs;
  if (contents.selected_weights.empty()) inputs.emplace_back(contents.folder->label());
  for (const ModelFile& file : contents.files) inputs.emplace_back(file.path);
  return inputs;
}

// Tells files apart by device and inode, so also behind links.
class InputFiles {
 public:
  explicit InputFiles(const Model& model) {
    for (const ModelFile& file : model.files()) {
      struct stat info;
      if (::stat(file.path.c_str(), &info) == 0) known_.emplace(info.st_dev, info.st_ino);
    }
  }
  bool contains(const struct stat& info) const {
    return known_.contains({info.st_dev, info.st_ino});
  }

 private:
  std::set<std::pair<dev_t, ino_t>> known_;
};

// Whether there is a file that may only be replaced with --force.
Result<bool> is_in_the_way(const fs::path& path, const InputFiles& inputs, bool overwrite) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return false;
    return fail(write_error(errno, path.string(), "cannot be looked at"));
  }
  if (!S_ISREG(info.st_mode))
    return fail(ErrorCode::WriteFailed,
                fmt::format("is {}, not a regular file", kind_of(info.st_mode)),
                "choose another place for the output", path.string());
  if (inputs.contains(info))
    return fail(ErrorCode::OutputConflict, "is a file of the input",
                "write to another place; an input is never changed", path.string());
  return !overwrite;
}

// AtomicOutput looks once more when it makes the file; here it is about all files before the first.
// What is published last is whole only together with all that it needs: while it is missing, a
// merge may have been killed in front of it.
Result<void> check_files(MergeWork& work) {
  const InputFiles inputs(work.model);
  const bool overwrite = work.options.overwrite;
  STKIT_ASSIGN(const bool is_finished, is_in_the_way(work.outputs.back().path, inputs, overwrite));
  for (size_t i = 0; i < work.outputs.size(); ++i) {
    MergeOutput& output = work.outputs[i];
    STKIT_ASSIGN(const bool in_the_way, is_in_the_way(output.path, inputs, overwrite));
    if (!in_the_way) continue;
    if (!is_finished) {
      STKIT_ASSIGN(output.is_left_over, looks_left_over(work, output, work.files[i].size_bytes));
    }
    if (!output.is_left_over)
      return fail(ErrorCode::OutputExists, "exists already",
                  "replace it with --force, or choose another name for the output",
                  output.path.string());
  }
  return {};
}

std::vector<std::string> other_weights(const MergeWork& work) {
  std::vector<std::string> others;
  std::set<std::string, std::less<>> own;
  for (const MergePlan::File& file : work.files) own.insert(file.name);
  std::error_code error;
  for (fs::directory_iterator entry(work.folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if ((is_weights_name(name) || is_index_name(name)) && !own.contains(name))
      others.push_back(std::move(name));
  }
  std::ranges::sort(others, natural_less);
  return others;
}

std::string list_some(const std::vector<std::string>& names) {
  constexpr size_t kShown = 3;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i)
    text += fmt::format("{}'{}'", i == 0 ? "" : ", ", printable(names[i], 80));
  if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
  return text;
}

// Beside a new model.safetensors an old index would make loaders look for the shards it names.
bool is_stale_index(const MergeWork& work, std::string_view name) {
  if (!is_index_name(name)) return false;
  if (!work.is_single_file) return true;
  const std::string stem = fs::path(work.files.back().name).stem().string();
  return name == stem + std::string(kIndexSuffix);
}

// What the output will take no space for, since its blocks are those of the input. Where the
// filesystem refuses after all, it shows when the file's space is reserved.
uint64_t bytes_to_share(SystemCalls& calls, int place, const MergeWork& work) {
  struct stat folder, info;
  struct ::statvfs disk;
  if (work.options.io != IoMode::Auto || !calls.may_share_blocks(place) ||
      calls.stat(place, folder) != 0 || calls.statvfs(place, disk) != 0)
    return 0;
  for (const ModelFile& file : work.model.files())
    if (::stat(file.path.c_str(), &info) != 0 || info.st_dev != folder.st_dev) return 0;
  uint64_t bytes = 0;
  for (size_t i = 0; i < work.weights.files.size(); ++i)
    bytes += shareable_bytes(work.model, work.weights, i, disk.f_bsize);
  return bytes;
}

}  // namespace

Result<void> find_target(MergeWork& work) {
  const fs::path output(work.output);
  if (output.empty()) return fail(ErrorCode::Usage, "no output is named");
  struct stat info;
  if (::stat(output.c_str(), &info) == 0) {
    work.is_single_file = !S_ISDIR(info.st_mode);
    if (work.is_single_file && !S_ISREG(info.st_mode))
      return fail(ErrorCode::WriteFailed,
                  fmt::format("is {}, neither a file nor a folder", kind_of(info.st_mode)),
                  "choose another place for the output", work.output);
    if (work.is_single_file && !is_weights_name(work.output))
      return fail(ErrorCode::OutputExists, "is a file, and does not end in .safetensors",
                  "name a folder, or a file that ends in .safetensors", work.output);
  } else if (errno == ENOENT) {
    work.is_single_file = is_weights_name(work.output);
  } else {
    Error error = write_error(errno, work.output, "cannot be looked at");
    if (error.hint.empty()) error.hint = "choose another place for the output";
    return fail(std::move(error));
  }
  work.folder = work.is_single_file ? output.parent_path() : output;
  if (work.folder.empty()) work.folder = ".";
  if (work.is_single_file && work.options.max_shard_bytes > 0)
    return fail(ErrorCode::Usage, "shards need a folder to lie in",
                "name a folder, or leave out --max-shard-size", work.output);
  return check_output_is_not_input(output, inputs_of(work));
}

Result<void> check_target(MergeWork& work) {
  STKIT_TRY(check_files(work));
  std::vector<std::string> others = other_weights(work);
  if (work.is_single_file)
    std::erase_if(others, [&](const std::string& name) { return !is_stale_index(work, name); });
  if (others.empty()) return {};
  if (!work.options.overwrite)
    return fail(ErrorCode::OutputExists,
                fmt::format("the folder holds other weights: {}", list_some(others)),
                "choose an empty folder; with --force they stay, but for indexes",
                work.folder.string());
  for (const std::string& name : others)
    if (is_stale_index(work, name)) work.stale_indexes.push_back(work.folder / name);
  std::erase_if(others, [&](const std::string& name) { return is_stale_index(work, name); });
  if (!others.empty())
    work.warnings.push_back(fmt::format(
        "the folder holds other weights, which some loaders would take for this model's: {}",
        list_some(others)));
  for (const fs::path& index : work.stale_indexes)
    work.warnings.push_back(fmt::format("'{}' would name other weights and is removed",
                                        printable(index.filename().string(), 80)));
  return {};
}

Result<void> check_space(SystemCalls& calls, const MergeWork& work) {
  const std::string folder = nearest_folder(work.folder).string();
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  const Descriptor place(
      calls, uninterrupted([&] { return calls.open_at(AT_FDCWD, folder.c_str(), kFlags, 0); }));
  if (!place.is_open())
    return fail(write_error(errno, work.output, "the free space cannot be found out"));
  const uint64_t needed_bytes = work.output_bytes - bytes_to_share(calls, place.get(), work);
  return check_free_space(calls, place.get(), needed_bytes, work.output, "the output does not fit");
}

}  // namespace stkit
