#include "model/deepspeed_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "formats/finding_log.h"
#include "io/safe_name.h"
#include "model/listing.h"
#include "model/text_file.h"
#include "model/weight_choice.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr std::string_view kStateFiles = "*_{model,optim}_states.pt";
// Shards of another kind of parallelism than that over data.
constexpr std::string_view kExpertFiles = "{*expert_*,expp_rank_*}_states.pt";
constexpr std::string_view kPipelineFiles = "layer_*-model_*_states.pt";

struct StateName {
  uint32_t rank = 0;
  uint32_t tensor_rank = 0;
  bool optimizer = false;
};

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool take_number(std::string_view& text, uint32_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

std::optional<StateName> parse_state_name(std::string_view text) {
  StateName name;
  if (!take(text, "bf16_")) take(text, "fp16_");
  const bool ranked = take(text, "zero_pp_rank_");
  if (ranked && (!take_number(text, name.rank) || !take(text, "_"))) return std::nullopt;
  if (!take(text, "mp_rank_") || !take_number(text, name.tensor_rank)) return std::nullopt;
  if (text == "_model_states.pt") return name;
  // Old versions left the underscore out.
  if (!ranked || (text != "_optim_states.pt" && text != "optim_states.pt")) return std::nullopt;
  name.optimizer = true;
  return name;
}

bool has_states(const Folder& folder, const std::string& subfolder) {
  const auto listing = folder.list(subfolder);
  return listing && std::ranges::any_of(*listing, [](const FolderEntry& entry) {
           return entry.kind == EntryKind::File && glob_match(kStateFiles, base_name(entry.name));
         });
}

// The folder of the tag, with a slash; "" when the states lie at the top.
Result<std::string> tag_folder(const Folder& folder, std::string_view subfolder,
                               std::span<const FolderEntry> listing, std::string_view tag) {
  const bool at_top = std::ranges::any_of(listing, [](const FolderEntry& entry) {
    return entry.kind == EntryKind::File && glob_match(kStateFiles, base_name(entry.name));
  });
  if (at_top && tag.empty()) return std::string();
  std::string chosen(tag);
  const std::string latest = std::string(subfolder) + "latest";
  const bool from_latest = chosen.empty() && find_entry(listing, latest) != nullptr;
  if (from_latest) {
    STKIT_ASSIGN(chosen, read_text_file(folder, latest));
    chosen.erase(chosen.find_last_not_of(" \t\r\n") + 1);
  }
  if (!chosen.empty()) {
    const std::string path = folder.path_of(from_latest ? latest : std::string(subfolder));
    if (!check_relative_name(chosen) || chosen.find('/') != std::string::npos)
      return fail(ErrorCode::Corrupt,
                  fmt::format("the tag {} is no plain name of a folder", quoted_name(chosen)), {},
                  path);
    if (!has_states(folder, std::string(subfolder) + chosen))
      return fail(ErrorCode::NotFound,
                  fmt::format("there is no checkpoint of tag {}", quoted_name(chosen)),
                  "name another one of the folder with --tag", path);
    return chosen + "/";
  }
  const std::vector<std::string> tags = deepspeed_tags(folder, listing);
  if (tags.size() == 1) return tags.front() + "/";
  return fail(ErrorCode::NotFound,
              tags.empty()
                  ? "the folder holds no states of a DeepSpeed checkpoint"
                  : fmt::format("there is no file 'latest' to choose among {}", list_names(tags)),
              tags.empty() ? "" : "name one of them with --tag", folder.label());
}

}  // namespace

std::vector<std::string> deepspeed_tags(const Folder& folder,
                                        std::span<const FolderEntry> listing) {
  std::vector<std::string> tags;
  for (const FolderEntry& entry : listing)
    if (entry.kind == EntryKind::Folder && has_states(folder, entry.name))
      tags.emplace_back(base_name(entry.name));
  return tags;
}

bool is_deepspeed_folder(std::span<const FolderEntry> listing) {
  return std::ranges::any_of(listing, [](const FolderEntry& entry) {
    const std::string_view base = base_name(entry.name);
    if (entry.kind == EntryKind::Folder) return glob_match("global_step*", base);
    return entry.kind == EntryKind::File && (base == "latest" || glob_match(kStateFiles, base));
  });
}

Result<DeepSpeedFiles> find_deepspeed_files(const Folder& folder, std::string_view subfolder,
                                            std::span<const FolderEntry> listing,
                                            std::string_view tag) {
  DeepSpeedFiles files;
  STKIT_ASSIGN(const std::string tagged, tag_folder(folder, subfolder, listing, tag));
  files.prefix = std::string(subfolder) + tagged;
  STKIT_ASSIGN(const std::vector<FolderEntry> states,
               folder.list(without_slash(std::string_view(files.prefix))));
  const auto refuse = [&](const FolderEntry& entry, std::string_view what) {
    files.findings.push_back(
        {.check = Check::ZeroParallelism,
         .path = folder.path_of(entry.name),
         .message = fmt::format("{} is a part of {}", quoted_name(base_name(entry.name)), what)});
  };
  for (const FolderEntry& entry : states) {
    const std::string_view base = base_name(entry.name);
    if (entry.kind == EntryKind::Folder && base == "offloaded_tensors")
      refuse(entry, "an optimizer that is offloaded to disk");
    if (entry.kind != EntryKind::File) continue;
    if (glob_match(kExpertFiles, base)) {
      refuse(entry, "a model of experts, which lie on different ranks");
    } else if (glob_match(kPipelineFiles, base)) {
      refuse(entry, "a pipeline of stages");
    } else if (const auto name = parse_state_name(base)) {
      if (name->tensor_rank > 0)
        refuse(entry, "a model whose tensors are split over ranks (tensor parallelism)");
      else
        (name->optimizer ? files.optim_states : files.model_states).emplace(name->rank, entry);
    }
  }
  return files;
}

}  // namespace stkit
