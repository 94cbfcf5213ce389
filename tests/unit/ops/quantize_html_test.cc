#include <gtest/gtest.h>

#include "base/json_reader.h"
#include "quantize_support.h"

namespace stkit::test {
namespace {

struct Page {
  std::string text;
  std::vector<uint32_t> worst;
};

Page page_of(const ModelBuilder& builder, QuantizeOptions options = {}) {
  TempDir dir;
  builder.write(dir / "model");
  options.measure = true;
  options.sync = false;
  const auto plan =
      QuantizePlan::make((dir / "model").string(), (dir / "out.gguf").string(), options);
  EXPECT_TRUE(plan.has_value());
  const auto report = quantize(*plan, {.threads = 1});
  EXPECT_TRUE(report.has_value());
  Page page;
  page.worst = worst_tensors(*report, 2);
  std::vector<std::pair<uint32_t, Histogram>> histograms;
  for (const uint32_t index : page.worst) {
    const TensorInfo* source = plan->model().find(plan->tensors()[index].source);
    histograms.emplace_back(index, *tensor_histogram(plan->model(), *source, 16, {.threads = 1}));
  }
  page.text = render_html(*plan, *report, histograms);
  return page;
}

std::string_view between(std::string_view page, std::string_view from, std::string_view to) {
  const size_t begin = page.find(from);
  if (begin == page.npos) return {};
  const size_t end = page.find(to, begin + from.size());
  return page.substr(begin + from.size(), end - begin - from.size());
}

TEST(QuantizeHtml, HoldsTheMixTheErrorsAndTheFallbacks) {
  const Page page = page_of(mixed_model());
  EXPECT_EQ(page.worst.size(), 2u);
  for (const char* piece :
       {"Types", "Q4_K", "Error by layer", "layer 10, q_proj.weight: Q4_K",
        "Weights of the worst tensors", "are not whole blocks of Q4_K", "Cosine similarity"})
    EXPECT_NE(page.text.find(piece), std::string::npos) << piece;
  const auto data = JsonValue::parse(
      between(page.text, "<script type=\"application/json\" id=\"tensors\">", "</script>"));
  ASSERT_TRUE(data.has_value());
  const auto& rows = data->find("rows")->elements();
  EXPECT_EQ(rows.size(), 19u);
  for (const JsonValue& row : rows)
    EXPECT_EQ(row.elements().size(), data->find("columns")->elements().size());
}

TEST(QuantizeHtml, ForeignNamesAreTextOnly) {
  const std::string attack = "</script><img src=x onerror=alert(1)>\x1b[2J.weight";
  ModelBuilder builder;
  builder.tensor("layers.0." + attack, DType::F32, {1, 256}, f32_bytes(weights(1, 256)));
  const std::string page = page_of(builder).text;
  EXPECT_EQ(page.find("<img"), page.npos);
  EXPECT_EQ(page.find('\x1b'), page.npos);
}

TEST(QuantizeHtml, ModelThatLosesNothing) {
  ModelBuilder builder;
  builder.tensor("norm.weight", DType::F32, {8}, f32_bytes(weights(1, 8)));
  const Page page = page_of(builder);
  EXPECT_TRUE(page.worst.empty());
  EXPECT_EQ(page.text.find("Error by layer"), page.text.npos);
  EXPECT_NE(page.text.find("</html>"), page.text.npos);
}

}  // namespace
}  // namespace stkit::test
