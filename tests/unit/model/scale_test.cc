// Many shards over few descriptors.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>

#include "stkit/model.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"
#include "unit/model/findings.h"

namespace stkit::test {
namespace {

class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t limit) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit low{limit, before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &low);
  }
  ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

// T20
TEST(Scale, TenThousandShardsWith256Descriptors) {
  constexpr size_t kShards = 10'000;
  const TempDir dir;
  ModelBuilder builder;
  for (size_t i = 0; i < kShards; ++i)
    builder.tensor("t" + std::to_string(i), DType::U8, {1}, std::string(1, static_cast<char>(i)));
  builder.metadata("format", "pt").shards(kShards).write(dir.path());

  const DescriptorLimit limit(256);
  const Result<Model> model = Model::open(dir.path().string());
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->tensors().size(), kShards);
  EXPECT_EQ(listed(*model), std::vector<std::string>{});
  for (const size_t i : {size_t{0}, size_t{255}, size_t{256}, kShards - 1}) {
    std::byte value{};
    const TensorInfo* tensor = model->find("t" + std::to_string(i));
    ASSERT_NE(tensor, nullptr);
    ASSERT_TRUE(model->read(*tensor, 0, 1, std::span(&value, 1)));
    EXPECT_EQ(value, static_cast<std::byte>(i));
  }
  EXPECT_TRUE(model->check_unchanged());
}

}  // namespace
}  // namespace stkit::test
