#include "hub/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <set>

#include "base/json_reader.h"
#include "hub/reference.h"
#include "stkit/text.h"

namespace stkit {
namespace {

using namespace std::chrono_literals;

// A page of 1000 files takes about 300 KB; a list of models with their files more.
constexpr uint64_t kMostReplyBytes = 64u << 20;
constexpr auto kDeadline = 30s;

// The largest repositories have some 10^4 files. Beyond this, something is wrong or meant badly.
constexpr size_t kMostFiles = 200'000;
constexpr size_t kMostPages = 1000;
// A page of the tree. Whether longer lists come whole with a revision is not promised anywhere.
constexpr size_t kMostBriefFiles = 1000;
constexpr uint64_t kMostFileBytes = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());

bool is_hex(std::string_view text, size_t length) {
  return text.size() == length &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string string_of(const JsonValue& object, std::string_view key) {
  const JsonValue* const value = object.find(key);
  return std::string(value == nullptr ? std::string_view() : value->as_string().value_or(""));
}

uint64_t uint_of(const JsonValue& object, std::string_view key) {
  const JsonValue* const value = object.find(key);
  return value == nullptr ? 0 : value->as_uint().value_or(0);
}

std::unexpected<Error> not_the_hub(const Url& url, std::string_view what) {
  return fail(ErrorCode::Network, fmt::format("the answer is not the Hub's: {}", what),
              "a login page of the network, a proxy, or a wrong --endpoint may be in between",
              url.label());
}

Result<JsonValue> parse_reply(const Fetcher::Text& text, JsonType type) {
  auto json = JsonValue::parse(text.body);
  if (!json) return not_the_hub(text.reply.url, json.error().message);
  if (json->type() != type)
    return not_the_hub(text.reply.url,
                       fmt::format("{} where {} belongs", name(json->type()), name(type)));
  return json;
}

// Of `?blobs=true`; nothing when the server leaves out what is needed.
std::optional<RepoFile> parse_sibling(const JsonValue& row) {
  const JsonValue* const size = row.find("size");
  const auto size_bytes = size == nullptr ? std::nullopt : size->as_uint();
  RepoFile file{.path = string_of(row, "rfilename"),
                .size_bytes = size_bytes.value_or(0),
                .git_oid = string_of(row, "blobId"),
                .sha256 = {},
                .xet_hash = {}};
  if (const JsonValue* lfs = row.find("lfs"); lfs != nullptr && lfs->type() == JsonType::Object)
    file.sha256 = string_of(*lfs, "sha256");
  const bool is_known = size_bytes && *size_bytes <= kMostFileBytes && !file.path.empty() &&
                        (file.sha256.empty() || is_hex(file.sha256, 64)) &&
                        is_hex(file.git_oid, 40);
  return is_known ? std::optional(std::move(file)) : std::nullopt;
}

Result<void> sort_files(RepoTree& tree) {
  std::ranges::sort(tree.files, {}, &RepoFile::path);
  const auto twice = std::ranges::adjacent_find(tree.files, {}, &RepoFile::path);
  if (twice == tree.files.end()) return {};
  return fail(ErrorCode::Corrupt, fmt::format("'{}' is listed twice", printable(twice->path, 120)),
              {}, tree.repo);
}

Result<RepoFile> parse_file(const JsonValue& row, const Url& url) {
  const JsonValue* const size = row.find("size");
  RepoFile file{.path = string_of(row, "path"),
                .size_bytes = size == nullptr ? 0 : size->as_uint().value_or(~uint64_t{0}),
                .git_oid = string_of(row, "oid"),
                .sha256 = {},
                .xet_hash = string_of(row, "xetHash")};
  if (const JsonValue* lfs = row.find("lfs"); lfs != nullptr && lfs->type() == JsonType::Object) {
    file.sha256 = string_of(*lfs, "oid");
    if (file.sha256.empty()) file.sha256 = string_of(*lfs, "sha256");
  }
  if (!is_hex(file.sha256, 64)) file.sha256.clear();
  if (!is_hex(file.git_oid, 40)) file.git_oid.clear();
  if (!is_hex(file.xet_hash, 64)) file.xet_hash.clear();
  if (file.path.empty()) return not_the_hub(url, "a file without a name");
  if (file.size_bytes > kMostFileBytes)
    return fail(
        ErrorCode::Corrupt,
        fmt::format("the size of '{}' is no possible size of a file", printable(file.path, 120)),
        {}, url.label());
  return file;
}

}  // namespace

Url HubApi::url_of(std::string path, std::string query) const {
  Url url = endpoint_;
  if (url.path.ends_with('/')) url.path.pop_back();
  url.path += path;
  url.query = std::move(query);
  return url;
}

Url HubApi::file_url(std::string_view repo, std::string_view commit, std::string_view path) const {
  return url_of(
      fmt::format("/{}/resolve/{}/{}", repo, percent_encode(commit), percent_encode(path, "/")));
}

Result<Fetcher::Text> HubApi::get(const Url& url, const CancelToken* cancel) {
  return fetcher_.get_text({.url = url, .accept = "application/json", .deadline = kDeadline},
                           kMostReplyBytes, cancel);
}

Result<std::string> HubApi::commit_of(std::string_view repo, std::string_view revision,
                                      const CancelToken* cancel) {
  const Url url = url_of(fmt::format("/api/models/{}/revision/{}", repo, percent_encode(revision)));
  STKIT_ASSIGN(const Fetcher::Text text, get(url, cancel));
  STKIT_ASSIGN(const JsonValue json, parse_reply(text, JsonType::Object));
  std::string commit = string_of(json, "sha");
  if (!is_commit_id(commit)) return not_the_hub(url, "no commit is named");
  return commit;
}

Result<Url> HubApi::next_page(const Url& from, const HttpHead& head) const {
  for (const std::string_view value : head.find_all("Link")) {
    const auto target = find_link(value, "next");
    if (!target) continue;
    STKIT_ASSIGN(Url next, from.join(*target));
    if (next.same_origin(endpoint_)) return next;
    const bool has_prefix = endpoint_.path == "/" || next.path.starts_with(endpoint_.path);
    return has_prefix ? Url{endpoint_.scheme, endpoint_.host, endpoint_.port, next.path, next.query}
                      : url_of(next.path, next.query);
  }
  return Url{};
}

Result<RepoTree> HubApi::tree(std::string_view repo, std::string_view revision,
                              const CancelToken* cancel) {
  RepoTree tree{std::string(repo), std::string(revision), {}, {}};
  STKIT_ASSIGN(tree.commit, commit_of(repo, revision, cancel));
  return tree_at(std::move(tree), cancel);
}

Result<RepoTree> HubApi::tree_at(RepoTree tree, const CancelToken* cancel) {
  tree.files.clear();
  std::set<std::string> seen;
  Url url = url_of(fmt::format("/api/models/{}/tree/{}", tree.repo, tree.commit),
                   "?recursive=true&expand=false");
  while (!url.host.empty()) {
    if (!seen.insert(url.text()).second || seen.size() > kMostPages)
      return not_the_hub(url, "its list of files does not end");
    STKIT_ASSIGN(const Fetcher::Text text, get(url, cancel));
    STKIT_ASSIGN(const JsonValue rows, parse_reply(text, JsonType::Array));
    for (const JsonValue& row : rows.elements()) {
      if (string_of(row, "type") != "file") continue;
      STKIT_ASSIGN(RepoFile file, parse_file(row, url));
      tree.files.push_back(std::move(file));
    }
    if (tree.files.size() > kMostFiles)
      return fail(ErrorCode::Unsupported,
                  fmt::format("the repository has more than {} files", format_grouped(kMostFiles)),
                  {}, tree.repo);
    STKIT_ASSIGN(url, next_page(url, text.reply.head));
  }
  STKIT_TRY(sort_files(tree));
  return tree;
}

Result<RepoTree> HubApi::brief_tree(std::string_view repo, std::string_view revision,
                                    const CancelToken* cancel) {
  const Url url = url_of(fmt::format("/api/models/{}/revision/{}", repo, percent_encode(revision)),
                         "?blobs=true");
  STKIT_ASSIGN(const Fetcher::Text text, get(url, cancel));
  STKIT_ASSIGN(const JsonValue json, parse_reply(text, JsonType::Object));
  RepoTree tree{std::string(repo), std::string(revision), string_of(json, "sha"), {}};
  if (!is_commit_id(tree.commit)) return not_the_hub(url, "no commit is named");
  const JsonValue* rows = json.find("siblings");
  const bool is_brief =
      rows != nullptr && !rows->elements().empty() && rows->elements().size() < kMostBriefFiles;
  for (size_t i = 0; is_brief && i < rows->elements().size(); ++i) {
    auto file = parse_sibling(rows->elements()[i]);
    if (!file) break;
    tree.files.push_back(*std::move(file));
  }
  if (!is_brief || tree.files.size() < rows->elements().size())
    return tree_at(std::move(tree), cancel);
  STKIT_TRY(sort_files(tree));
  return tree;
}

Result<std::vector<RepoFile>> HubApi::files_with_sizes(std::string_view repo,
                                                       const CancelToken* cancel) {
  if (!is_repo_id(repo))
    return fail(ErrorCode::NotFound, "is not the name of a repository", {}, std::string(repo));
  STKIT_ASSIGN(const Fetcher::Text text,
               get(url_of(fmt::format("/api/models/{}", repo), "?blobs=true"), cancel));
  STKIT_ASSIGN(const JsonValue json, parse_reply(text, JsonType::Object));
  std::vector<RepoFile> files;
  if (const JsonValue* rows = json.find("siblings"))
    for (const JsonValue& row : rows->elements())
      files.push_back({.path = string_of(row, "rfilename"),
                       .size_bytes = uint_of(row, "size"),
                       .git_oid = {},
                       .sha256 = {},
                       .xet_hash = {}});
  std::ranges::sort(files, {}, &RepoFile::path);
  return files;
}

Result<std::vector<SearchHit>> HubApi::search(const SearchQuery& query, const CancelToken* cancel) {
  constexpr unsigned kPerPage = 100;
  std::string parameters =
      fmt::format("?search={}&sort={}&direction=-1&limit={}", percent_encode(query.text),
                  percent_encode(query.sort), std::min(query.limit, kPerPage));
  if (!query.filter.empty()) parameters += "&filter=" + percent_encode(query.filter);
  for (const std::string_view field :
       {"safetensors", "gguf", "gated", "downloads", "likes", "lastModified", "tags", "siblings"})
    parameters += fmt::format("&expand={}", field);

  std::vector<SearchHit> hits;
  std::set<std::string> seen;
  Url url = url_of("/api/models", parameters);
  while (!url.host.empty() && hits.size() < query.limit && seen.insert(url.text()).second) {
    STKIT_ASSIGN(const Fetcher::Text text, get(url, cancel));
    STKIT_ASSIGN(const JsonValue rows, parse_reply(text, JsonType::Array));
    for (const JsonValue& row : rows.elements()) {
      if (hits.size() == query.limit) break;
      SearchHit hit;
      hit.id = string_of(row, "id");
      hit.downloads = uint_of(row, "downloads");
      hit.likes = uint_of(row, "likes");
      hit.last_modified = string_of(row, "lastModified");
      hit.gated = string_of(row, "gated");
      if (const JsonValue* tags = row.find("tags"))
        for (const JsonValue& tag : tags->elements())
          hit.tags.emplace_back(tag.as_string().value_or(""));
      if (const JsonValue* weights = row.find("safetensors")) {
        hit.parameters = uint_of(*weights, "total");
        if (const JsonValue* dtypes = weights->find("parameters"))
          for (const auto& [dtype, count] : dtypes->members())
            hit.dtypes.emplace_back(dtype, count.as_uint().value_or(0));
      }
      if (const JsonValue* gguf = row.find("gguf"); gguf != nullptr && hit.parameters == 0)
        hit.parameters = uint_of(*gguf, "total");
      if (const JsonValue* files = row.find("siblings"))
        for (const JsonValue& file : files->elements())
          hit.files.push_back(
              {.path = string_of(file, "rfilename"), .git_oid = {}, .sha256 = {}, .xet_hash = {}});
      if (!hit.id.empty()) hits.push_back(std::move(hit));
    }
    STKIT_ASSIGN(url, next_page(url, text.reply.head));
  }
  return hits;
}

}  // namespace stkit
