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

// What llama.cpp computes with as it is, under its own names.
constexpr std::string_view kNeverQuantized =
    "*{ffn_gate_inp.weight,altup,laurel,per_layer_model_proj,ssm_conv1d,shortconv.conv.weight,"
    "time_mix_{first,w0,w1,w2,v0,v1,v2,a0,a1,a2,g1,g2,decay_w1,decay_w2,lerp_fused}.weight,"
    "attn_rel_b.weight,.position_embd,position_embd.weight,token_types.weight,sam.pos_embd,"
    "sam.neck.,sam.net_,.rel_pos,.patch_embd,.patch_merger}*";

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

const Glob& never_quantized() {
  static const Glob kGlob(kNeverQuantized);
  return kGlob;
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
  selection.base_ = quant::find_type(options.isq);
  if (selection.base_ == nullptr) return unknown_type(options.isq);
  selection.pure_ = options.pure;
  selection.requantize_ = options.allow_requantize;

  std::vector<Rule>& rules = selection.rules_;
  for (const std::string& glob : options.keep)
    rules.push_back({Glob(glob), {}, true, fmt::format("--keep '{}'", printable(glob))});
  for (const auto& [glob, type] : options.tensor_types) {
    STKIT_ASSIGN(const Target wanted, parse_target(type));
    rules.push_back({Glob(glob), wanted, false,
                     fmt::format("--tensor-type '{}={}'", printable(glob), printable(type))});
  }
  const auto add_named = [&](const std::string& type, std::string_view names,
                             std::string_view option) -> Result<void> {
    if (type.empty()) return {};
    STKIT_ASSIGN(const Target wanted, parse_target(type));
    rules.push_back({Glob(names), wanted, false, fmt::format("{} {}", option, printable(type))});
    return {};
  };
  STKIT_TRY(add_named(options.output_type, kOutputNames, "--output-type"));
  STKIT_TRY(add_named(options.embedding_type, kEmbeddingNames, "--embedding-type"));
  return selection;
}

TypeChoice TypeSelection::apply(const Target& target, const TensorInfo& tensor) const {
  if (target.quantized == nullptr) return {target.plain, std::nullopt};
  const uint64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
  const DType wanted = target.quantized->dtype;
  DType type = quant::type_of_rows(*target.quantized, row);
  if (type != wanted && pure_) type = DType::F16;
  return {type, type == wanted ? std::nullopt : std::optional(wanted)};
}

bool TypeSelection::is_weight(const TensorInfo& tensor) const {
  const DTypeKind kind = info(tensor.dtype).kind;
  return kind == DTypeKind::Float ||
         (kind == DTypeKind::GgmlBlock && requantize_ && kernels::is_decoded(tensor.dtype));
}

std::optional<TypeChoice> TypeSelection::choose(const TensorInfo& tensor) {
  const std::optional<DType> own =
      container_ == QuantizeTarget::Gguf ? gguf_type_for(tensor.dtype) : tensor.dtype;
  if (!own) return std::nullopt;
  if (!is_weight(tensor)) return TypeChoice{*own, std::nullopt};
  for (Rule& rule : rules_) {
    if (!rule.glob.matches(tensor.name)) continue;
    rule.used = true;
    return rule.keep ? TypeChoice{*own, std::nullopt} : apply(rule.target, tensor);
  }
  if (gguf_names_ && never_quantized().matches(tensor.name)) return TypeChoice{*own, std::nullopt};
  switch (quant::role_of(tensor)) {
    case quant::TensorRole::Matrix: return apply({base_}, tensor);
    case quant::TensorRole::Vector: return TypeChoice{DType::F32, std::nullopt};
    case quant::TensorRole::Other: break;
  }
  return TypeChoice{*own, std::nullopt};
}

std::vector<std::string> TypeSelection::unused_options() const {
  std::vector<std::string> sentences;
  for (const Rule& rule : rules_)
    if (!rule.used)
      sentences.push_back(fmt::format("{} is for no tensor of the model", rule.option));
  return sentences;
}

}  // namespace stkit
