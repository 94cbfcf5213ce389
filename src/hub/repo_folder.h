// Folders on servers: a repository of the Hub at one commit, or one file behind an address.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "hub/api.h"
#include "stkit/io.h"

namespace stkit {

// What remote folders and their files keep alive, and share.
struct HubConnection {
  HubConnection(FetchOptions options, Url endpoint, const CancelToken* cancel_token)
      : fetcher(std::move(options)), api(fetcher, std::move(endpoint)), cancel(cancel_token) {}

  Fetcher fetcher;
  HubApi api;
  const CancelToken* cancel;
};

// `snapshot`: a folder of the local cache with files of this very commit, which are read from there
// where they have the right size; empty when there is none.
std::shared_ptr<const Folder> open_repo_folder(std::shared_ptr<HubConnection> connection,
                                               RepoTree tree, std::filesystem::path snapshot);

// The folder around `url`, in which only that one file is seen.
std::shared_ptr<const Folder> open_url_folder(std::shared_ptr<HubConnection> connection,
                                              const Url& url, std::string name);

}  // namespace stkit
