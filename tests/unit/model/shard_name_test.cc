#include "model/shard_name.h"

#include <gtest/gtest.h>

namespace stkit {
namespace {

TEST(ShardName, IsTakenApart) {
  const auto shard = parse_shard_name("model-00002-of-00005.fp16.safetensors");
  ASSERT_TRUE(shard);
  EXPECT_EQ(shard->stem, "model");
  EXPECT_EQ(shard->number, 2u);
  EXPECT_EQ(shard->count, 5u);
  EXPECT_EQ(shard->digits, 5u);
  EXPECT_EQ(shard->suffix, ".fp16.safetensors");
  EXPECT_EQ(set_pattern(*shard), "model-*-of-00005.fp16.safetensors");
}

TEST(ShardName, TakesTheLastPairOfNumbers) {
  const auto shard = parse_shard_name("best-of-3-00001-of-00002.safetensors");
  ASSERT_TRUE(shard);
  EXPECT_EQ(shard->stem, "best-of-3");
  EXPECT_EQ(shard->count, 2u);
}

TEST(ShardName, RefusesWhatOnlyLooksAlike) {
  for (const std::string_view name :
       {"", "model.safetensors", "-of-", "model-of-5", "model-1-of-", "1-of-2", "model1-of-2",
        "model-3-of-2", "model-0-of-0", "model-000000001-of-000000002",
        "model-99999999999999999999-of-99999999999999999999"})
    EXPECT_FALSE(parse_shard_name(name)) << name;
}

TEST(ShardName, SetsDifferInStemCountAndSuffix) {
  const auto key = [](std::string_view name) { return parse_shard_name(name)->set_key(); };
  EXPECT_EQ(key("m-1-of-3.safetensors"), key("m-2-of-3.safetensors"));
  EXPECT_NE(key("m-1-of-3.safetensors"), key("n-1-of-3.safetensors"));
  EXPECT_NE(key("m-1-of-3.safetensors"), key("m-1-of-4.safetensors"));
  EXPECT_NE(key("m-1-of-3.safetensors"), key("m-1-of-03.safetensors"));
  EXPECT_NE(key("m-1-of-3.safetensors"), key("m-1-of-3.fp16.safetensors"));
}

}  // namespace
}  // namespace stkit
