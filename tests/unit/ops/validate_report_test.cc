#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/json_reader.h"
#include "ops/validate/name_table.h"
#include "ops/validate/report.h"
#include "stkit/json.h"
#include "unit/ops/validate_model.h"

namespace stkit::test {
namespace {

Finding finding(Check check, std::string path, std::string tensor) {
  return {.check = check, .path = std::move(path), .tensor = std::move(tensor), .message = "m"};
}

TEST(ValidateReport, IsOrdered) {
  ValidateReport report;
  take_findings(
      {finding(Check::NanWeights, "shard-10", "b"), finding(Check::ZeroTensor, "shard-2", "a"),
       finding(Check::NanWeights, "shard-2", "layers.10"),
       finding(Check::NanWeights, "shard-2", "layers.9"),
       finding(Check::FileTooSmall, "shard-2", "")},
      report);
  std::string order;
  for (const Finding& f : report.findings) order += fmt::format("{}:{} ", f.path, f.tensor);
  EXPECT_EQ(order, "shard-2: shard-2:layers.9 shard-2:layers.10 shard-2:a shard-10:b ");
}

TEST(ValidateReport, FoldsManyOfAKind) {
  std::vector<Finding> many;
  for (int i = 0; i < 10'000; ++i)
    many.push_back(finding(Check::NanWeights, "a", fmt::format("t.{}", i)));
  for (int i = 0; i < 21; ++i)
    many.push_back(finding(Check::ZeroTensor, "a", fmt::format("t.{}", i)));
  ValidateReport report;
  take_findings(std::move(many), report);
  EXPECT_EQ(report.findings.size(), kMaxListed + 1 + 21);
  EXPECT_EQ(report.findings[kMaxListed].message, "9,980 more of this kind, from 't.20' on");
  EXPECT_EQ(report.count(Severity::Error), 10'000u);
  EXPECT_EQ(report.count(Severity::Warning), 21u);
}

TEST(ValidateReport, FoldsWhatIsAboutNoTensor) {
  ValidateReport report;
  take_findings(std::vector<Finding>(30, finding(Check::UnsafePath, "a", "")), report);
  EXPECT_EQ(report.findings.back().message, "10 more of this kind");
}

TEST(ValidateReport, StrictCountsWarnings) {
  ValidateReport report;
  take_findings({finding(Check::ZeroTensor, "a", "t")}, report);
  EXPECT_TRUE(report.ok(false));
  EXPECT_FALSE(report.ok(true));
  take_findings({finding(Check::NanWeights, "a", "t")}, report);
  EXPECT_FALSE(report.ok(false));
}

TEST(ValidateReport, WritesTheDocument) {
  ValidateReport report;
  take_findings({finding(Check::NanWeights, "a", "t")}, report);
  std::string text;
  JsonWriter json(text);
  write_json(json, report, false);
  const auto document = JsonValue::parse(text);
  ASSERT_TRUE(document.has_value()) << text;
  EXPECT_EQ(document->find("ok")->as_bool(), false);
  EXPECT_EQ(document->find("errors")->as_uint(), 1u);
  EXPECT_EQ(document->find("warnings")->as_uint(), 0u);
  const JsonValue& first = document->find("findings")->elements().at(0);
  EXPECT_EQ(first.find("id")->as_string(), "WT001");
  EXPECT_EQ(first.find("name")->as_string(), "nan-weights");
  EXPECT_EQ(first.find("severity")->as_string(), "error");
  EXPECT_EQ(first.find("path")->as_string(), "a");
  EXPECT_EQ(first.find("tensor")->as_string(), "t");
  EXPECT_EQ(first.find("message")->as_string(), "m");
  EXPECT_EQ(first.find("hint")->as_string(), info(Check::NanWeights).cure);
}

TEST(ValidateReport, IsTheSameForAnyNumberOfThreads) {
  const TempDir folder;
  TinyModel model = llama();
  for (auto& [name, tensor] : model.tensors) {
    if (tensor.shape.size() != 2) continue;
    tensor.data = std::string(tensor.shape[0] * tensor.shape[1] * 2, '\0');
  }
  model.shards = 3;
  model.write(folder.path());
  const std::string one = listing(run_validate(folder.path(), {.deep = true}, {.threads = 1}));
  EXPECT_EQ(std::ranges::count(one, '\n'), 30);
  EXPECT_EQ(listing(run_validate(folder.path(), {.deep = true}, {.threads = 8})), one);
}

TEST(NameTable, TakesNamesApart) {
  const std::vector<std::string> names = {"model.layers.7.mlp.experts.31.w1.weight",
                                          "model.layers.12.mlp.experts.0.w1.weight",
                                          "lm_head.weight",
                                          "0.encoder.3.w",
                                          "layers.1234567890.w",
                                          "a..b",
                                          ""};
  std::vector<TensorInfo> tensors;
  for (const std::string& name : names) tensors.emplace_back().name = name;
  const NameTable table(tensors);
  ASSERT_EQ(table.patterns().size(), 6u);
  const NamePattern& expert = table.patterns()[0];
  EXPECT_EQ(expert.text, "model.layers.#.mlp.experts.#.w1.weight");
  EXPECT_EQ(expert.stack, "model.layers");
  EXPECT_EQ(expert.rest, "mlp.experts.#.w1.weight");
  EXPECT_TRUE(expert.expert);
  EXPECT_EQ(expert.tensors, 2u);
  EXPECT_EQ(table.names()[1].layer, 12u);
  EXPECT_EQ(table.names()[0].expert, 31u);
  EXPECT_TRUE(table.pattern(2).stack.empty());
  // Starts with an index: no stack, so no layers.
  EXPECT_EQ(table.pattern(3).text, "#.encoder.#.w");
  EXPECT_TRUE(table.pattern(3).stack.empty());
  EXPECT_EQ(table.pattern(4).text, "layers.1234567890.w");
}

}  // namespace
}  // namespace stkit::test
