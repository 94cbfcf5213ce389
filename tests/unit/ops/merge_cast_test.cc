// Tensors in another dtype, and what has to follow.
#include <cmath>
#include <cstring>

#include "merge_support.h"
#include "ops/merge/config_edit.h"

namespace stkit {
namespace {

using namespace test;

std::string floats(std::initializer_list<float> values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.begin(), bytes.size());
  return bytes;
}

std::string halves(std::initializer_list<uint16_t> codes) {
  std::string bytes(codes.size() * sizeof(uint16_t), '\0');
  std::memcpy(bytes.data(), codes.begin(), bytes.size());
  return bytes;
}

struct TensorBytes {
  DType dtype;
  std::string data;
  bool operator==(const TensorBytes&) const = default;
};

std::map<std::string, TensorBytes> tensors_of(const std::filesystem::path& path) {
  const Result<Model> model = Model::open(path.string());
  std::map<std::string, TensorBytes> tensors;
  for (const TensorInfo& tensor : model.value().tensors()) {
    std::string data(tensor.size_bytes, '\0');
    EXPECT_TRUE(
        model->read(tensor, 0, tensor.element_count, std::as_writable_bytes(std::span(data))));
    tensors[std::string(tensor.name)] = {tensor.dtype, data};
  }
  return tensors;
}

TEST(MergeCast, FloatsOnly) {
  TempDir dir;
  ModelBuilder()
      .tensor("f32", DType::F32, {3}, floats({1, -2.5f, 3.0e-3f}))
      .tensor("f16", DType::F16, {2}, halves({0x3C00, 0x0001}))
      .tensor("bf16", DType::BF16, {1}, halves({0x3F80}))
      .tensor("kept.norm", DType::F32, {1}, floats({1}))
      .tensor("e5m2", DType::F8_E5M2, {2}, "\x3C\x01")
      .tensor("ids", DType::I64, {2})
      .tensor("mask", DType::BOOL, {2})
      .tensor("scale", DType::F8_E8M0, {2})
      .tensor("packed", DType::F4, {2})
      .tensor("complex", DType::C64, {1})
      .tensor("scalar", DType::F32, {}, floats({2}))
      .tensor("none", DType::F32, {0})
      .shards(3)
      .write(dir / "in");
  const MergeRun run{
      .options = {.dtype = DType::BF16, .keep_dtype = {"*.norm"}, .sync = false, .verify = true}};
  const auto plan = MergePlan::make((dir / "in").string(), (dir / "out").string(), run.options);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->cast_tensors(), 5u);
  must_merge(dir / "in", dir / "out", run);
  const auto tensors = tensors_of(dir / "out");
  const auto source = tensors_of(dir / "in");
  EXPECT_EQ(tensors.at("f32"), (TensorBytes{DType::BF16, halves({0x3F80, 0xC020, 0x3B45})}));
  EXPECT_EQ(tensors.at("f16"), (TensorBytes{DType::BF16, halves({0x3F80, 0x3380})}));
  EXPECT_EQ(tensors.at("e5m2"), (TensorBytes{DType::BF16, halves({0x3F80, 0x3780})}));
  EXPECT_EQ(tensors.at("scalar"), (TensorBytes{DType::BF16, halves({0x4000})}));
  EXPECT_EQ(tensors.at("none"), (TensorBytes{DType::BF16, ""}));
  for (const std::string name : {"bf16", "kept.norm", "ids", "mask", "scale", "packed", "complex"})
    EXPECT_EQ(tensors.at(name), source.at(name)) << name;
}

// T63
TEST(MergeCast, SameBytesForAnyThreadsAndMemory) {
  TempDir dir;
  ModelBuilder()
      .tensor("big", DType::F32, {1000, 1101})
      .tensor("odd", DType::F16, {333, 7})
      .write(dir / "in");
  const MergeOptions options{.dtype = DType::BF16, .sync = false, .verify = true};
  const MergeReport one =
      must_merge(dir / "in", dir / "one", {.options = options, .run = {.threads = 1}});
  const MergeReport eight =
      must_merge(dir / "in", dir / "eight",
                 {.options = options, .run = {.threads = 8, .max_memory_bytes = 1}});
  EXPECT_TRUE(read_file(dir / "one/model.safetensors") ==
              read_file(dir / "eight/model.safetensors"));
  EXPECT_EQ(one.model_digest, eight.model_digest);
}

class MergeOverflow : public testing::Test {
 protected:
  MergeOverflow() {
    ModelBuilder()
        .tensor("a", DType::F32, {4}, floats({1, 65520, -1e6f, HUGE_VALF}))
        .tensor("b", DType::F32, {2}, floats({65519, 2}))
        .tensor("c", DType::F32, {1}, floats({1e30f}))
        .write(dir_ / "in");
  }
  MergeRun run(Overflow overflow, std::vector<std::string> keep = {}) {
    return {.options = {.dtype = DType::F16,
                        .keep_dtype = std::move(keep),
                        .on_overflow = overflow,
                        .sync = false,
                        .verify = true}};
  }
  TempDir dir_;
};

TEST_F(MergeOverflow, IsRefused) {
  const auto refused = try_merge(dir_ / "in", dir_ / "out", run(Overflow::Error));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Unsupported);
  EXPECT_EQ(refused.error().message,
            "2 values of tensor 'a' are beyond the range of F16; so are values of 1 more tensors");
  EXPECT_TRUE(names_below(dir_.path()) == std::set<std::string>{"in/model.safetensors"});
  const MergeReport kept = must_merge(dir_ / "in", dir_ / "out", run(Overflow::Error, {"a", "c"}));
  EXPECT_TRUE(kept.overflows.empty());
}

TEST_F(MergeOverflow, IsClampedOrMadeInfinite) {
  for (const Overflow overflow : {Overflow::Clamp, Overflow::Inf}) {
    const auto out = dir_ / std::string(overflow_names()[static_cast<size_t>(overflow)]);
    const auto plan = MergePlan::make((dir_ / "in").string(), out.string(), run(overflow).options);
    ASSERT_TRUE(plan);
    const auto report = merge(*plan, {});
    ASSERT_TRUE(report);
    ASSERT_EQ(report->overflows.size(), 2u);
    EXPECT_EQ(report->overflows[0].tensor, "a");
    EXPECT_EQ(report->overflows[0].values, 2u);
    EXPECT_EQ(report->overflows[1].tensor, "c");
    EXPECT_EQ(report->overflows[1].values, 1u);
    const uint16_t code = overflow == Overflow::Clamp ? 0x7BFF : 0x7C00;
    const auto tensors = tensors_of(out);
    const auto negative = static_cast<uint16_t>(code | 0x8000);
    EXPECT_EQ(tensors.at("a").data, halves({0x3C00, code, negative, 0x7C00}));
    EXPECT_EQ(tensors.at("b").data, halves({0x7BFF, 0x4000}));
    EXPECT_EQ(tensors.at("c").data, halves({code}));
  }
}

TEST(MergeCast, OnlyToWhatIsOffered) {
  TempDir dir;
  ModelBuilder().tensor("a", DType::F32, {4}).write(dir / "in");
  for (const DType dtype : {DType::I8, DType::F8_E8M0, DType::Q4_K, DType::F8_E4M3FNUZ}) {
    const auto refused = try_merge(dir / "in", dir / "out", {.options = {.dtype = dtype}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::Usage);
  }
  for (const DType dtype : cast_targets())
    must_merge(dir / "in", dir / std::string(name(dtype)),
               {.options = {.dtype = dtype, .sync = false, .verify = true}});
}

// Codes without their scales mean nothing, scales in another dtype something else.
TEST(MergeCast, QuantizedWeightsStay) {
  TempDir dir;
  ModelBuilder()
      .tensor("a.weight", DType::F8_E4M3, {4, 4})
      .tensor("a.weight_scale_inv", DType::F32, {1, 1})
      .tensor("norm.weight", DType::F32, {4})
      .config(R"({"quantization_config": {"quant_method": "fp8", "dtype": "float32"}})")
      .write(dir / "in");
  const MergeRun run{.options = {.dtype = DType::BF16, .sync = false}};
  must_merge(dir / "in", dir / "out", run);
  const auto tensors = tensors_of(dir / "out");
  EXPECT_EQ(tensors.at("a.weight").dtype, DType::F8_E4M3);
  EXPECT_EQ(tensors.at("a.weight_scale_inv").dtype, DType::F32);
  EXPECT_EQ(tensors.at("norm.weight").dtype, DType::BF16);
  EXPECT_EQ(read_file(dir / "out/config.json"), read_file(dir / "in/config.json"));
  const auto plan = MergePlan::make((dir / "in").string(), (dir / "new").string(), run.options);
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->warnings().size(), 1u);
  EXPECT_EQ(plan->warnings()[0],
            "the model is quantized (fp8): 2 tensors of 8-bit floats and scales keep their dtype");
}

TEST(MergeCast, ConfigFollows) {
  TempDir dir;
  ModelBuilder()
      .tensor("a", DType::F32, {4})
      .config("{\"torch_dtype\" : \"float32\" }")
      .write(dir / "in");
  must_merge(dir / "in", dir / "cast", {.options = {.dtype = DType::F16, .sync = false}});
  EXPECT_EQ(read_file(dir / "cast/config.json"), "{\"torch_dtype\" : \"float16\" }");
  // No tensor changed, so neither does the configuration.
  must_merge(dir / "in", dir / "same", {.options = {.dtype = DType::F32, .sync = false}});
  EXPECT_EQ(read_file(dir / "same/config.json"), "{\"torch_dtype\" : \"float32\" }");
}

TEST(ConfigEdit, KeepsEveryOtherByte) {
  struct Case {
    std::string_view before, after;
  };
  const Case cases[] = {
      {R"({})", R"({})"},
      {R"({"dtype":"float32","torch_dtype":null})",
       R"({"dtype":"bfloat16","torch_dtype":"bfloat16"})"},
      {"{\n\t\"a\" : [ {\"dtype\": \"float16\"} , 1e5, NaN ],\r\n \"dtype\" :\"auto\"}\n",
       "{\n\t\"a\" : [ {\"dtype\": \"bfloat16\"} , 1e5, NaN ],\r\n \"dtype\" :\"auto\"}\n"},
      {R"({"text_config":{"torch_dtype":"torch.float16"},"x":"\"dtype\": \"float32\""})",
       R"({"text_config":{"torch_dtype":"torch.bfloat16"},"x":"\"dtype\": \"float32\""})"},
      {R"({"quantization_config":{"dtype":"float16","a":[{"dtype":null}]},"dtype":"float16"})",
       R"({"quantization_config":{"dtype":"float16","a":[{"dtype":null}]},"dtype":"bfloat16"})"},
      {R"({"dtype":"int8","torch_dtype":{"dtype":["float32"]},"vision_dtype":"float32"})",
       R"({"dtype":"int8","torch_dtype":{"dtype":["float32"]},"vision_dtype":"float32"})"},
      {R"({"transformers_weights":"old.safetensors","x":{"transformers_weights":"old"}})",
       R"({"transformers_weights":"new","x":{"transformers_weights":"old"}})"},
      {R"({"a":{},"b":[],"c":[[]],"é":"\\","dtype":"float32"})",
       R"({"a":{},"b":[],"c":[[]],"é":"\\","dtype":"bfloat16"})"},
  };
  for (const Case& row : cases) EXPECT_EQ(edit_config(row.before, {DType::BF16, "new"}), row.after);
  EXPECT_EQ(edit_config(cases[1].before, {std::nullopt, "new"}), cases[1].before);
}

// Not reached with such text; it must end all the same.
TEST(ConfigEdit, AnyTextComesToAnEnd) {
  const std::string text = R"({"a":[1,{"dtype":"float32","b":null}],"c":"\"x\\"})";
  for (size_t length = 0; length <= text.size(); ++length) {
    edit_config(text.substr(0, length), {DType::BF16, "new"});
    std::string broken = text;
    if (length < text.size()) broken[length] = '"';
    edit_config(broken, {DType::BF16, "new"});
  }
}

}  // namespace
}  // namespace stkit
