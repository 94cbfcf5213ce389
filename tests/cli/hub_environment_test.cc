#include "hub_environment.h"

#include <gtest/gtest.h>

#include <map>

#include "secret_arguments.h"
#include "support/temp_dir.h"

namespace stkit::cli {
namespace {

HubOptions options_from(const std::map<std::string, std::string>& environment,
                        const std::string& endpoint = {}) {
  return hub_options_from(
      [&](const char* name) {
        const auto found = environment.find(name);
        return found == environment.end() ? std::string() : found->second;
      },
      endpoint);
}

TEST(HubEnvironment, FindsTheCacheAsTheHubsToolsDo) {
  const struct {
    std::map<std::string, std::string> environment;
    std::string_view cache;
  } kCases[] = {
      {{{"HOME", "/home/me"}}, "/home/me/.cache/huggingface/hub"},
      {{{"HOME", "/home/me"}, {"XDG_CACHE_HOME", "/cache"}}, "/cache/huggingface/hub"},
      {{{"HOME", "/home/me"}, {"HF_HOME", "~/hf"}}, "/home/me/hf/hub"},
      {{{"HF_HOME", "/hf"}, {"HUGGINGFACE_HUB_CACHE", "/old"}}, "/old"},
      {{{"HF_HUB_CACHE", "$DISK/${NAME}x"}, {"DISK", "/d"}, {"NAME", "n"}}, "/d/nx"},
      {{{"HF_HUB_CACHE", "/$NONE/a"}}, "/$NONE/a"},
      {{}, ""},
  };
  for (const auto& c : kCases) EXPECT_EQ(options_from(c.environment).cache_folder, c.cache);
}

TEST(HubEnvironment, GivesTheTokenToWhomItBelongs) {
  const test::TempDir dir;
  test::write_file(dir / "token", "  hf_file\n");
  const std::string home = dir.path().string();
  EXPECT_EQ(options_from({{"HF_TOKEN", " hf_x \n"}}).token, "hf_x");
  EXPECT_EQ(options_from({{"HF_HOME", home}}).token, "hf_file");
  EXPECT_EQ(options_from({{"HF_TOKEN_PATH", home + "/token"}}).token, "hf_file");
  EXPECT_EQ(options_from({{"HF_HOME", home}, {"HF_HUB_DISABLE_IMPLICIT_TOKEN", "yes"}}).token, "");
  // A mirror gets what was named on purpose, and not what lies around.
  EXPECT_EQ(options_from({{"HF_HOME", home}, {"HF_ENDPOINT", "https://mirror"}}).token, "");
  EXPECT_EQ(options_from({{"HF_HOME", home}}, "https://mirror").token, "");
  EXPECT_EQ(options_from({{"HF_TOKEN", "hf_x"}}, "https://mirror").token, "hf_x");
}

TEST(HubEnvironment, ReadsProxiesCertificatesAndSwitches) {
  const test::TempDir dir;
  const HubOptions options = options_from({{"http_proxy", "http://p:1"},
                                           {"HTTP_PROXY", "http://evil"},
                                           {"ALL_PROXY", "http://all"},
                                           {"NO_PROXY", "localhost"},
                                           {"REQUESTS_CA_BUNDLE", dir.path().string()},
                                           {"HF_HUB_OFFLINE", "On"},
                                           {"HF_ENDPOINT", "https://mirror/hf/"}});
  EXPECT_EQ(options.http_proxy, "http://p:1");
  EXPECT_EQ(options.https_proxy, "http://all");
  EXPECT_EQ(options.no_proxy, "localhost");
  EXPECT_EQ(options.ca_folder, dir.path().string());
  EXPECT_EQ(options.ca_file, "");
  EXPECT_TRUE(options.offline);
  EXPECT_EQ(options.endpoint, "https://mirror/hf");
  EXPECT_FALSE(options_from({{"HF_HUB_OFFLINE", "0"}}).offline);
  EXPECT_EQ(options_from({{"SSL_CERT_FILE", "/ca.pem"}}).ca_file, "/ca.pem");
}

// T56
TEST(HubEnvironment, ReadsHowLongSilenceMayLast) {
  using std::chrono::seconds;
  const auto usual = HubOptions().stall_time;
  EXPECT_EQ(options_from({{"HF_HUB_DOWNLOAD_TIMEOUT", "60"}}).stall_time, seconds(60));
  for (const char* text : {"", "0", "-1", "soon", "60s", "99999999999"})
    EXPECT_EQ(options_from({{"HF_HUB_DOWNLOAD_TIMEOUT", text}}).stall_time, usual) << text;
}

TEST(SecretArguments, HidesTheTokenFromOtherProcesses) {
  std::string typed[] = {"stkit",        "download",     "--token", "hf_a",
                         "--token=hf_b", "--token-file", "file"};
  std::vector<char*> argv;
  for (std::string& text : typed) argv.push_back(text.data());
  const SecretArguments arguments(static_cast<int>(argv.size()), argv.data());
  EXPECT_EQ(arguments.get().size(), 6u);
  EXPECT_STREQ(arguments.get()[2], "hf_a");
  EXPECT_STREQ(arguments.get()[3], "--token=hf_b");
  EXPECT_EQ(typed[3], "xxxx");
  EXPECT_EQ(typed[4], "--token=xxxx");
  EXPECT_EQ(typed[6], "file");
}

}  // namespace
}  // namespace stkit::cli
