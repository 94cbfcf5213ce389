#include "nginx_hub.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <stdexcept>

#include "base/json_reader.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

std::string text_of(const JsonValue& object, std::string_view key) {
  const JsonValue* const value = object.find(key);
  return std::string(value == nullptr ? std::string_view() : value->as_string().value_or(""));
}

uint64_t number_of(const JsonValue& object, std::string_view key) {
  const JsonValue* const value = object.find(key);
  return value == nullptr ? 0 : value->as_uint().value_or(0);
}

// The first line, or all up to the end.
std::string read_line(int file) {
  std::string line;
  for (char c = 0; read(file, &c, 1) == 1 && c != '\n';) line += c;
  return line;
}

std::pair<uint64_t, uint64_t> parse_range(const std::string& text) {
  unsigned long long first = 0, last = 0;
  if (std::sscanf(text.c_str(), "bytes=%llu-%llu", &first, &last) != 2) return {};
  return {first, last + 1};
}

}  // namespace

NginxHub::NginxHub(std::filesystem::path folder, std::vector<std::string> options)
    : folder_(std::move(folder)) {
  std::vector<std::string> texts = {"python3", STKIT_NGINX_HUB, folder_.string()};
  texts.insert(texts.end(), options.begin(), options.end());
  std::vector<char*> argv;
  for (std::string& text : texts) argv.push_back(text.data());
  argv.push_back(nullptr);
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
    throw std::runtime_error("pipe failed");
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  its_input_ = in[1];
  const std::string line = read_line(out[0]);
  close(out[0]);
  const auto said = JsonValue::parse(line);
  if (!said) {
    problem_ = line.empty() ? "SKIPPED: python3 could not run nginx" : line;
    stop();
    return;
  }
  hub_ = text_of(*said, "hub");
  cdn_ = text_of(*said, "cdn");
  commit_ = text_of(*said, "commit");
}

NginxHub::~NginxHub() { stop(); }

void NginxHub::stop() {
  if (pid_ < 0) return;
  close(its_input_);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

std::vector<LoggedRequest> NginxHub::read_log(const std::string& name) const {
  std::vector<LoggedRequest> requests;
  std::ifstream log(folder_ / name);
  for (std::string line; std::getline(log, line);) {
    const auto json = JsonValue::parse(line);
    if (!json) throw std::runtime_error("a line of nginx's log is not JSON: " + line);
    requests.push_back({.status = static_cast<int>(number_of(*json, "status")),
                        .sent_bytes = number_of(*json, "sent"),
                        .connection = number_of(*json, "connection"),
                        .method = text_of(*json, "method"),
                        .target = text_of(*json, "target"),
                        .host = text_of(*json, "host"),
                        .authorization = text_of(*json, "authorization"),
                        .range = parse_range(text_of(*json, "range"))});
  }
  return requests;
}

}  // namespace stkit::test
