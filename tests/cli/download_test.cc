// download as its users meet it: the real binary and a real nginx, as the Hub and as its CDN on
// another host name.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>

#include "base/json_reader.h"
#include "nginx_hub.h"
#include "run_program.h"
#include "support/fake_hub.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kToken = "hf_NeverToBeSeen";

std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().lexically_relative(folder).string();
    if (entry.is_regular_file() && !name.starts_with(".cache/"))
      files[name] = read_file(entry.path());
  }
  return files;
}

class Download : public testing::Test {
 protected:
  Download() {
    add("config.json", R"({"model_type":"llama"})");
    add("tokenizer.json", "{}");
    add("empty.txt", "");
    add("vocab/a b+c#\xc3\xa4.json", "[1]");
    add("model-00001-of-00002.safetensors", noise(3'000'000, 1));
    add("model-00002-of-00002.safetensors", noise(1'234'567, 2));
  }

  void add(const std::string& name, const std::string& content) {
    write_file(folder_ / ("site/repo/" + name), content);
  }
  // False where there is no nginx; the test then ends as skipped.
  bool serve(std::vector<std::string> options = {}) {
    hub_ = std::make_unique<NginxHub>(folder_ / "site", std::move(options));
    return hub_->problem().empty();
  }
  std::vector<std::string> command(std::vector<std::string> more = {}) const {
    std::vector<std::string> args = {"download", "org/name", "--include",  "*",
                                     "--to",     "out",      "--endpoint", hub_->hub()};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  RunResult download(std::vector<std::string> more = {},
                     std::map<std::string, std::string> environment = {}) const {
    return run({.args = command(std::move(more)),
                .folder = folder_.path(),
                .environment = std::move(environment)});
  }
  void expect_whole(const fs::path& folder) const {
    EXPECT_EQ(files_of(folder), files_of(folder_ / "site/repo"));
  }

  TempDir folder_;
  std::unique_ptr<NginxHub> hub_;
};

#define STKIT_SERVE_OR_SKIP(...) \
  if (!serve(__VA_ARGS__)) GTEST_SKIP() << hub_->problem()

TEST_F(Download, FetchesAWholeBundleAndNoByteTwice) {
  STKIT_SERVE_OR_SKIP({"--page", "2"});
  const RunResult result = download({"--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  expect_whole(folder_ / "out");
  const auto report = JsonValue::parse(result.out);
  ASSERT_TRUE(report) << result.out;
  EXPECT_EQ(report->find("commit")->as_string(), hub_->commit());
  EXPECT_EQ(report->find("network_bytes")->as_uint(), report->find("total_bytes")->as_uint());

  EXPECT_EQ(download().exit_code, 0);
  hub_->stop();
  uint64_t sent = 0;
  for (const LoggedRequest& request : hub_->cdn_log()) {
    EXPECT_EQ(request.status, 206) << request.target;
    EXPECT_NE(request.range.second, 0u) << "a file of more than 50 GB comes by ranges alone";
    sent += request.sent_bytes;
  }
  EXPECT_EQ(sent, 3'000'000u + 1'234'567u);
  // The revision and three pages, twice; two redirects to the CDN, and a relative one with what it
  // leads to for each of three small files. Nobody asks for a file without content.
  EXPECT_EQ(hub_->hub_log().size(), 2 * (1 + 3) + 2 + 3 * 2);
}

TEST_F(Download, FillsTheCacheThatOtherToolsShare) {
  STKIT_SERVE_OR_SKIP();
  const RunResult result =
      run({.args = {"download", "old/name", "--include", "*"},
           .folder = folder_.path(),
           .environment = {{"HF_ENDPOINT", hub_->hub()}, {"HF_HOME", "$HOME/hf"}}});
  ASSERT_EQ(result.exit_code, 0) << result.err;  // by its former name, and by redirects
  const fs::path repo = folder_ / "hf/hub/models--old--name";
  EXPECT_EQ(result.out, (repo / "snapshots" / hub_->commit()).string() + "\n");
  expect_whole(repo / "snapshots" / hub_->commit());
  EXPECT_EQ(read_file(repo / "refs/main"), hub_->commit());
}

// T56: in no stream, no file and no list of processes, and not on the CDN's host.
TEST_F(Download, KeepsTheTokenToItself) {
  STKIT_SERVE_OR_SKIP({"--token", kToken, "--rate", "4000000"});
  std::string seen;
  const auto look_at = [&](const RunResult& result, int exit_code) {
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    seen += result.out + result.err;
  };
  const std::vector<std::string> loud = {"-vv", "--log-file", "log", "--progress", "json"};
  look_at(download(loud, {{"HF_TOKEN", kToken}}), 0);
  look_at(download({"--force", "--json", "--token", kToken}), 0);
  look_at(download({"--force", "--json"}), 5);
  // A file that is nowhere on the CDN: an error of a signed address.
  for (const auto& entry : fs::directory_iterator(folder_ / "site/blob"))
    if (entry.path().filename().string().size() == 64) fs::remove(entry.path());
  look_at(download({"--force", "-vv"}, {{"HF_TOKEN", kToken}}), 4);
  for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
    const bool own = entry.path().string().find("/site/") != std::string::npos;
    if (entry.is_regular_file() && !own) seen += read_file(entry.path());
  }
  EXPECT_EQ(seen.find(kToken), std::string::npos);
  EXPECT_EQ(seen.find("sig="), std::string::npos) << "a signed address is as good as a token";

  hub_->stop();
  EXPECT_FALSE(hub_->cdn_log().empty());
  for (const LoggedRequest& request : hub_->cdn_log()) EXPECT_EQ(request.authorization, "");
  EXPECT_EQ(hub_->hub_log().front().authorization, std::string("Bearer ") + kToken);
}

// T56
TEST_F(Download, HidesTheTokenFromTheListOfProcesses) {
  STKIT_SERVE_OR_SKIP({"--token", kToken, "--rate", "100000"});
  const RunResult result = run(
      {.folder = folder_.path(),
       .shell = "stkit download org/name --token " + std::string(kToken) + " --to out --endpoint " +
                hub_->hub() +
                " 2>err & while kill -0 $! && ! ls out/.cache/stkit/*.incomplete >/dev/null 2>&1;"
                " do :; done; tr '\\0' ' ' </proc/$!/cmdline; kill $!; wait $!; echo \"exit $?\""});
  EXPECT_NE(result.out.find("--token xxxxxxxxxxxxxxxx"), std::string::npos) << result.out;
  EXPECT_EQ(result.out.find(kToken), std::string::npos);
  EXPECT_NE(result.out.find("exit 143"), std::string::npos) << result.out;
  EXPECT_NE(read_file(folder_ / "err").find("run the same command again"), std::string::npos);
}

// T43, F16
TEST_F(Download, InterruptedItSaysHowToGoOn) {
  STKIT_SERVE_OR_SKIP({"--rate", "200000"});
  TerminalRun terminal({.args = command(), .folder = folder_.path()}, 100, 30);
  ASSERT_TRUE(terminal.wait_for("\x1b[?25l")) << terminal.received();
  const auto before = std::chrono::steady_clock::now();
  terminal.send_signal(SIGINT);
  EXPECT_EQ(terminal.wait(), 130);
  const auto took = std::chrono::steady_clock::now() - before;
  RecordProperty("seconds", std::to_string(std::chrono::duration<double>(took).count()));
  EXPECT_LT(took, std::chrono::seconds(5)) << "a second where the machine does nothing else";
  EXPECT_NE(terminal.received().find("run the same command again to go on"), std::string::npos)
      << terminal.received();
  EXPECT_FALSE(fs::exists(folder_ / "out/model-00001-of-00002.safetensors"));
}

// T52: a server that nobody vouches for gets nothing, and is not asked a second time.
TEST_F(Download, TrustsNoCertificateThatItDoesNotKnow) {
  STKIT_SERVE_OR_SKIP({"--tls", "--token", kToken});
  const RunResult refused = download({}, {{"HF_TOKEN", kToken}});
  EXPECT_EQ(refused.exit_code, 6) << refused.err;
  EXPECT_NE(refused.err.find("certificate"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("SSL_CERT_FILE"), std::string::npos) << refused.err;
  EXPECT_EQ(refused.err.find("try 2"), std::string::npos) << refused.err;

  for (const char* variable : {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}) {
    const RunResult result = download(
        {"--force"}, {{"HF_TOKEN", kToken}, {variable, (folder_ / "site/ca.pem").string()}});
    EXPECT_EQ(result.exit_code, 0) << variable << ": " << result.err;
    expect_whole(folder_ / "out");
  }
  hub_->stop();
  EXPECT_EQ(hub_->hub_log().front().status, 200) << "the first that was answered was a trusted one";
}

// T53
TEST_F(Download, FollowsNoRedirectFromHttpsToHttp) {
  STKIT_SERVE_OR_SKIP({"--tls", "--plain-cdn"});
  const RunResult result = download({}, {{"SSL_CERT_FILE", (folder_ / "site/ca.pem").string()}});
  EXPECT_EQ(result.exit_code, 6);
  EXPECT_NE(result.err.find("from https to the unprotected"), std::string::npos) << result.err;
  hub_->stop();
  EXPECT_TRUE(hub_->cdn_log().empty());
}

// Offsets beyond 32 bits, in the request and in the answer.
TEST_F(Download, ReadsBeyondFourGibibytes) {
  const uint64_t large = (uint64_t{5} << 30) + 3;
  const std::string head = safetensors_bytes(
      R"({"a":{"dtype":"U8","shape":[)" + std::to_string(large) + R"(],"data_offsets":[0,)" +
          std::to_string(large) + R"(]},"b":{"dtype":"U8","shape":[4],"data_offsets":[)" +
          std::to_string(large) + "," + std::to_string(large + 4) + "]}}",
      "");
  const fs::path file = folder_ / "site/files/large.safetensors";
  write_file(file, head);
  std::error_code failed;
  fs::resize_file(file, head.size() + large, failed);
  if (failed) GTEST_SKIP() << "SKIPPED: this filesystem has no sparse files of 5 GiB";
  std::ofstream(file, std::ios::binary | std::ios::app) << std::string("\x01\x02\x03\x2a", 4);
  STKIT_SERVE_OR_SKIP();
  const RunResult result =
      run({.args = {"inspect", hub_->cdn() + "/files/large.safetensors", "--tensor", "b"},
           .folder = folder_.path()});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("42"), std::string::npos) << result.out;
  hub_->stop();
  uint64_t sent = 0;
  for (const LoggedRequest& request : hub_->cdn_log()) sent += request.sent_bytes;
  EXPECT_LT(sent, 1u << 20);
}

}  // namespace
}  // namespace stkit::test
