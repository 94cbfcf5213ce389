// T62: with --json, whatever happens, stdout is one JSON document.
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/json_reader.h"
#include "fixtures.h"
#include "run_program.h"
#include "stkit/error.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

struct JsonCase {
  const char* name;
  std::vector<std::string> args;
  int exit_code;
  const char* error_code;  // nullptr: a result
};

const JsonCase kCases[] = {
    {"Inspect", {"inspect", "tiny"}, 0, nullptr},
    {"InspectOneFile", {"inspect", "two.safetensors"}, 0, nullptr},
    {"Tensors", {"inspect", "tiny", "--tensors"}, 0, nullptr},
    {"Tree", {"inspect", "tiny", "--tree"}, 0, nullptr},
    {"Metadata", {"inspect", "tiny", "--metadata"}, 0, nullptr},
    {"HostileNames", {"inspect", "names.safetensors", "--tensors"}, 0, nullptr},
    {"Stats", {"inspect", "two.safetensors", "--stats"}, 0, nullptr},
    {"Histogram", {"inspect", "two.safetensors", "--histogram", "a"}, 0, nullptr},
    {"Tensor", {"inspect", "two.safetensors", "--tensor", "a"}, 0, nullptr},
    {"Npy", {"inspect", "two.safetensors", "--tensor", "a", "--npy", "a.npy"}, 0, nullptr},
    {"Html", {"inspect", "tiny", "--html", "page.html"}, 0, nullptr},
    {"DiffSame", {"inspect", "tiny", "--diff", "tiny"}, 0, nullptr},
    {"DiffOther",
     {"inspect", "two.safetensors", "--diff", "other.safetensors", "--data"},
     1,
     nullptr},
    {"SeveralModels", {"inspect", "tiny", "two.safetensors"}, 0, nullptr},
    {"SeveralOneMissing", {"inspect", "tiny", "nowhere"}, 1, nullptr},
    {"EmptyList", {"inspect", "-"}, 0, nullptr},
    {"Validate", {"validate", "tiny"}, 0, nullptr},
    {"ValidateBad", {"validate", "short.safetensors"}, 1, nullptr},
    {"ValidateDeep", {"validate", "tiny", "--deep"}, 0, nullptr},
    {"ValidateSeveral", {"validate", "tiny", "short.safetensors", "nowhere"}, 1, nullptr},
    {"WriteChecksums", {"validate", "tiny", "--write-checksums"}, 0, nullptr},
    {"ListChecks", {"validate", "--list-checks"}, 0, nullptr},
    {"Explain", {"validate", "--explain", "ST021"}, 0, nullptr},
    {"Quantize", {"quantize", "tiny", "-o", "out.gguf", "--verify"}, 0, nullptr},
    {"QuantizePlan", {"quantize", "tiny", "-o", "out.gguf", "--dry-run"}, 0, nullptr},
    {"QuantizeStrict",
     {"quantize", "layers", "-o", "out.gguf", "--arch", "none", "--strict"},
     1,
     nullptr},
    {"QuantizeNan", {"quantize", "two.safetensors", "-o", "out.gguf"}, 3, "corrupt"},
    {"QuantizeNoOutput", {"quantize", "tiny"}, 2, "usage"},
    {"Version", {"--version"}, 0, nullptr},
    {"NoCommand", {}, 2, "usage"},
    {"UnknownCommand", {"inspct"}, 2, "usage"},
    {"UnknownOption", {"inspect", "--stat", "tiny"}, 2, "usage"},
    {"MissingValue", {"inspect", "tiny", "--sort"}, 2, "usage"},
    {"WrongValue", {"inspect", "tiny", "--sort", "x"}, 2, "usage"},
    {"MissingModel", {"inspect"}, 2, "usage"},
    {"UnknownCheck", {"validate", "--explain", "XX"}, 2, "usage"},
    {"UnknownTopic", {"help", "x"}, 2, "usage"},
    {"NotFound", {"inspect", "nowhere"}, 4, "not_found"},
    {"TensorNotFound", {"inspect", "tiny", "--tensor", "x"}, 4, "not_found"},
    {"ValidateNotFound", {"validate", "nowhere"}, 4, "not_found"},
    {"Corrupt", {"inspect", "short.safetensors"}, 3, "corrupt"},
    {"OutputExists", {"inspect", "tiny", "--html", "two.safetensors"}, 7, "output_exists"},
    {"NoFolder", {"inspect", "tiny", "--html", "no/page.html"}, 7, "write_failed"},
};

class JsonOnEveryPath : public testing::TestWithParam<JsonCase> {};

TEST_P(JsonOnEveryPath, IsOneDocument) {
  const TempDir folder;
  make_fixtures(folder.path());
  std::vector<std::string> args = GetParam().args;
  args.push_back("--json");
  const RunResult result = run({.args = args, .folder = folder.path()});
  EXPECT_EQ(result.exit_code, GetParam().exit_code) << result.err;
  const Result<JsonValue> document = JsonValue::parse(result.out);
  ASSERT_TRUE(document) << document.error().message << "\n" << result.out;
  const JsonValue* error = document->find("error");
  if (GetParam().error_code == nullptr) {
    EXPECT_EQ(error, nullptr) << result.out;
    return;
  }
  ASSERT_NE(error, nullptr) << result.out;
  EXPECT_EQ(error->find("code")->as_string(), GetParam().error_code);
  EXPECT_EQ(error->find("exit")->as_uint(), static_cast<uint64_t>(result.exit_code));
  for (const char* key : {"path", "message", "hint"})
    EXPECT_TRUE(error->find(key) && error->find(key)->as_string()) << key;
  EXPECT_TRUE(result.err.starts_with("error: ")) << result.err;
}

INSTANTIATE_TEST_SUITE_P(Program, JsonOnEveryPath, testing::ValuesIn(kCases),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(JsonProgressOfTheProgram, EndsWithExactlyOneFinalEvent) {
  const TempDir folder;
  make_fixtures(folder.path());
  const std::pair<std::vector<std::string>, const char*> kRuns[] = {
      {{"inspect", "tiny", "--stats", "--progress", "json"}, "done"},
      {{"inspect", "tiny", "--progress", "json"}, "done"},
      {{"inspect", "nowhere", "--progress", "json"}, "failed"},
  };
  for (const auto& [args, last] : kRuns) {
    const RunResult result = run({.args = args, .folder = folder.path()});
    size_t finals = 0;
    std::string last_event;
    for (size_t from = 0; from < result.err.size();) {
      const size_t end = result.err.find('\n', from);
      const std::string line = result.err.substr(from, end - from);
      from = end + 1;
      if (!line.starts_with('{')) continue;
      const Result<JsonValue> event = JsonValue::parse(line);
      ASSERT_TRUE(event) << line;
      last_event = *event->find("event")->as_string();
      finals += last_event != "progress";
      EXPECT_LE(*event->find("overall_progress")->as_uint(), 100u);
    }
    EXPECT_EQ(finals, 1u) << result.err;
    EXPECT_EQ(last_event, last);
  }
}

}  // namespace
}  // namespace stkit::test
