// The commands that speak with the Hub, as programs see them: a Hub on loopback, the real binary.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <sstream>

#include "base/json_reader.h"
#include "run_program.h"
#include "support/fake_hub.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

class HubProgram : public testing::Test {
 protected:
  HubProgram() {
    hub_.add("config.json", "{}");
    hub_.add("model.safetensors", safetensors_bytes("{}", ""), true);
  }
  RunResult run_with(std::vector<std::string> args) {
    return run({.args = std::move(args),
                .folder = dir_.path(),
                .environment = {{"HF_ENDPOINT", hub_.endpoint()},
                                {"HF_TOKEN", "hf_secret"},
                                {"HF_HOME", (dir_ / "home").string()}}});
  }

  FakeHub hub_;
  TempDir dir_;
};

std::vector<JsonValue> events_of(const std::string& err) {
  std::vector<JsonValue> events;
  std::istringstream lines(err);
  for (std::string line; std::getline(lines, line);)
    if (auto event = JsonValue::parse(line)) events.push_back(*std::move(event));
  return events;
}

std::string text_of(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.find(key);
  return value == nullptr ? "" : std::string(value->as_string().value_or(""));
}

uint64_t number_of(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.find(key);
  return value == nullptr ? UINT64_MAX : value->as_uint().value_or(UINT64_MAX);
}

std::vector<const JsonValue*> named(const std::vector<JsonValue>& events, std::string_view name) {
  std::vector<const JsonValue*> found;
  for (const JsonValue& event : events)
    if (text_of(event, "event") == name) found.push_back(&event);
  return found;
}

TEST_F(HubProgram, ADownloadIsToldAsEvents) {
  hub_.add("model-2.safetensors", noise(700'000), true);
  std::atomic<int> busy = 1;
  hub_.tamper_cdn([&](const SeenRequest& request, Answer& answer) {
    if (request.target.find("model-2") != std::string::npos && busy-- > 0) answer = {.status = 503};
  });
  const RunResult result =
      run_with({"download", "org/name", "--include", "*", "--progress", "json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::vector<JsonValue> events = events_of(result.err);
  EXPECT_EQ(events.size(), static_cast<size_t>(std::ranges::count(result.err, '\n'))) << result.err;
  for (const JsonValue& event : events) {
    EXPECT_EQ(number_of(event, "v"), 1u);
    EXPECT_EQ(text_of(event, "task_id"), text_of(events[0], "task_id"));
    EXPECT_EQ(text_of(event, "ts").size(), 24u);
  }
  const auto plans = named(events, "plan");
  ASSERT_EQ(plans.size(), 1u);
  EXPECT_EQ(text_of(*plans[0], "repo"), "org/name");
  EXPECT_EQ(text_of(*plans[0], "commit"), FakeHub::kCommit);
  EXPECT_EQ(number_of(*plans[0], "to_download"), number_of(*plans[0], "total_size"));
  EXPECT_EQ(plans[0]->find("files")->elements().size(), 3u);
  const auto retries = named(events, "retry");
  ASSERT_EQ(retries.size(), 1u);
  EXPECT_EQ(text_of(*retries[0], "name"), "model-2.safetensors");
  EXPECT_EQ(text_of(*retries[0], "reason"), "http_503");
  EXPECT_EQ(number_of(*retries[0], "attempt"), 1u);
  EXPECT_EQ(number_of(*retries[0], "offset"), 0u);
  EXPECT_EQ(named(events, "file_done").size(), 3u);
  const JsonValue& last = events.back();
  EXPECT_EQ(text_of(last, "event"), "done");
  EXPECT_EQ(number_of(last, "exit_code"), 0u);
  EXPECT_EQ(number_of(last, "overall_progress"), 100u);
  EXPECT_EQ(number_of(last, "bytes_downloaded"), number_of(last, "total_bytes"));
  EXPECT_EQ(number_of(last, "bytes_network"), number_of(last, "total_bytes"));
  EXPECT_EQ(text_of(last, "path") + "\n", result.out);
}

TEST_F(HubProgram, AFailedDownloadEndsWithItsError) {
  hub_.tamper_cdn([](const SeenRequest&, Answer& answer) { answer = {.status = 403}; });
  const RunResult result = run_with({"download", "org/name", "--progress", "json"});
  EXPECT_EQ(result.exit_code, 5);
  const std::vector<JsonValue> events = events_of(result.err);
  const auto errors = named(events, "error");
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(text_of(*errors[0], "code"), "access_denied");
  const JsonValue& last = events.back();
  EXPECT_EQ(text_of(last, "event"), "failed");
  EXPECT_EQ(number_of(last, "exit_code"), 5u);
  EXPECT_EQ(text_of(*last.find("error"), "message"), text_of(*errors[0], "message"));
  bool failed = false;
  for (const JsonValue& file : last.find("files")->elements())
    failed |= text_of(file, "state") == "failed";
  EXPECT_TRUE(failed) << result.err;
}

constexpr std::string_view kFound = R"([{"id":"org/\u001b[2Jname","downloads":1234567,"likes":89,
  "gated":"auto","lastModified":"2026-01-02T03:04:05.000Z",
  "safetensors":{"parameters":{"F32":10,"BF16":1000},"total":1010},
  "siblings":[{"rfilename":"model.safetensors"}]}])";

TEST_F(HubProgram, SearchListsModels) {
  hub_.tamper_hub([](const SeenRequest& request, Answer& answer) {
    if (request.target.starts_with("/api/models?"))
      answer = {.body = request.target.find("search=nothing") == std::string::npos
                            ? std::string(kFound)
                            : "[]"};
  });
  const RunResult table = run_with({"search", "name"});
  EXPECT_EQ(table.exit_code, 0) << table.err;
  EXPECT_EQ(table.out,
            "model            format       files      size  types      downloads  likes\n"
            "org/\\x1b[2Jname  safetensors      1  1.99 KiB  BF16, F32     1.23 M     89  gated\n");
  const RunResult dated = run_with({"search", "name", "--sort", "modified"});
  EXPECT_NE(dated.out.find("89  2026-01-02  gated\n"), std::string::npos) << dated.out;
  const RunResult json = run_with({"search", "name", "--json"});
  EXPECT_EQ(json.out,
            R"({"query":"name","format":"safetensors","sort":"downloads","models":[)"
            R"({"id":"org/\u001b[2Jname","file_format":"safetensors","shard_count":1,)"
            R"("total_bytes":2040,"parameter_count":1010,"dtypes":{"BF16":1000,"F32":10},)"
            R"("downloads":1234567,"likes":89,"last_modified":"2026-01-02T03:04:05.000Z",)"
            R"("gated":true,"gated_by":"auto"}]})"
            "\n");
  const RunResult none = run_with({"search", "nothing", "--json"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_NE(none.out.find(R"("models":[]})"), std::string::npos) << none.out;
  EXPECT_EQ(run_with({"search"}).exit_code, 2);
  EXPECT_EQ(run_with({"search", "name", "--sort", "size"}).exit_code, 2);
}

}  // namespace
}  // namespace stkit::test
