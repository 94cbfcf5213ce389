#include "support/fake_hub.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>

#include "base/digest.h"
#include "hub/url.h"
#include "stkit/json.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

constexpr std::string_view kRepo = "org/name";

Answer refusal(int status, std::string_view code, std::string_view message) {
  Answer answer;
  answer.status = status;
  answer.headers = {{"X-Error-Code", std::string(code)},
                    {"X-Error-Message", std::string(message)},
                    {"X-Request-Id", "Root=1-test"}};
  answer.body = fmt::format(R"({{"error":"{}"}})", message);
  return answer;
}

Answer json_answer(std::string body) {
  Answer answer;
  answer.headers.emplace_back("Content-Type", "application/json");
  answer.body = std::move(body);
  return answer;
}

}  // namespace

FakeHub::FakeHub()
    : cdn_([this](const SeenRequest& request) { return answer_cdn(request); }, "localhost"),
      hub_([this](const SeenRequest& request) { return answer_hub(request); }) {}

void FakeHub::add(std::string path, std::string content, bool large) {
  files_[std::move(path)] = {std::move(content), large};
}

void FakeHub::add_folder(const std::filesystem::path& folder) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const std::string name = std::filesystem::relative(entry.path(), folder).string();
    add(name, read_file(entry.path()), name.ends_with(".safetensors"));
  }
}

std::vector<SeenRequest> FakeHub::requests_for(std::string_view path) const {
  const auto file = files_.find(std::string(path));
  const bool large = file != files_.end() && file->second.large;
  const std::string part = large ? "/blob/" + percent_encode(path, "/") + "?"
                                 : "/resolve/" + commit + "/" + percent_encode(path, "/");
  std::vector<SeenRequest> found;
  for (const SeenRequest& request : (large ? cdn_ : hub_).log())
    if (request.target.find(part) != std::string::npos) found.push_back(request);
  return found;
}

Answer FakeHub::answer_cdn(const SeenRequest& request) {
  const std::string path =
      percent_decode(std::string_view(request.target).substr(0, request.target.find('?')));
  const auto file = files_.find(path.substr(std::min(path.size(), std::string("/blob/").size())));
  Answer answer = file == files_.end()
                      ? Answer{.status = 404}
                      : serve_content(request, file->second.content, "cdn-" + file->first);
  if (const Tamper tamper = get(cdn_tamper_)) tamper(request, answer);
  return answer;
}

Answer FakeHub::answer_hub(const SeenRequest& request) {
  const size_t question = std::min(request.target.find('?'), request.target.size());
  const std::string path = request.target.substr(0, question);
  const std::string query = request.target.substr(question);
  const std::string api = fmt::format("/api/models/{}", kRepo);
  Answer answer;
  if (needs_token && request.header("authorization") != "Bearer " + token) {
    answer = refusal(401, "RepoNotFound", "Repository not found");
  } else if (path.starts_with(api + "/revision/")) {
    const std::string revision = percent_decode(path.substr(api.size() + 10));
    answer = revision == "main" || revision == commit
                 ? json_answer(revision_info(query.find("blobs=true") != std::string::npos))
                 : refusal(404, "RevisionNotFound", "Invalid rev id");
  } else if (path.starts_with(api + "/tree/")) {
    answer = tree_page(query);
  } else if (path.starts_with(fmt::format("/{}/resolve/", kRepo))) {
    const size_t start = path.find('/', kRepo.size() + 10) + 1;
    answer = resolve(request, percent_decode(path.substr(start)));
  } else {
    answer = refusal(404, "RepoNotFound", "Repository not found");
  }
  if (const Tamper tamper = get(hub_tamper_)) tamper(request, answer);
  return answer;
}

std::string FakeHub::revision_info(bool blobs) const {
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("id", kRepo).field("sha", commit).key("siblings").begin_array();
  for (const auto& [path, file] : files_) {
    json.begin_object().field("rfilename", path);
    if (blobs) {
      json.field("size", file.content.size());
      json.field("blobId", git_oid_of(file.large ? "pointer" : std::string_view(file.content)));
      if (file.large)
        json.key("lfs").begin_object().field("sha256", sha256_of(file.content)).end_object();
    }
    json.end_object();
  }
  json.end_array().end_object();
  return body;
}

Answer FakeHub::tree_page(std::string_view query) const {
  size_t first = 0;
  if (const size_t at = query.find("cursor="); at != std::string_view::npos)
    std::from_chars(query.data() + at + 7, query.data() + query.size(), first);
  std::string body;
  JsonWriter json(body);
  json.begin_array();
  size_t index = 0;
  for (const auto& [path, file] : files_) {
    if (index++ < first) continue;
    if (index > first + files_per_page) break;
    json.begin_object().field("type", "file").field("path", path);
    json.field("size", file.content.size());
    json.field("oid", git_oid_of(file.large ? "pointer" : std::string_view(file.content)));
    if (file.large)
      json.key("lfs")
          .begin_object()
          .field("oid", sha256_of(file.content))
          .field("size", file.content.size())
          .end_object();
    json.end_object();
  }
  json.end_array();
  Answer answer = json_answer(std::move(body));
  if (index > first + files_per_page)
    answer.headers.emplace_back(
        "Link",
        fmt::format("<https://the.real.hub/api/models/{}/tree/{}?recursive=true&cursor={}>; "
                    "rel=\"next\"",
                    kRepo, commit, first + files_per_page));
  return answer;
}

Answer FakeHub::resolve(const SeenRequest& request, std::string_view path) const {
  const auto file = files_.find(std::string(path));
  Answer answer;
  if (file == files_.end()) {
    answer = refusal(404, "EntryNotFound", "Entry not found");
  } else if (file->second.large) {
    answer.status = 302;
    answer.headers = {{"Location", cdn_.url("/blob/" + percent_encode(path, "/") + "?sig=secret")},
                      {"X-Linked-ETag", fmt::format("\"{}\"", sha256_of(file->second.content))},
                      {"X-Linked-Size", std::to_string(file->second.content.size())}};
    answer.body = "Found";
  } else {
    answer = serve_content(request, file->second.content, git_oid_of(file->second.content));
  }
  answer.headers.emplace_back("X-Repo-Commit", commit);
  return answer;
}

std::string noise(size_t size, uint32_t seed) {
  uint64_t state = 0x9E3779B97F4A7C15u * (seed + 1);
  std::string bytes(size + sizeof state, '\0');
  for (size_t at = 0; at < size; at += sizeof state) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    std::memcpy(bytes.data() + at, &state, sizeof state);
  }
  bytes.resize(size);
  return bytes;
}

std::string sha256_of(std::string_view content) {
  Digest digest;
  digest.update(content);
  return digest.hex();
}

std::string git_oid_of(std::string_view content) {
  Digest digest(DigestKind::Sha1);
  digest.update(fmt::format("blob {}", content.size()));
  digest.update(std::string_view("\0", 1));
  digest.update(content);
  return digest.hex();
}

}  // namespace stkit::test
