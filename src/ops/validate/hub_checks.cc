// Local files against the digests that the Hub keeps of one revision.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>

#include "hub/connect.h"
#include "hub/content_digest.h"
#include "hub/reference.h"
#include "ops/validate/checks.h"
#include "ops/validate/hashing.h"
#include "stkit/text.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;

bool is_sha256(std::string_view digest) { return digest.size() == 64; }

// .../models--org--name/snapshots/<commit>
std::optional<HubReference> reference_of_snapshot(const fs::path& folder) {
  std::error_code error;
  const fs::path real = fs::canonical(folder, error);
  if (error || real.parent_path().filename() != "snapshots") return std::nullopt;
  std::string repo = real.parent_path().parent_path().filename().string();
  constexpr std::string_view kKind = "models--";
  if (!repo.starts_with(kKind)) return std::nullopt;
  repo.erase(0, kKind.size());
  if (const size_t dashes = repo.find("--"); dashes != std::string::npos)
    repo.replace(dashes, 2, "/");
  const std::string commit = real.filename().string();
  if (!is_repo_id(repo) || !is_commit_id(commit)) return std::nullopt;
  return HubReference{repo, commit, {}};
}

// The commit that a download into a plain folder noted beside each file; empty when there is none.
std::string noted_commit(const Model& model) {
  for (const ModelFile& file : model.files()) {
    const auto note =
        model.folder().open(fmt::format(".cache/huggingface/download/{}.metadata", file.name));
    constexpr size_t kDigits = 40;
    std::string text(kDigits, '\0');
    if (note && (*note)->size_bytes() > kDigits &&
        (*note)->read_at(0, std::as_writable_bytes(std::span(text))) && is_commit_id(text))
      return text;
  }
  return {};
}

Result<HubReference> find_reference(const Context& context, const HubChecksums& wanted,
                                    const Url& endpoint) {
  const Model& model = context.model;
  const fs::path local = model.folder().path_of("");
  std::error_code error;
  const bool is_local = fs::is_directory(local, error);
  if (!wanted.reference.empty()) {
    STKIT_ASSIGN(HubReference reference, parse_hub_reference(wanted.reference, endpoint));
    std::string commit = is_local ? noted_commit(model) : std::string();
    if (wanted.reference.find('@') == std::string::npos && !commit.empty())
      reference.revision = std::move(commit);
    return reference;
  }
  if (!is_local) return parse_hub_reference(model.reference(), endpoint);
  if (const auto found = reference_of_snapshot(local)) return *found;
  return fail(ErrorCode::Usage, "which repository these files are from is not known",
              "name it: --checksums hf://ORG/NAME@REVISION", model.reference());
}

// The files of the model that must be hashed: those of the repository with the right size.
std::vector<Promise> compare_sizes(Context& context, const RepoTree& tree) {
  std::vector<Promise> promises;
  for (const ModelFile& file : context.model.files()) {
    const auto found = std::ranges::lower_bound(tree.files, file.name, {}, &RepoFile::path);
    const bool is_there = found != tree.files.end() && found->path == file.name;
    if (!is_there && file.role == FileRole::Weights)
      context.report(Check::ChecksumUnlisted, file.path,
                     fmt::format("'{}' is not in {} at {}", printable(file.name), tree.repo,
                                 tree.commit.substr(0, 12)));
    if (!is_there || !is_content_digest(found->etag())) continue;
    if (found->size_bytes == file.size_bytes)
      promises.push_back({found->etag(), file.name});
    else
      context.report(
          Check::ChecksumMismatch, file.path,
          fmt::format("the file has {} bytes, on the Hub it has {}",
                      format_grouped(file.size_bytes), format_grouped(found->size_bytes)));
  }
  return promises;
}

}  // namespace

Result<void> check_hub_checksums(Context& context) {
  const HubChecksums& wanted = *context.options.hub_checksums;
  if (wanted.hub.offline)
    return fail(ErrorCode::Network, "the Hub cannot be asked offline",
                "unset HF_HUB_OFFLINE, or compare with a list: --checksums FILE");
  STKIT_ASSIGN(const auto hub, connect_hub(wanted.hub));
  STKIT_ASSIGN(const HubReference reference, find_reference(context, wanted, hub->api.endpoint()));
  STKIT_ASSIGN(const RepoTree tree,
               hub->api.tree(reference.repo, reference.revision, context.run.cancel));
  const std::vector<Promise> promises = compare_sizes(context, tree);
  const Folder& folder = context.model.folder();
  STKIT_ASSIGN(const std::vector<HashOutcome> outcomes, hash_all(folder, promises, context.run));
  for (size_t i = 0; i < outcomes.size(); ++i) {
    const Promise& promise = promises[i];
    if (outcomes[i].unreadable) return fail(*outcomes[i].unreadable);
    if (outcomes[i].digest == promise.digest) continue;
    context.report(Check::ChecksumMismatch, folder.path_of(promise.name),
                   fmt::format("the {} is {}, on the Hub it is {}",
                               is_sha256(promise.digest) ? "SHA-256" : "SHA-1 of the git blob",
                               outcomes[i].digest, promise.digest));
  }
  return {};
}

}  // namespace stkit
