// Which tensor becomes which type.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/glob.h"
#include "ops/quantize/inputs.h"
#include "quant/mix.h"
#include "quant/types.h"
#include "stkit/dtype.h"
#include "stkit/error.h"
#include "stkit/quantize.h"
#include "stkit/tensor.h"

namespace stkit {

// The smallest type of GGUF that holds all values of `dtype`: itself, where GGUF has it. Nothing
// for U64 and C64.
std::optional<DType> gguf_type_for(DType dtype);

class TypeSelection {
 public:
  static Result<TypeSelection> make(const QuantizeOptions& options, QuantizeTarget container);

  // Sets `to`, `instead_of` and `rule` of every tensor. Unsupported where the container has no type
  // for its values, Usage where a mix is wanted of names that it does not know. The options that
  // were of use are remembered. Call it once.
  Result<void> choose(QuantizeInputs& inputs, bool has_importance);

  QuantizeTarget container() const { return container_; }
  uint32_t file_type() const { return mix_.file_type; }  // general.file_type
  // A sentence for each option that no tensor was meant by.
  std::vector<std::string> unused_options() const;

 private:
  // A type that rows get: quantized, or a plain one.
  struct Target {
    const quant::QuantType* quantized = nullptr;
    DType plain = DType::F32;

    DType dtype() const { return quantized == nullptr ? plain : quantized->dtype; }
  };
  struct Rule {
    Glob glob;
    Target target;
    bool keep = false;
    std::string option;  // as the user wrote it
    bool used = false;
  };
  // The same for a tensor that every family of models has, by what they call it.
  struct KnownTensor {
    Glob names;
    Target target;
    std::string option;
    bool used = false;
  };

  static Result<Target> parse_target(std::string_view type);
  Result<void> add_rules(const QuantizeOptions& options);
  Result<void> choose_base(const QuantizeOptions& options);
  bool is_weight(DType dtype) const;
  Rule* rule_for(std::string_view name);
  void apply(const Target& target, QuantizePlan::Tensor& tensor) const;
  void apply(const Rule& rule, DType own, QuantizePlan::Tensor& tensor) const;
  void apply(const quant::MixChoice& choice, QuantizePlan::Tensor& tensor);
  void choose_by_own_name(DType own, QuantizePlan::Tensor& tensor);
  void choose_by_gguf_name(DType own, Naming naming, const quant::MixChoice& choice,
                           QuantizePlan::Tensor& tensor);
  std::vector<quant::MixChoice> mix_choices(const QuantizeInputs& inputs, bool has_importance);

  quant::Mix mix_ = {};                    // the one that was named, or one of the type alone
  const quant::QuantType* isq_ = nullptr;  // null: a mix was named
  bool pure_ = false;
  bool requantize_ = false;
  QuantizeTarget container_ = QuantizeTarget::Gguf;
  std::vector<Rule> rules_;  // the first that matches counts
  std::optional<KnownTensor> output_, embedding_;
};

}  // namespace stkit
