// What the real program reads of a weight file, as the kernel sees it.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <regex>
#include <sstream>

#include "fixtures.h"
#include "run_program.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

namespace fs = std::filesystem;

uint64_t header_end(const fs::path& file) {
  const std::string bytes = read_file(file);
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  return sizeof length + length;
}

struct Seen {
  size_t header_reads = 0;
  std::vector<std::string> weight_reads;  // the calls
};

class SystemCallsOfTheProgram : public testing::Test {
 protected:
  SystemCallsOfTheProgram() { make_fixtures(folder_.path()); }

  void SetUp() override {
    if (run({.folder = folder_.path(), .shell = "strace -o trace true"}).exit_code != 0)
      GTEST_SKIP() << "strace is not installed or may not trace: that no weight byte is read by a "
                      "plain inspect or validate was NOT checked on the real program";
  }

  // A file of calls for each thread, so that none is told in two parts.
  Seen trace(const std::string& command) const {
    const RunResult result =
        run({.folder = folder_.path(),
             .environment = {{"ASAN_OPTIONS", "detect_leaks=0"}},  // it traces itself
             .shell = "strace -ff -y -e trace=%desc -o trace stkit " + command});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    Seen seen;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_.path()))
      if (entry.path().filename().string().starts_with("trace.")) look_at(entry.path(), seen);
    return seen;
  }

 private:
  // Whatever does something with an open weight file but ask about it is a read of its weights,
  // unless it is a pread inside the header.
  void look_at(const fs::path& calls, Seen& seen) const {
    static const std::regex of_weights(R"(^(\w+)\(.*\b\d+<([^>]*\.safetensors)>.*)");
    static const std::regex pread(R"(, (\d+), (\d+)\) += \d+$)");
    std::istringstream lines(read_file(calls));
    for (std::string line; std::getline(lines, line);) {
      std::smatch call, range;
      if (!std::regex_match(line, call, of_weights)) continue;
      const std::string name = call[1];
      if (name == "openat" || name == "close" || name.find("stat") != std::string::npos ||
          name.starts_with("readlink"))
        continue;
      if (name == "pread64" && std::regex_search(line, range, pread) &&
          std::stoull(range[1]) + std::stoull(range[2]) <= header_end(fs::path(call[2].str())))
        ++seen.header_reads;
      else
        seen.weight_reads.push_back(line);
    }
  }

  TempDir folder_;
};

TEST_F(SystemCallsOfTheProgram, APlainInspectReadsNoWeights) {
  const Seen seen = trace("inspect tiny");
  EXPECT_EQ(seen.header_reads, 6u) << "two for each shard";
  EXPECT_EQ(seen.weight_reads, std::vector<std::string>{});
}

TEST_F(SystemCallsOfTheProgram, APlainValidateReadsNoWeights) {
  const Seen seen = trace("validate tiny");
  EXPECT_EQ(seen.header_reads, 6u) << "two for each shard";
  EXPECT_EQ(seen.weight_reads, std::vector<std::string>{});
}

TEST_F(SystemCallsOfTheProgram, StatisticsAreSeenToReadThem) {
  EXPECT_FALSE(trace("inspect tiny --stats").weight_reads.empty());
}

}  // namespace
}  // namespace stkit::test
