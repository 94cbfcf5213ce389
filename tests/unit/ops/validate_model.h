// Models small enough to write by the hundred, shaped like real ones.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stkit/validate.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace stkit::test {

struct TinyModel {
  struct Tensor {
    DType dtype = DType::BF16;
    std::vector<uint64_t> shape;
    std::optional<std::string> data;
  };
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> config;  // values are JSON text; no config.json when empty
  std::map<std::string, std::string> files;   // beside the weights
  std::map<std::string, std::string> metadata = {{"format", "pt"}};
  size_t shards = 1;

  void add(std::string name, std::vector<uint64_t> shape, DType dtype = DType::BF16) {
    tensors[std::move(name)] = {dtype, std::move(shape), {}};
  }
  // `%` in a name stands for each layer.
  void add_layers(size_t count, std::string_view name, std::vector<uint64_t> shape,
                  DType dtype = DType::BF16);
  void write(const std::filesystem::path& folder) const;
};

// A tokenizer of `tokens` ordinary tokens, and added ones behind them.
std::string tokenizer_json(uint64_t tokens, const std::vector<std::string>& added = {});

// A sound bundle: 4 layers, hidden 8, 2 heads of 4, 1 key-value head, MLP 16, 32 tokens.
TinyModel llama();
// The layers' tensors with these prefixes, as in llama(): "model.layers.", "model.".
void add_llama_tensors(TinyModel& model, size_t layers, const std::string& stack,
                       const std::string& outer);

ValidateReport run_validate(const std::filesystem::path& reference,
                            const ValidateOptions& options = {}, const RunOptions& run = {});

// "CF003 error config.json: message" a line, for messages of failing tests.
std::string listing(const ValidateReport& report);

const Finding* find(const ValidateReport& report, Check check);

}  // namespace stkit::test
