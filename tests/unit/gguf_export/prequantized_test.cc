#include "gguf_export/prequantized.h"

#include <gtest/gtest.h>

#include <cstring>

#include "export_model.h"

namespace stkit::gguf_export {
namespace {

std::string with_quantization(std::string_view quantization) {
  std::string config(kLlamaConfig);
  config.insert(config.rfind('}'), ", \"quantization_config\": " + std::string(quantization));
  return config;
}

std::string floats(std::vector<float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

TEST(Prequantized, WhatCannotBeReadBackIsRefusedBeforeAnything) {
  struct Case {
    const char* method;
    const char* message;
  };
  for (const Case& c : {Case{"gptq", "integers of GPTQ"}, Case{"awq", "integers of AWQ"},
                        Case{"bitsandbytes", "weights of bitsandbytes"},
                        Case{"mxfp4", "4-bit blocks"}, Case{"hqq", "by the method 'hqq'"}}) {
    ExportModel source(llama_builder(),
                       with_quantization(std::string(R"({"quant_method": ")") + c.method + "\"}"));
    const auto plan = source.plan();
    ASSERT_FALSE(plan) << c.method;
    EXPECT_EQ(plan.error().code, ErrorCode::Unsupported);
    EXPECT_NE(plan.error().message.find(c.message), std::string::npos) << plan.error().message;
    EXPECT_NE(plan.error().hint.find("original"), std::string::npos);
  }
}

// Queries of value 1.0 (0x38) as 8-bit floats, with the scales that the case has.
ExportModel fp8_model(std::vector<uint64_t> scale_shape, std::vector<float> scales,
                      const char* ending = "_scale_inv") {
  test::ModelBuilder builder = llama_builder();
  const std::string name = "model.layers.0.mlp.gate_proj.weight";
  test::ModelBuilder without;
  without.tensor("model.embed_tokens.weight", DType::BF16, {6, 8})
      .tensor(name, DType::F8_E4M3, {3, 5}, std::string(15, '\x38'))
      .tensor(name + ending, DType::F32, std::move(scale_shape), floats(std::move(scales)))
      .tensor("model.layers.0.self_attn.input_scale", DType::F32, {1})
      .tensor("model.layers.1.mlp.up_proj.weight", DType::BF16, {12, 8});
  return {without, with_quantization(R"({"quant_method": "fp8", "weight_block_size": [2, 3]})")};
}

std::vector<float> gate_of(ExportModel& source) {
  const auto plan = source.plan();
  EXPECT_TRUE(plan) << plan.error().message;
  if (!plan) return {};
  EXPECT_EQ(plan->tensors.size(), 3u) << "scales are no tensors of their own";
  return elements(source.model(), find_tensor(*plan, "blk.0.ffn_gate.weight")->source);
}

TEST(Prequantized, ScalesOfBlocks) {
  ExportModel source = fp8_model({2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(gate_of(source), (std::vector<float>{1, 1, 1, 2, 2, 1, 1, 1, 2, 2, 3, 3, 3, 4, 4}));
}

TEST(Prequantized, ScalesOfRows) {
  ExportModel source = fp8_model({3, 1}, {1, 2, 3}, "_scale");
  EXPECT_EQ(gate_of(source), (std::vector<float>{1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3}));
}

TEST(Prequantized, OneScale) {
  ExportModel source = fp8_model({}, {0.5});
  EXPECT_EQ(gate_of(source), std::vector<float>(15, 0.5f));
}

TEST(Prequantized, ScalesThatDoNotFitAreRefused) {
  ExportModel source = fp8_model({2, 3}, {1, 2, 3, 4, 5, 6});
  const auto plan = source.plan();
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, ErrorCode::Corrupt);
  EXPECT_NE(plan.error().message.find("do not fit blocks of 2 x 3"), std::string::npos);
}

}  // namespace
}  // namespace stkit::gguf_export
