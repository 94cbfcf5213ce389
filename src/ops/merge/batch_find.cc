#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>

#include "base/ascii.h"
#include "model/listing.h"
#include "stkit/batch.h"
#include "stkit/io.h"
#include "stkit/text.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;

// How trainers name checkpoints: transformers, accelerate, DeepSpeed, verl, torchtitan, Megatron,
// Lightning.
constexpr std::string_view kCheckpointNames[] = {
    "checkpoint[-_]*",  "ckpt[-_]*",       "global_step*[0-9]*",
    "step[-_=]*[0-9]*", "iter[-_]*[0-9]*", "epoch[-_=]*[0-9]*",
};

bool is_checkpoint_name(std::string_view name) {
  return std::ranges::any_of(kCheckpointNames,
                             [&](std::string_view pattern) { return glob_match(pattern, name); });
}

std::string_view first_number(std::string_view text) {
  const auto begin = std::ranges::find_if(text, ascii::is_digit);
  const auto end = std::find_if_not(begin, text.end(), ascii::is_digit);
  return {begin, end};
}

std::string_view last_number(std::string_view text) {
  const size_t end = text.find_last_of("0123456789");
  if (end == std::string_view::npos) return {};
  const size_t before = text.find_last_not_of("0123456789", end);
  return text.substr(before == std::string_view::npos ? 0 : before + 1).substr(0, end - before);
}

// "500" of "checkpoint-500", "1500" of "epoch=1-step=1500.ckpt", "100" of "global_step_100/actor".
std::string_view step_of(std::string_view name) {
  for (std::string_view rest = name; !rest.empty();) {
    const std::string_view component = base_name(rest);
    rest = without_slash(folder_prefix(rest));
    if (!is_checkpoint_name(component)) continue;
    if (const size_t step = component.find("step"); step != std::string_view::npos)
      if (const auto number = first_number(component.substr(step)); !number.empty()) return number;
    if (const auto number = first_number(component); !number.empty()) return number;
  }
  return last_number(base_name(name));
}

bool holds_weights(std::span<const FolderEntry> entries) {
  return std::ranges::any_of(entries, [](const FolderEntry& entry) {
    return entry.kind != EntryKind::Folder &&
           (is_weights_name(entry.name) || is_index_name(entry.name));
  });
}

class Search {
 public:
  Search(const Folder& folder, fs::path leave_out)
      : folder_(folder), leave_out_(std::move(leave_out)) {}

  // `name` is a folder below the run's, or empty for the run's own, which is no checkpoint.
  Result<void> look_into(const std::string& name) {
    STKIT_ASSIGN(const std::vector<FolderEntry> entries, folder_.list(name));
    if (!name.empty() && holds_weights(entries)) {
      add(name);
      return {};
    }
    const size_t before = found_.size();
    for (const FolderEntry& entry : entries)
      if (entry.kind == EntryKind::Folder && !is_left_out(entry)) STKIT_TRY(look_into(entry.name));
    if (found_.size() == before && is_checkpoint_name(base_name(name))) add(name);
    return {};
  }

  std::vector<Checkpoint> take() {
    std::ranges::sort(found_, natural_less, &Checkpoint::name);
    return std::move(found_);
  }

 private:
  void add(const std::string& name) {
    found_.push_back({folder_.path_of(name), name, std::string(step_of(name))});
  }

  bool is_left_out(const FolderEntry& entry) const {
    if (base_name(entry.name).starts_with('.')) return true;
    const fs::path path = folder_.path_of(entry.name);
    std::error_code error;
    if (fs::is_symlink(fs::symlink_status(path, error))) return true;
    return !leave_out_.empty() && fs::equivalent(path, leave_out_, error);
  }

  const Folder& folder_;
  const fs::path leave_out_;
  std::vector<Checkpoint> found_;
};

}  // namespace

Result<std::vector<Checkpoint>> find_checkpoints(const std::string& run_folder,
                                                 const std::string& leave_out) {
  STKIT_ASSIGN(const std::unique_ptr<Folder> folder, open_local_folder(run_folder));
  Search search(*folder, leave_out);
  STKIT_TRY(search.look_into({}));
  return search.take();
}

}  // namespace stkit
