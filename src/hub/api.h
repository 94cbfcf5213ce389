// The Hub's API, as far as models are found and fetched by it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/fetch.h"
#include "stkit/error.h"

namespace stkit {

// A file of a repository at one commit.
struct RepoFile {
  std::string path;
  uint64_t size_bytes = 0;
  std::string git_oid;   // SHA-1 of the git blob; of a pointer's when there is a sha256
  std::string sha256;    // of the content of large files; else empty
  std::string xet_hash;  // 64 hex digits, or empty

  // What the content must hash to, and the name of its blob in the cache: sha256, else git_oid.
  const std::string& etag() const { return sha256.empty() ? git_oid : sha256; }
};

// What a repository is known by while it is read or downloaded: one commit of it.
struct RepoTree {
  std::string repo;
  std::string revision;         // as asked for
  std::string commit;           // 40 hex digits
  std::vector<RepoFile> files;  // sorted by path
};

struct SearchQuery {
  std::string text;
  std::string filter;  // a tag such as "safetensors"; empty for none
  std::string sort;    // "downloads", "likes", "lastModified"
  unsigned limit = 20;
};

struct SearchHit {
  std::string id;
  uint64_t downloads = 0, likes = 0;
  std::string last_modified;
  std::string gated;  // empty, "auto" or "manual"
  std::vector<std::string> tags;
  std::vector<std::pair<std::string, uint64_t>>
      dtypes;                   // elements by dtype, as the Hub counts them
  uint64_t parameters = 0;      // their sum, or those of a GGUF file; 0 when unknown
  std::vector<RepoFile> files;  // names alone
};

class HubApi {
 public:
  // `endpoint` may have a path: mirrors live below one.
  HubApi(Fetcher& fetcher, Url endpoint) : fetcher_(fetcher), endpoint_(std::move(endpoint)) {}

  const Url& endpoint() const { return endpoint_; }

  // The commit that a revision means now.
  Result<std::string> commit_of(std::string_view repo, std::string_view revision,
                                const CancelToken* cancel);

  // All files of a revision, which is resolved to its commit first. Names are as the server sends
  // them: see io/safe_name.h before using one as a path.
  Result<RepoTree> tree(std::string_view repo, std::string_view revision,
                        const CancelToken* cancel);

  // What tree() gives, in one request where the server tells so much at once.
  Result<RepoTree> brief_tree(std::string_view repo, std::string_view revision,
                              const CancelToken* cancel);

  // Paths and sizes of what `main` holds now, sorted by path: one request, where tree() takes more.
  Result<std::vector<RepoFile>> files_with_sizes(std::string_view repo, const CancelToken* cancel);

  Result<std::vector<SearchHit>> search(const SearchQuery& query, const CancelToken* cancel);

  Url file_url(std::string_view repo, std::string_view commit, std::string_view path) const;

 private:
  // The files of tree.commit.
  Result<RepoTree> tree_at(RepoTree tree, const CancelToken* cancel);
  Url url_of(std::string path, std::string query = {}) const;
  // `next` is on the endpoint, even where a mirror passes on the Hub's own addresses.
  Result<Url> next_page(const Url& from, const HttpHead& head) const;
  Result<Fetcher::Text> get(const Url& url, const CancelToken* cancel);

  Fetcher& fetcher_;
  const Url endpoint_;
};

}  // namespace stkit
