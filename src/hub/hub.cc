#include "stkit/hub.h"

#include <mutex>
#include <utility>

#include "hub/cache.h"
#include "hub/connect.h"
#include "hub/reference.h"
#include "hub/repo_folder.h"
#include "io/safe_name.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// The connection that all references of one opener share.
class Opener {
 public:
  explicit Opener(HubOptions options) : options_(std::move(options)) {}

  Result<OpenedReference> open(std::string_view reference) {
    STKIT_ASSIGN(const Url endpoint, Url::parse(options_.endpoint));
    if (reference.starts_with("http://") || reference.starts_with("https://")) {
      STKIT_ASSIGN(const Url url, Url::parse(reference));
      const auto page = parse_hub_reference(reference, endpoint);
      return page ? open_repo(*page) : open_url(url);
    }
    STKIT_ASSIGN(const HubReference repo, parse_hub_reference(reference, endpoint));
    return open_repo(repo);
  }

 private:
  Result<std::shared_ptr<HubConnection>> connection() {
    const std::lock_guard lock(mutex_);
    if (connection_ == nullptr) {
      STKIT_ASSIGN(connection_, connect_hub(options_));
    }
    return connection_;
  }

  Result<OpenedReference> open_repo(const HubReference& reference) {
    OpenedReference opened{nullptr, reference.path,
                           reference.repo.substr(reference.repo.rfind('/') + 1)};
    if (options_.offline) {
      STKIT_ASSIGN(const auto snapshot,
                   cached_snapshot(options_.cache_folder, reference.repo, reference.revision));
      STKIT_ASSIGN(opened.folder, open_local_folder(snapshot));
      return opened;
    }
    STKIT_ASSIGN(auto hub, connection());
    STKIT_ASSIGN(RepoTree tree,
                 hub->api.brief_tree(reference.repo, reference.revision, hub->cancel));
    auto snapshot = options_.cache_folder.empty()
                        ? std::filesystem::path()
                        : snapshot_folder(options_.cache_folder, tree.repo, tree.commit);
    opened.folder = open_repo_folder(std::move(hub), std::move(tree), std::move(snapshot));
    return opened;
  }

  Result<OpenedReference> open_url(const Url& url) {
    if (options_.offline)
      return fail(ErrorCode::Network, "an address cannot be opened offline",
                  "leave out --offline, and unset HF_HUB_OFFLINE", url.label());
    std::string name = percent_decode(url.path.substr(url.path.rfind('/') + 1));
    if (auto safe = check_relative_name(name); !safe)
      return fail(Error(std::move(safe).error()).at(url.label()));
    STKIT_ASSIGN(auto hub, connection());
    return OpenedReference{open_url_folder(std::move(hub), url, name), name, name};
  }

  const HubOptions options_;
  std::mutex mutex_;
  std::shared_ptr<HubConnection> connection_;
};

}  // namespace

ReferenceOpener hub_references(HubOptions options) {
  return [opener = std::make_shared<Opener>(std::move(options))](std::string_view reference) {
    return opener->open(reference);
  };
}

}  // namespace stkit
