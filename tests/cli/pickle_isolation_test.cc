// What the real program does to the system over a pickle, as the kernel sees it: it opens the files
// that make the checkpoint, and nothing else comes of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/json_reader.h"
#include "fixtures.h"
#include "run_program.h"
#include "support/hostile_pickles.h"
#include "support/pickle_values.h"
#include "support/state_file.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

namespace fs = std::filesystem;

struct Done {
  RunResult result;
  std::set<std::string> opened;        // below the test's folder, as the kernel resolved it
  std::set<std::string> elsewhere;     // the system's: libraries, /proc
  std::vector<std::string> forbidden;  // processes and sockets, as the calls
};

// T22
class PickleIsolation : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::canonical(scratch_.path());
    if (run({.folder = folder_, .shell = "strace -o probe true"}).exit_code != 0)
      GTEST_SKIP() << "strace is not installed or may not trace: that pickles open no file, start "
                      "no process and open no socket was NOT checked on the real program";
  }

  Done trace(const std::string& command) {
    const std::string log = "trace" + std::to_string(++traces_);
    Done done;
    done.result = run({.folder = folder_,
                       .environment = {{"ASAN_OPTIONS", "detect_leaks=0"}},  // it traces itself
                       .shell = "strace -ff -y -s 4096 -e trace=%file,%process,%network -o " + log +
                                " " + command});
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_))
      if (entry.path().filename().string().starts_with(log + ".")) look_at(entry.path(), done);
    return done;
  }

  void write_checkpoint() {
    StateFile file;
    const std::string weights = pickled_dict({{"w", file.floats({1, 2, 3, 4}, {2, 2})}});
    const std::string unknown = pickled_object("my.training", "Arguments", pickled_dict({}));
    file.write(folder_ / "run/model.pt", pickled_dict({{"model", weights}, {"args", unknown}}));
    write_file(folder_ / "run/config.json", "{}");
    write_file(folder_ / "run/secret", "not of the model");
  }

  fs::path folder_;

 private:
  // One line a call: `openat(AT_FDCWD</x>, "y", O_RDONLY) = 3</x/y>`. The first execve is the
  // program's own start.
  void look_at(const fs::path& calls, Done& done) const {
    static const std::regex open(R"(^open(at|at2)?\(.* = \d+<(.*)>$)");
    static const std::regex forbidden(R"(^(execve|execveat|fork|vfork|socket|connect|bind)\(.*)");
    static const std::regex process(R"(^clone3?\(.*)");
    std::istringstream lines(read_file(calls));
    for (std::string line; std::getline(lines, line);) {
      std::smatch match;
      if (std::regex_match(line, match, open)) {
        const fs::path path = match[2].str();
        const auto inside = path.lexically_relative(folder_).string();
        (inside.starts_with("..") ? done.elsewhere : done.opened)
            .insert(inside.starts_with("..") ? path.string() : inside);
      } else if (std::regex_match(line, forbidden) ||
                 (std::regex_match(line, process) &&
                  line.find("CLONE_THREAD") == std::string::npos)) {
        done.forbidden.push_back(line);
      }
    }
  }

  TempDir scratch_;
  int traces_ = 0;
};

// The program's own start is the only process there is.
void expect_alone(const Done& done) {
  ASSERT_EQ(done.forbidden.size(), 1u) << done.forbidden.back();
  EXPECT_TRUE(done.forbidden[0].starts_with("execve(")) << done.forbidden[0];
}

TEST_F(PickleIsolation, InspectOpensTheCheckpointAndNothingElse) {
  write_checkpoint();
  const Done help = trace("stkit --version");
  const Done done = trace("stkit inspect run");
  EXPECT_EQ(done.result.exit_code, 0) << done.result.err;
  expect_alone(done);
  EXPECT_EQ(done.opened, (std::set<std::string>{"run", "run/config.json", "run/model.pt"}));
  for (const std::string& path : done.elsewhere)
    EXPECT_TRUE(help.elsewhere.contains(path) || path.starts_with("/proc/") ||
                path.starts_with("/sys/"))
        << path;
}

TEST_F(PickleIsolation, MergeOpensTheCheckpointAndItsOutput) {
  write_checkpoint();
  const Done done = trace("stkit merge run/model.pt -o out/model.safetensors");
  EXPECT_EQ(done.result.exit_code, 0) << done.result.err;
  expect_alone(done);
  for (const std::string& path : done.opened)
    EXPECT_TRUE(path == "." || path == "run" || path == "run/model.pt" ||
                path == "run/config.json" || path.starts_with("out"))
        << path;
  EXPECT_TRUE(done.opened.contains("run/model.pt"));
  EXPECT_TRUE(fs::exists(folder_ / "out/model.safetensors"));
}

TEST_F(PickleIsolation, NoAttackIsRunAndEachIsListed) {
  std::string files;
  const auto attacks = hostile_pickles();
  for (size_t i = 0; i < attacks.size(); ++i) {
    const std::string name = "attack" + std::to_string(i) + ".pt";
    write_file(folder_ / name, TorchBuilder().object(attacks[i].bytes).zip());
    files += " " + name;
  }
  const Done done = trace("stkit validate --json" + files);
  EXPECT_EQ(done.result.exit_code, 1) << done.result.err;
  expect_alone(done);
  for (const std::string& path : done.opened)
    EXPECT_TRUE(path == "." || path.ends_with(".pt")) << path;
  const auto root = JsonValue::parse(done.result.out);
  ASSERT_TRUE(root.has_value()) << done.result.out.substr(0, 500);
  ASSERT_EQ(root->elements().size(), attacks.size());
  for (size_t i = 0; i < attacks.size(); ++i) {
    SCOPED_TRACE(attacks[i].name);
    const JsonValue* const findings = root->elements()[i].find("findings");
    ASSERT_NE(findings, nullptr);
    const std::string global = "'" + std::string(attacks[i].global) + "'";
    EXPECT_TRUE(std::ranges::any_of(findings->elements(), [&](const JsonValue& finding) {
      return finding.find("id")->as_string() == "PK001" &&
             finding.find("message")->as_string()->find(global) != std::string_view::npos;
    })) << global;
  }
}

TEST_F(PickleIsolation, WhatIsLookedForIsSeenWhenItHappens) {
  const Done done = trace("sh -c '/bin/true; cat probe; stkit inspect http://127.0.0.1:1/x.gguf'");
  EXPECT_TRUE(done.opened.contains("probe"));
  const auto seen = [&](std::string_view call) {
    return std::ranges::any_of(done.forbidden,
                               [&](const std::string& line) { return line.starts_with(call); });
  };
  EXPECT_TRUE(seen("execve(\"/bin/true\""));
  EXPECT_TRUE(seen("socket("));
}

}  // namespace
}  // namespace stkit::test
