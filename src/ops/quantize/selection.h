// Which tensor becomes which type.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/glob.h"
#include "quant/types.h"
#include "stkit/dtype.h"
#include "stkit/error.h"
#include "stkit/quantize.h"
#include "stkit/tensor.h"

namespace stkit {

struct TypeChoice {
  DType type = DType::F32;
  std::optional<DType> instead_of;  // the type that the tensor's rows are no whole blocks of
};

// The smallest type of GGUF that holds all values of `dtype`: itself, where GGUF has it. Nothing
// for U64 and C64.
std::optional<DType> gguf_type_for(DType dtype);

class TypeSelection {
 public:
  static Result<TypeSelection> make(const QuantizeOptions& options, QuantizeTarget container);
  // The tensors have the names that llama.cpp gives them.
  void expect_gguf_names() { gguf_names_ = true; }

  // Nothing when the container has no type for its values. The globs that matched are remembered.
  std::optional<TypeChoice> choose(const TensorInfo& tensor);

  QuantizeTarget container() const { return container_; }
  const quant::QuantType& base() const { return *base_; }
  // A sentence for each option that no tensor was meant by.
  std::vector<std::string> unused_options() const;

 private:
  bool is_weight(const TensorInfo& tensor) const;

  // A type that rows get: quantized, or a plain one.
  struct Target {
    const quant::QuantType* quantized = nullptr;
    DType plain = DType::F32;
  };
  struct Rule {
    Glob glob;
    Target target;
    bool keep = false;
    std::string option;  // as the user wrote it
    bool used = false;
  };

  static Result<Target> parse_target(std::string_view type);
  TypeChoice apply(const Target& target, const TensorInfo& tensor) const;

  const quant::QuantType* base_ = nullptr;
  bool pure_ = false;
  bool requantize_ = false;
  bool gguf_names_ = false;
  QuantizeTarget container_ = QuantizeTarget::Gguf;
  std::vector<Rule> rules_;  // the first that matches counts
};

}  // namespace stkit
