// Where a download goes: the cache that the Hub's tools share, or a plain folder.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "hub/api.h"
#include "hub/partial_file.h"
#include "stkit/error.h"
#include "stkit/progress.h"

namespace stkit {

class Destination {
 public:
  virtual ~Destination() = default;

  // What is locked, measured for free space, and told to the user.
  virtual const std::filesystem::path& folder() const = 0;

  // Whether nothing is to be fetched for `file`: it is there with the right content, as far as that
  // can be told without the network. Fails with OutputExists when something of the user's own is in
  // its place.
  virtual Result<bool> has(const RepoFile& file, const CancelToken* cancel) = 0;

  // Makes the folders that `file` needs. Before where().
  virtual Result<void> prepare(const RepoFile& file) = 0;
  struct Paths {
    std::filesystem::path stem;            // of the partial file
    std::filesystem::path target;          // on the same filesystem
    const Placement* placement = nullptr;  // owned by the destination
  };
  virtual Paths where(const RepoFile& file) const = 0;

  // `file` is under its name. From any thread.
  virtual Result<void> note_done(const RepoFile& file) = 0;

  // All `files` are there: makes them visible as one snapshot. Returns the folder of the model.
  // Writes nothing where nothing is to be changed, so that a read-only cache does.
  virtual Result<std::filesystem::path> finish(std::span<const RepoFile> files) = 0;
};

struct DestinationOptions {
  bool force = false;  // fetch everything again; replace what is the user's own
};

std::unique_ptr<Destination> cache_destination(const std::filesystem::path& root,
                                               const RepoTree& tree, DestinationOptions options);
std::unique_ptr<Destination> folder_destination(std::filesystem::path folder, const RepoTree& tree,
                                                DestinationOptions options);

// With an error that says what could not be made.
Result<void> make_folders(const std::filesystem::path& folder);

// Replaces `path` by `text`, atomically; does nothing when that is what it holds.
Result<void> write_if_changed(const std::filesystem::path& path, std::string_view text);

}  // namespace stkit
