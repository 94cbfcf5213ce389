#include <gtest/gtest.h>

#include "base/digest.h"
#include "html/page.h"
#include "inspect_support.h"

namespace stkit::test {
namespace {

std::string page_of(const ModelBuilder& builder, bool with_stats = false) {
  TempDir dir;
  builder.write(dir.path());
  const Model model = open_model(dir.path());
  InspectReport report = inspected(model);
  if (!with_stats) return render_html(model, report);
  TensorStats stats;
  stats.min = -1;
  stats.max = 2;
  stats.std = 0.25;
  stats.values = 10;
  stats.nan = 1;
  report.stats.assign(model.tensors().size(), stats);
  const Histogram histogram{-1, 2, {1, 5, 3}, stats};
  return render_html(model, report, {{"model.embed_tokens.weight", histogram}});
}

size_t count(std::string_view text, std::string_view word) {
  size_t found = 0;
  for (size_t at = text.find(word); at != text.npos; at = text.find(word, at + word.size()))
    ++found;
  return found;
}

std::string_view between(std::string_view page, std::string_view from, std::string_view to) {
  const size_t begin = page.find(from);
  if (begin == page.npos) return {};
  const size_t end = page.find(to, begin + from.size());
  return page.substr(begin + from.size(), end - begin - from.size());
}

JsonValue table_data(std::string_view page) {
  return parsed(between(page, "<script type=\"application/json\" id=\"tensors\">", "</script>"));
}

TEST(InspectHtml, HoldsTheModel) {
  const std::string page = page_of(small_model());
  for (const char* piece :
       {"Qwen3ForCausalLM", "Data types", "Size by layer", "BF16", "model.layers",
        "layer 1:", "Size after quantization", "q4k", "tokenizer.json"})
    EXPECT_NE(page.find(piece), std::string::npos) << piece;
  const JsonValue data = table_data(page);
  const auto& rows = data.find("rows")->elements();
  ASSERT_EQ(rows.size(), 7u);
  EXPECT_EQ(rows[0].elements()[0].as_string(), "model.embed_tokens.weight");
  EXPECT_EQ(rows[0].elements().size(), data.find("columns")->elements().size());
  EXPECT_EQ(page.find("Histograms"), page.npos);
}

TEST(InspectHtml, HoldsStatisticsAndHistogramsWhereThereAreSome) {
  const std::string page = page_of(small_model(), true);
  EXPECT_NE(page.find("Histograms"), page.npos);
  EXPECT_NE(page.find("Spread of the weights"), page.npos);
  EXPECT_NE(page.find("1 NaN"), page.npos);
  const JsonValue data = table_data(page);
  EXPECT_EQ(data.find("rows")->elements()[0].elements().size(),
            data.find("columns")->elements().size());
}

TEST(InspectHtml, LoadsNothingFromElsewhere) {
  const std::string page = page_of(small_model(), true);
  for (const char* piece : {"http:", "https:", "src=", "url(", "@import", "<link", "<iframe"})
    EXPECT_EQ(page.find(piece), std::string::npos) << piece;
}

// T15
TEST(InspectHtml, ForeignTextIsTextOnly) {
  const std::string attack = "</script><img src=x onerror=alert(1)>\"'&\x1b[2J\xE2\x80\xAE";
  ModelBuilder builder;
  builder.tensor(attack, DType::U8, {1}, "x");
  builder.tensor("model." + attack + ".3." + attack, DType::U8, {1}, "x");
  builder.metadata(attack, attack);
  builder.config(R"({"architectures": ["</title><script>alert(1)</script>"],
                     "model_type": "<b onclick=\"x\">"})");
  const std::string page = page_of(builder, true);
  EXPECT_EQ(page.find("<img"), page.npos);
  EXPECT_EQ(page.find("<script>alert"), page.npos);
  EXPECT_EQ(page.find("<b onclick"), page.npos);
  EXPECT_EQ(page.find('\x1b'), page.npos);
  EXPECT_EQ(page.find("\xE2\x80\xAE"), page.npos);
  EXPECT_EQ(count(page, "<script"), 2u) << "the data and the page's own";
  EXPECT_EQ(count(page, "</script"), 2u);
  // The data still says the name, as text.
  const JsonValue data = table_data(page);
  ASSERT_EQ(data.find("rows")->elements().size(), 2u);
  EXPECT_TRUE(data.find("rows")->elements()[0].elements()[0].as_string()->starts_with("</script>"));
}

std::string hex_of_base64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bits, hex;
  for (const char c : text.substr(0, text.find('=')))
    for (int bit = 5; bit >= 0; --bit) bits += kDigits.find(c) >> bit & 1 ? '1' : '0';
  for (size_t i = 0; i + 8 <= bits.size(); i += 8)
    for (size_t half : {i, i + 4})
      hex += "0123456789abcdef"[std::stoul(bits.substr(half, 4), nullptr, 2)];
  return hex;
}

std::string sha256(std::string_view text) {
  Digest digest;
  digest.update(text);
  return digest.hex();
}

TEST(InspectHtml, PolicyAllowsExactlyItsOwnScriptAndStyle) {
  const std::string page = page_of(small_model());
  const std::string_view policy = between(page, "content=\"default-src 'none'; ", "\">");
  EXPECT_EQ(policy.find("unsafe"), policy.npos);
  EXPECT_EQ(hex_of_base64(between(policy, "style-src 'sha256-", "'")), sha256(html::kStyle));
  EXPECT_EQ(hex_of_base64(between(policy, "script-src 'sha256-", "'")), sha256(html::kScript));
  EXPECT_EQ(between(page, "<style>", "</style>"), html::kStyle);
  EXPECT_EQ(between(page, "<script>", "</script>"), html::kScript);
  EXPECT_EQ(page.find(" style="), page.npos) << "the policy would refuse it";
  EXPECT_EQ(page.find(" onclick="), page.npos);
}

// T63
TEST(InspectHtml, SameModelSameBytes) {
  TempDir dir;
  small_model().write(dir.path());
  const Model first = open_model(dir.path()), second = open_model(dir.path());
  EXPECT_EQ(render_html(first, inspected(first)), render_html(second, inspected(second)));
}

TEST(InspectHtml, ManyTensorsAreCappedAndSaidSo) {
  ModelBuilder builder;
  for (int i = 0; i < 20'050; ++i)
    builder.tensor("layers." + std::to_string(i) + ".w", DType::U8, {1}, "x");
  builder.tensor("largest", DType::U8, {2}, "xy");
  const std::string page = page_of(builder);
  EXPECT_NE(page.find("The 20,000 largest of 20,051 tensors"), page.npos);
  EXPECT_EQ(table_data(page).find("rows")->elements().size(), 20'000u);
  EXPECT_NE(page.find("[\"largest\","), page.npos);
  EXPECT_LT(page.size(), 4u << 20);
}

TEST(InspectHtml, ForgedLayerNumbersDoNotGrowThePage) {
  ModelBuilder builder;
  builder.tensor("a.0.w", DType::U8, {1}, "x");
  builder.tensor("a.18446744073709551615.w", DType::U8, {1}, "x");
  for (int i = 0; i < 3000; ++i)
    builder.tensor("s" + std::to_string(i) + ".1.w", DType::U8, {1}, "x");
  const std::string page = page_of(builder);
  EXPECT_LT(page.size(), 1u << 20);
  EXPECT_NE(page.find("smaller stacks"), page.npos);
}

TEST(InspectHtml, ModelWithoutTensors) {
  const std::string page = page_of(ModelBuilder().metadata("format", "pt"));
  EXPECT_NE(page.find("</html>"), page.npos);
  EXPECT_EQ(page.find("nan"), page.npos);
}

}  // namespace
}  // namespace stkit::test
