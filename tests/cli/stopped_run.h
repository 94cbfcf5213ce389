// Runs the real stkit and stops it in front of one of its system calls, so that what a crash or a
// signal leaves behind can be looked at for every point there is, and not by luck.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace stkit::test {

struct StoppedRun {
  int exit_code = -1;  // 128 + signal when one ended it
  uint64_t calls = 0;  // system calls of all threads, from the first that makes a file or folder
};

// Sends `signal` in front of call number `stop_at` (from 0); with nothing in `stop_at` it runs to
// its end. `environment` is of NAME=VALUE. Nothing when this system does not let one process trace
// another.
std::optional<StoppedRun> run_and_stop(const std::vector<std::string>& args,
                                       const std::filesystem::path& folder, int signal,
                                       std::optional<uint64_t> stop_at,
                                       const std::vector<std::string>& environment = {});

}  // namespace stkit::test
