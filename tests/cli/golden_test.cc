// One test a file cases/NAME.cmd: a command line for sh, run in a fresh folder that holds the
// fixtures, against NAME.stdout, NAME.stderr (absent: empty) and NAME.exit (absent: 0).
// STKIT_UPDATE_GOLDEN=1 writes what the program says now; read the diff before committing it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "fixtures.h"
#include "run_program.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

namespace fs = std::filesystem;

std::string expected(const fs::path& file) { return fs::exists(file) ? read_file(file) : ""; }

void update(const fs::path& file, const std::string& content, const std::string& absent) {
  if (content == absent)
    fs::remove(file);
  else
    write_file(file, content);
}

class GoldenCase : public testing::Test {
 public:
  explicit GoldenCase(fs::path command) : command_(std::move(command)) {}

  void TestBody() override {
    const TempDir folder;
    make_fixtures(folder.path());
    const RunResult result = run({.folder = folder.path(), .shell = read_file(command_)});
    const std::string exit_code = std::to_string(result.exit_code) + "\n";
    if (std::getenv("STKIT_UPDATE_GOLDEN") != nullptr) {
      update(with(".stdout"), result.out, "");
      update(with(".stderr"), result.err, "");
      update(with(".exit"), exit_code, "0\n");
      return;
    }
    const std::string command = read_file(command_);
    EXPECT_EQ(result.out, expected(with(".stdout"))) << "stdout of: " << command;
    EXPECT_EQ(result.err, expected(with(".stderr"))) << "stderr of: " << command;
    EXPECT_EQ(exit_code, fs::exists(with(".exit")) ? read_file(with(".exit")) : "0\n") << command;
  }

 private:
  fs::path with(const char* extension) const {
    return fs::path(command_).replace_extension(extension);
  }

  fs::path command_;
};

void register_cases() {
  for (const fs::directory_entry& entry : fs::directory_iterator(STKIT_CLI_CASES)) {
    if (entry.path().extension() != ".cmd") continue;
    std::string name = entry.path().stem().string();
    std::ranges::replace(name, '-', '_');
    testing::RegisterTest("Golden", name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [path = entry.path()] { return new GoldenCase(path); });
  }
}

}  // namespace
}  // namespace stkit::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  stkit::test::register_cases();
  return RUN_ALL_TESTS();
}
