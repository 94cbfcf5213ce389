// The repository of a folder on a real nginx, as tests/support/nginx_hub.py serves it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace stkit::test {

// One line of nginx's log of what it was asked for.
struct LoggedRequest {
  int status = 0;
  uint64_t sent_bytes = 0;  // of the body
  uint64_t connection = 0;  // counted over both servers
  std::string method, target, host, authorization;
  std::pair<uint64_t, uint64_t> range;  // first byte and the one behind the last; 0, 0: no range
};

class NginxHub {
 public:
  // Serves `folder`/repo as org/name and `folder`/files as it is; `options` are the script's.
  explicit NginxHub(std::filesystem::path folder, std::vector<std::string> options = {});
  NginxHub(const NginxHub&) = delete;
  ~NginxHub();

  // Why there is none; empty when it runs.
  const std::string& problem() const { return problem_; }

  const std::string& hub() const { return hub_; }
  const std::string& cdn() const { return cdn_; }
  const std::string& commit() const { return commit_; }

  // Ends it: only then do the logs tell of everything.
  void stop();
  std::vector<LoggedRequest> hub_log() const { return read_log("hub.log"); }
  std::vector<LoggedRequest> cdn_log() const { return read_log("cdn.log"); }

 private:
  std::vector<LoggedRequest> read_log(const std::string& name) const;

  const std::filesystem::path folder_;
  pid_t pid_ = -1;
  int its_input_ = -1;
  std::string problem_, hub_, cdn_, commit_;
};

}  // namespace stkit::test
