#include "gguf_export/arrange.h"

#include <gtest/gtest.h>

#include <functional>

#include "export_model.h"

namespace stkit::gguf_export {
namespace {

// A tensor of 0, 1, 2, ... and a configuration.
class Arranging {
 public:
  Arranging(std::vector<uint64_t> shape, const char* config, const char* name = "w.weight")
      : config_(*JsonValue::parse(config)), hyper_(config_, {}) {
    std::vector<float> values(*element_count(shape));
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
    test::ModelBuilder()
        .tensor(name, DType::F32, std::move(shape),
                {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)})
        .write(dir_.path());
    model_.emplace(*Model::open(dir_.path().string()));
  }
  Result<Arranged> operator()(Arrange how) const {
    return arrange(how, model_->tensors()[0], 0, hyper_);
  }
  // The input's rows of `width` that the output is made of; each must be there as a whole.
  std::vector<size_t> rows(Arrange how, size_t width) const {
    const std::vector<float> values = this->values(how);
    std::vector<size_t> rows;
    for (size_t i = 0; i < values.size(); i += width) {
      rows.push_back(static_cast<size_t>(values[i]) / width);
      for (size_t j = 0; j < width; ++j)
        EXPECT_EQ(values[i + j], static_cast<float>(rows.back() * width + j));
    }
    return rows;
  }
  std::vector<float> values(Arrange how) const {
    const auto arranged = (*this)(how);
    EXPECT_TRUE(arranged) << arranged.error().message;
    if (!arranged) return {};
    const auto values = elements(*model_, {.boxes = arranged->boxes});
    EXPECT_EQ(*element_count(arranged->shape), values.size());
    return values;
  }

 private:
  test::TempDir dir_;
  std::optional<Model> model_;
  JsonValue config_;
  HyperParameters hyper_;
};

using Rows = std::vector<size_t>;
using Dimensions = std::vector<uint64_t>;

constexpr const char* kHeads =
    R"({"num_attention_heads":4,"num_key_value_heads":2,"hidden_size":8})";

TEST(Arrange, RotaryPairs) {
  const Arranging queries({16, 3}, kHeads);
  EXPECT_EQ(queries.rows(Arrange::RotaryPairsQ, 3),
            (Rows{0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15}));
  EXPECT_EQ(queries.rows(Arrange::RotaryPairsK, 3),
            (Rows{0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15}));
  const Arranging bias({8}, kHeads);
  EXPECT_EQ(bias.rows(Arrange::RotaryPairsK, 1), (Rows{0, 2, 1, 3, 4, 6, 5, 7}));
  EXPECT_FALSE(Arranging({10, 3}, kHeads)(Arrange::RotaryPairsQ));
}

TEST(Arrange, Transpose) {
  const Arranging matrix({2, 3}, "{}");
  EXPECT_EQ(matrix(Arrange::Transpose)->shape, (Dimensions{3, 2}));
  EXPECT_EQ(matrix.values(Arrange::Transpose), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  const Arranging stack({2, 2, 3}, "{}");
  EXPECT_EQ(stack.values(Arrange::Transpose),
            (std::vector<float>{0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11}));
  EXPECT_FALSE(Arranging({5}, "{}")(Arrange::Transpose));
}

TEST(Arrange, Halves) {
  const Arranging stack({2, 4, 3}, "{}");
  EXPECT_EQ(stack(Arrange::FirstHalf)->shape, (Dimensions{2, 2, 3}));
  EXPECT_EQ(stack.rows(Arrange::FirstHalf, 3), (Rows{0, 1, 4, 5}));
  EXPECT_EQ(stack.rows(Arrange::SecondHalf, 3), (Rows{2, 3, 6, 7}));
  EXPECT_FALSE(Arranging({3, 3}, "{}")(Arrange::FirstHalf));
}

TEST(Arrange, EveryOther) {
  const Arranging stack({2, 4, 3}, "{}");
  EXPECT_EQ(stack.rows(Arrange::EvenRows, 3), (Rows{0, 2, 4, 6}));
  EXPECT_EQ(stack.rows(Arrange::OddRows, 3), (Rows{1, 3, 5, 7}));
  const Arranging biases({2, 4}, "{}", "gate_up_proj_bias");
  EXPECT_EQ(biases(Arrange::OddRows)->shape, (Dimensions{2, 2}));
  EXPECT_EQ(biases.values(Arrange::OddRows), (std::vector<float>{1, 3, 5, 7}));
  const Arranging columns({1, 2, 4}, "{}");
  EXPECT_EQ(columns(Arrange::OddColumns)->shape, (Dimensions{1, 2, 2}));
  EXPECT_EQ(columns.values(Arrange::EvenColumns), (std::vector<float>{0, 4, 2, 6}));
  EXPECT_EQ(columns.values(Arrange::OddColumns), (std::vector<float>{1, 5, 3, 7}));
}

TEST(Arrange, QueriesKeysAndValues) {
  const Arranging heads({12, 2}, R"({"num_attention_heads":2,"hidden_size":4})");
  EXPECT_EQ(heads.rows(Arrange::HeadsToQkv, 2), (Rows{0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11}));
  const Arranging groups({8, 2}, kHeads);  // two groups of two queries, a key and a value
  EXPECT_EQ(groups.rows(Arrange::GroupsToQkv, 2), (Rows{0, 1, 4, 5, 2, 6, 3, 7}));
  EXPECT_FALSE(Arranging({9, 2}, kHeads)(Arrange::GroupsToQkv));
}

TEST(Arrange, KeysAndValuesOfALatentMatrix) {
  const Arranging latent({6, 4}, R"({"num_attention_heads":2,"num_key_value_heads":2,
                                     "qk_nope_head_dim":1,"v_head_dim":2})");
  EXPECT_EQ(latent(Arrange::KeyHalf)->shape, (Dimensions{2, 4, 1}));
  EXPECT_EQ(latent.values(Arrange::KeyHalf), (std::vector<float>{0, 1, 2, 3, 12, 13, 14, 15}));
  EXPECT_EQ(latent(Arrange::ValueHalf)->shape, (Dimensions{2, 2, 4}));
  EXPECT_EQ(latent.rows(Arrange::ValueHalf, 4), (Rows{1, 2, 4, 5}));
}

TEST(Arrange, AfterPadding) {
  const Arranging positions({5, 2}, R"({"pad_token_id":1})");
  EXPECT_EQ(positions(Arrange::AfterPadding)->shape, (Dimensions{3, 2}));
  EXPECT_EQ(positions.rows(Arrange::AfterPadding, 2), (Rows{2, 3, 4}));
  EXPECT_FALSE(Arranging({2, 2}, R"({"pad_token_id":1})")(Arrange::AfterPadding));
}

}  // namespace
}  // namespace stkit::gguf_export
