#include "ops/quantize/selection.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "formats/ggml_types.h"
#include "kernels/decode.h"
#include "quant/estimate.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// Each of these types holds every value of the one beside it.
struct StandIn {
  DType dtype, stand_in;
};
constexpr StandIn kStandIns[] = {
    {DType::F4, DType::F16},          {DType::F6_E2M3, DType::F16},
    {DType::F6_E3M2, DType::F16},     {DType::F8_E5M2, DType::F16},
    {DType::F8_E4M3, DType::F16},     {DType::F8_E4M3FNUZ, DType::F16},
    {DType::F8_E5M2FNUZ, DType::F16}, {DType::F8_E8M0, DType::F32},
    {DType::BOOL, DType::I8},         {DType::U8, DType::I16},
    {DType::U16, DType::I32},         {DType::U32, DType::I64},
};

// What families of models call the matrix that makes logits, and the one that tokens look up.
constexpr std::string_view kOutputNames =
    "{,*.}{lm_head,output,embed_out,output_layer,output_projection}.weight";
constexpr std::string_view kEmbeddingNames =
    "{,*.}{embed_tokens,tok_embeddings,token_embd,wte,word_embeddings,embed_in}.weight";

// As choose_types() names them, too.
constexpr std::string_view kOutputOption = "--output-type";
constexpr std::string_view kEmbeddingOption = "--embedding-type";

struct PlainType {
  std::string_view name;
  DType dtype;
};
constexpr PlainType kPlainTypes[] = {
    {"f32", DType::F32}, {"f16", DType::F16}, {"bf16", DType::BF16}};

std::unexpected<Error> unknown_type(std::string_view type) {
  std::vector<std::string_view> names(isq_names().begin(), isq_names().end());
  for (const PlainType& plain : kPlainTypes) names.push_back(plain.name);
  const std::string_view meant = nearest(type, names);
  return fail(ErrorCode::Usage, fmt::format("no type '{}' to quantize to", printable(type)),
              meant.empty() ? fmt::format("one of: {}", fmt::join(names, ", "))
                            : fmt::format("did you mean '{}'?", meant));
}

}  // namespace

std::optional<DType> gguf_type_for(DType dtype) {
  if (ggml_id(dtype)) return dtype;
  const auto row = std::ranges::find(kStandIns, dtype, &StandIn::dtype);
  return row == std::end(kStandIns) ? std::nullopt : std::optional(row->stand_in);
}

Result<TypeSelection::Target> TypeSelection::parse_target(std::string_view type) {
  if (const quant::QuantType* quantized = quant::find_type(type)) return Target{quantized};
  const auto plain = std::ranges::find(kPlainTypes, lower_case(type), &PlainType::name);
  if (plain == std::end(kPlainTypes)) return unknown_type(type);
  return Target{nullptr, plain->dtype};
}

Result<TypeSelection> TypeSelection::make(const QuantizeOptions& options,
                                          QuantizeTarget container) {
  TypeSelection selection;
  selection.container_ = container;
  selection.pure_ = options.pure;
  selection.requantize_ = options.allow_requantize;
  STKIT_TRY(selection.choose_base(options));
  STKIT_TRY(selection.add_rules(options));
  return selection;
}

Result<void> TypeSelection::choose_base(const QuantizeOptions& options) {
  if (options.mix.empty()) {
    isq_ = quant::find_type(options.isq);
    if (isq_ == nullptr) return unknown_type(options.isq);
    mix_ = {isq_->isq, isq_->dtype, isq_->file_type};
    return {};
  }
  const quant::Mix* mix = quant::find_mix(options.mix);
  if (mix == nullptr) {
    const std::string_view meant = nearest(options.mix, mix_names());
    return fail(ErrorCode::Usage, fmt::format("no mix '{}'", printable(options.mix)),
                meant.empty() ? fmt::format("one of: {}", fmt::join(mix_names(), ", "))
                              : fmt::format("did you mean '{}'?", meant));
  }
  mix_ = *mix;
  return {};
}

Result<void> TypeSelection::add_rules(const QuantizeOptions& options) {
  for (const std::string& glob : options.keep)
    rules_.push_back({Glob(glob), {}, true, fmt::format("--keep '{}'", printable(glob))});
  for (const auto& [glob, type] : options.tensor_types) {
    STKIT_ASSIGN(const Target wanted, parse_target(type));
    rules_.push_back({Glob(glob), wanted, false,
                      fmt::format("--tensor-type '{}={}'", printable(glob), printable(type))});
  }
  const auto add_known = [](std::optional<KnownTensor>& known, std::string_view names,
                            std::string_view option, const std::string& type) -> Result<void> {
    if (type.empty()) return {};
    STKIT_ASSIGN(const Target wanted, parse_target(type));
    known = KnownTensor{Glob(names), wanted, fmt::format("{} {}", option, printable(type))};
    return {};
  };
  STKIT_TRY(add_known(output_, kOutputNames, kOutputOption, options.output_type));
  return add_known(embedding_, kEmbeddingNames, kEmbeddingOption, options.embedding_type);
}

bool TypeSelection::is_weight(DType dtype) const {
  const DTypeKind kind = info(dtype).kind;
  return kind == DTypeKind::Float ||
         (kind == DTypeKind::GgmlBlock && requantize_ && kernels::is_decoded(dtype));
}

TypeSelection::Rule* TypeSelection::rule_for(std::string_view name) {
  for (Rule& rule : rules_)
    if (rule.glob.matches(name)) return &rule;
  return nullptr;
}

void TypeSelection::apply(const Target& target, QuantizePlan::Tensor& tensor) const {
  tensor.to = target.plain;
  if (target.quantized == nullptr) return;
  const uint64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
  const DType wanted = target.quantized->dtype;
  tensor.to = quant::type_of_rows(*target.quantized, row);
  if (tensor.to == wanted) return;
  if (pure_) tensor.to = DType::F16;
  tensor.instead_of = wanted;
}

void TypeSelection::apply(const Rule& rule, DType own, QuantizePlan::Tensor& tensor) const {
  if (rule.keep)
    tensor.to = own;
  else
    apply(rule.target, tensor);
  tensor.rule = rule.option;
}

void TypeSelection::apply(const quant::MixChoice& choice, QuantizePlan::Tensor& tensor) {
  tensor.to = choice.dtype;
  tensor.instead_of = choice.instead_of;
  tensor.rule = choice.rule;
  if (isq_ != nullptr && pure_ && choice.instead_of) tensor.to = DType::F16;
  if (output_ && choice.rule == kOutputOption) output_->used = true;
  if (embedding_ && choice.rule == kEmbeddingOption) embedding_->used = true;
}

void TypeSelection::choose_by_own_name(DType own, QuantizePlan::Tensor& tensor) {
  if (Rule* rule = rule_for(tensor.name)) {
    rule->used = true;
    return apply(*rule, own, tensor);
  }
  for (auto* known : {&output_, &embedding_}) {
    if (!*known || !(*known)->names.matches(tensor.name)) continue;
    (*known)->used = true;
    tensor.rule = (*known)->option;
    return apply((*known)->target, tensor);
  }
  switch (quant::role_of({.name = tensor.name, .shape = tensor.shape})) {
    case quant::TensorRole::Matrix: tensor.rule = "base type"; return apply({isq_}, tensor);
    case quant::TensorRole::Vector:
      tensor.to = DType::F32;
      tensor.rule = "vector or norm";
      return;
    case quant::TensorRole::Other: break;
  }
  tensor.to = own;
  tensor.rule = "no weight";
}

void TypeSelection::choose_by_gguf_name(DType own, Naming naming, const quant::MixChoice& choice,
                                        QuantizePlan::Tensor& tensor) {
  Rule* rule = rule_for(tensor.name);
  const bool is_quantizable = quant::is_quantizable({tensor.name, tensor.shape});
  // Loaders want the others as they are, whatever glob they match.
  if (rule != nullptr && (rule->keep || is_quantizable || rule->target.quantized == nullptr)) {
    rule->used = true;
    return apply(*rule, own, tensor);
  }
  apply(choice, tensor);
  const bool is_vector =
      quant::role_of({.name = tensor.name, .shape = tensor.shape}) == quant::TensorRole::Vector;
  if (!is_quantizable && naming == Naming::Carried && !is_vector) tensor.to = own;
}

std::vector<quant::MixChoice> TypeSelection::mix_choices(const QuantizeInputs& inputs,
                                                         bool has_importance) {
  const quant::MixModel model{inputs.shape.architecture, inputs.shape.layers, inputs.shape.heads,
                              inputs.shape.kv_heads, inputs.shape.experts};
  std::vector<quant::MixTensor> tensors;
  for (const QuantizePlan::Tensor& tensor : inputs.tensors)
    tensors.push_back({tensor.name, tensor.shape});
  quant::MixOptions options;
  options.pure = pure_ || isq_ != nullptr;
  options.has_importance = has_importance;
  if (output_) options.output_type = output_->target.dtype();
  if (embedding_) options.embedding_type = embedding_->target.dtype();
  return quant::choose_types(mix_, model, tensors, options);
}

Result<void> TypeSelection::choose(QuantizeInputs& inputs, bool has_importance) {
  const bool own_names = inputs.naming == Naming::Own;
  if (own_names && isq_ == nullptr)
    return fail(ErrorCode::Usage,
                fmt::format("the mix {} goes by llama.cpp's names of tensors, which the output "
                            "does not have",
                            mix_.name),
                "--isq names one type for all weights");
  const auto choices =
      own_names ? std::vector<quant::MixChoice>() : mix_choices(inputs, has_importance);
  for (size_t i = 0; i < inputs.tensors.size(); ++i) {
    QuantizePlan::Tensor& tensor = inputs.tensors[i];
    const DType dtype = inputs.inputs[i].dtype;
    const auto own = container_ == QuantizeTarget::Gguf ? gguf_type_for(dtype) : dtype;
    if (!own)
      return fail(ErrorCode::Unsupported,
                  fmt::format("tensor '{}' is {}, which GGUF has no type for",
                              printable(tensor.name), name(dtype)));
    if (!is_weight(dtype)) {
      tensor.to = *own;
      tensor.rule = "no weight";
    } else if (own_names) {
      choose_by_own_name(*own, tensor);
    } else {
      choose_by_gguf_name(*own, inputs.naming, choices[i], tensor);
    }
  }
  return {};
}

std::vector<std::string> TypeSelection::unused_options() const {
  std::vector<std::string> sentences;
  const auto add = [&](const std::string& option, bool used) {
    if (!used) sentences.push_back(fmt::format("{} is for no tensor of the output", option));
  };
  for (const Rule& rule : rules_) add(rule.option, rule.used);
  for (const auto* known : {&output_, &embedding_})
    if (*known) add((*known)->option, (*known)->used);
  return sentences;
}

}  // namespace stkit
