#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf_reader.h"
#include "kernels/half.h"
#include "stkit/quantize.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"
#include "unit/kernels/quant_inputs.h"

namespace stkit::test {

inline std::string f32_bytes(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

// Weights as they are trained: a few hundredths, in both directions.
inline std::vector<float> weights(uint64_t seed, size_t count) {
  SplitMix64 random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.gaussian() * 0.02);
  return values;
}

inline std::string bf16_bytes(const std::vector<float>& values) {
  std::string bytes;
  for (const float value : values) {
    const uint16_t half = kernels::to_bf16(value);
    bytes.append(reinterpret_cast<const char*>(&half), sizeof(half));
  }
  return bytes;
}

// Every kind of tensor, and nothing that says what model they make: matrices of whole blocks and
// not, norms, biases, integers.
inline ModelBuilder mixed_model() {
  ModelBuilder builder;
  builder.tensor("model.embed_tokens.weight", DType::BF16, {40, 256},
                 bf16_bytes(weights(1, 40 * 256)));
  for (const char* layer : {"0", "1", "10", "2"}) {
    const std::string prefix = std::string("model.layers.") + layer;
    builder.tensor(prefix + ".q_proj.weight", DType::BF16, {48, 512},
                   bf16_bytes(weights(2, 48 * 512)));
    builder.tensor(prefix + ".down_proj.weight", DType::F32, {16, 288},
                   f32_bytes(weights(3, 16 * 288)));
    builder.tensor(prefix + ".q_proj.bias", DType::BF16, {48}, bf16_bytes(weights(4, 48)));
    builder.tensor(prefix + ".norm.weight", DType::BF16, {512}, bf16_bytes(weights(5, 512)));
  }
  builder.tensor("lm_head.weight", DType::F16, {40, 256},
                 ModelBuilder::data_of("lm_head", DType::F16, {40, 256}));
  builder.tensor("position_ids", DType::I64, {1, 16});
  return builder;
}

inline QuantizePlan planned(const std::filesystem::path& model, const std::filesystem::path& output,
                            const QuantizeOptions& options = {}) {
  auto plan = QuantizePlan::make(model.string(), output.string(), options);
  if (!plan) throw std::runtime_error(plan.error().message);
  return std::move(*plan);
}

inline QuantizeReport quantized(const std::filesystem::path& model,
                                const std::filesystem::path& output,
                                const QuantizeOptions& options = {}, const RunOptions& run = {}) {
  auto report = quantize(planned(model, output, options), run);
  if (!report) throw std::runtime_error(report.error().message);
  return std::move(*report);
}

inline Error quantize_error(const std::filesystem::path& model, const std::filesystem::path& output,
                            const QuantizeOptions& options = {}, const RunOptions& run = {}) {
  auto plan = QuantizePlan::make(model.string(), output.string(), options);
  if (!plan) return plan.error();
  auto report = quantize(*plan, run);
  if (report) throw std::runtime_error("it works");
  return report.error();
}

// A GGUF file, read by the library's own reader.
struct GgufFile {
  explicit GgufFile(const std::filesystem::path& path) : bytes(read_file(path)) {
    file = open_memory_file(path.string(), std::as_bytes(std::span(bytes)));
    auto read = read_gguf_header(*file, 1 << 20);
    if (!read) throw std::runtime_error(read.error().message);
    header = std::move(*read);
    EXPECT_TRUE(header.findings.empty()) << header.findings.front().message;
  }
  const TensorInfo& tensor(std::string_view name) const {
    for (const TensorInfo& tensor : header.tensors)
      if (tensor.name == name) return tensor;
    throw std::runtime_error("no tensor " + std::string(name));
  }
  std::string data(std::string_view name) const {
    return bytes.substr(tensor(name).offset_bytes, tensor(name).size_bytes);
  }

  std::string bytes;
  std::unique_ptr<RandomAccessFile> file;
  GgufHeader header;
};

inline const QuantizePlan::Tensor& tensor_of(const QuantizePlan& plan, std::string_view name) {
  for (const QuantizePlan::Tensor& tensor : plan.tensors())
    if (tensor.name == name) return tensor;
  throw std::runtime_error("no tensor " + std::string(name));
}

}  // namespace stkit::test
