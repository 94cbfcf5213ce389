// A Hub on loopback with a CDN on another host name, as the real one answers: revisions, a tree in
// pages, small files in place, large ones behind a redirect to a signed address.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "support/http_server.h"

namespace stkit::test {

class FakeHub {
 public:
  static constexpr std::string_view kCommit = "0123456789abcdef0123456789abcdef01234567";

  struct File {
    std::string content;
    bool large = false;  // behind a redirect, known by its SHA-256
  };

  FakeHub();

  // REQUIRES: before the first request.
  void add(std::string path, std::string content, bool large = false);

  // All files below `folder`; weights are large.
  void add_folder(const std::filesystem::path& folder);

  std::string endpoint() const { return hub_.url(""); }
  std::string repo() const { return "org/name"; }

  // Called for every request with the answer that would be given; may change it.
  using Tamper = std::function<void(const SeenRequest& request, Answer& answer)>;
  void tamper_hub(Tamper tamper) { set(hub_tamper_, std::move(tamper)); }
  void tamper_cdn(Tamper tamper) { set(cdn_tamper_, std::move(tamper)); }

  size_t files_per_page = 1000;
  bool needs_token = false;         // 401 without it
  std::string token = "hf_secret";  // the one that is accepted
  std::string commit{kCommit};      // what `main` means now

  HttpServer& hub() { return hub_; }
  HttpServer& cdn() { return cdn_; }
  // Requests to the CDN (large) or the hub (small) for a file's content.
  std::vector<SeenRequest> requests_for(std::string_view path) const;

 private:
  Answer answer_hub(const SeenRequest& request);
  Answer answer_cdn(const SeenRequest& request);
  std::string revision_info(bool blobs) const;
  Answer tree_page(std::string_view query) const;
  Answer resolve(const SeenRequest& request, std::string_view path) const;
  void set(Tamper& place, Tamper tamper) {
    const std::lock_guard lock(mutex_);
    place = std::move(tamper);
  }
  Tamper get(const Tamper& place) const {
    const std::lock_guard lock(mutex_);
    return place;
  }

  mutable std::mutex mutex_;
  Tamper hub_tamper_, cdn_tamper_;
  std::map<std::string, File> files_;
  HttpServer cdn_;
  HttpServer hub_;
};

// Bytes that look like nothing else: never the same in two places nearby.
std::string noise(size_t size, uint32_t seed = 1);

std::string sha256_of(std::string_view content);
std::string git_oid_of(std::string_view content);

}  // namespace stkit::test
