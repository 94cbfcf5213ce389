// Runs the real stkit in an environment of the test's own.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace stkit::test {

struct RunSpec {
  std::vector<std::string> args = {};
  std::filesystem::path folder = {};                    // to run in
  std::map<std::string, std::string> environment = {};  // on top of PATH, HOME and LC_ALL=C.UTF-8
  std::string input = {};                               // on stdin
  std::filesystem::path output = {};                    // stdout goes there, and is not captured
  std::string shell = {};                               // a command line in place of args
  uint64_t file_size_limit = 0;                         // RLIMIT_FSIZE
  uint64_t memory_limit = 0;                            // RLIMIT_AS
};

struct RunResult {
  int exit_code = -1;  // 128 + signal when one ended it
  std::string out, err;
};

RunResult run(const RunSpec& spec);

// The program on a terminal of its own (stdin, stdout and stderr).
class TerminalRun {
 public:
  TerminalRun(const RunSpec& spec, unsigned columns, unsigned rows);
  ~TerminalRun();
  TerminalRun(const TerminalRun&) = delete;
  TerminalRun& operator=(const TerminalRun&) = delete;

  // Reads until the screen has received `text`; false when the program ended without it.
  bool wait_for(const std::string& text);
  void send_signal(int signal_number) const;
  // Reads to the end; returns the exit code.
  int wait();
  const std::string& received() const { return received_; }

 private:
  bool read_some();

  int terminal_ = -1;
  int pid_ = -1;
  std::string received_;
};

}  // namespace stkit::test
