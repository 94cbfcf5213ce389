// config.json's sizes against tensor shapes, for model types whose naming and layout are known to
// be those of Llama. Others use the same names with other meanings (a gate doubles q_proj, latent
// attention splits it), so a type is listed here only when its reference code was looked at.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "base/checked_math.h"
#include "ops/validate/checks.h"

namespace stkit {
namespace {

// What a dimension of a tensor is made of.
enum class Dim : uint8_t {
  Hidden,
  Vocab,
  Query,
  KeyValue,
  Head,
  Mlp,
  FusedMlp,
  Fused,
  Expert,
  SharedExpert,
  kCount
};

// Which groups of rules hold for a model type.
enum Rules : unsigned {
  kBase = 1,         // embedding, head, norms
  kAttention = 2,    // q, k, v, o and their fused form
  kHeadNorm = 4,     // q_norm and k_norm of one head's size
  kDenseMlp = 8,     // gate, up, down of intermediate_size
  kMoeExperts = 16,  // experts of moe_intermediate_size
  kMixtral = 32,     // experts of intermediate_size, named w1, w2, w3
};

// What an absent key means: the default of the model type's configuration class.
enum class HeadDim : uint8_t { HiddenByHeads, Unknown };
enum class KvHeads : uint8_t { AsHeads, Unknown };

struct Family {
  std::string_view model_type;
  unsigned rules;
  HeadDim head_dim;
  KvHeads kv_heads;
};

constexpr unsigned kLlama = kBase | kAttention | kDenseMlp;
constexpr Family kFamilies[] = {
    {"llama", kLlama, HeadDim::HiddenByHeads, KvHeads::AsHeads},
    {"mistral", kLlama, HeadDim::HiddenByHeads, KvHeads::Unknown},
    {"mixtral", kBase | kAttention | kMixtral, HeadDim::HiddenByHeads, KvHeads::Unknown},
    {"qwen2", kLlama, HeadDim::HiddenByHeads, KvHeads::Unknown},
    {"qwen2_moe", kLlama | kMoeExperts, HeadDim::HiddenByHeads, KvHeads::Unknown},
    {"qwen2_vl", kLlama, HeadDim::HiddenByHeads, KvHeads::Unknown},
    {"qwen2_vl_text", kLlama, HeadDim::HiddenByHeads, KvHeads::Unknown},
    {"qwen2_5_vl", kLlama, HeadDim::HiddenByHeads, KvHeads::Unknown},
    {"qwen2_5_vl_text", kLlama, HeadDim::HiddenByHeads, KvHeads::Unknown},
    {"qwen3", kLlama | kHeadNorm, HeadDim::Unknown, KvHeads::Unknown},
    {"qwen3_moe", kLlama | kHeadNorm | kMoeExperts, HeadDim::Unknown, KvHeads::Unknown},
    {"qwen3_vl_text", kLlama | kHeadNorm, HeadDim::Unknown, KvHeads::Unknown},
    {"gemma", kLlama, HeadDim::Unknown, KvHeads::Unknown},
    {"gemma2", kLlama, HeadDim::Unknown, KvHeads::Unknown},
    {"gemma3_text", kLlama | kHeadNorm, HeadDim::Unknown, KvHeads::Unknown},
    {"phi3", kLlama, HeadDim::HiddenByHeads, KvHeads::AsHeads},
    {"granite", kLlama, HeadDim::HiddenByHeads, KvHeads::AsHeads},
    {"smollm3", kLlama, HeadDim::HiddenByHeads, KvHeads::Unknown},
    {"cohere", kLlama, HeadDim::HiddenByHeads, KvHeads::AsHeads},
    {"olmo2", kLlama, HeadDim::HiddenByHeads, KvHeads::AsHeads},
    {"stablelm", kLlama, HeadDim::HiddenByHeads, KvHeads::Unknown},
    {"deepseek_v2", kBase | kDenseMlp | kMoeExperts, HeadDim::Unknown, KvHeads::Unknown},
    {"deepseek_v3", kBase | kDenseMlp | kMoeExperts, HeadDim::Unknown, KvHeads::Unknown},
    {"glm4_moe", kLlama | kMoeExperts, HeadDim::Unknown, KvHeads::Unknown},
    {"gpt_oss", kBase | kAttention, HeadDim::Unknown, KvHeads::Unknown},
};
// Every other type: its embedding and final norm are hidden_size wide as far as anyone has seen,
// so a contradiction is worth a warning. Not so the rows: Llama 3.2 Vision has 8 above vocab_size.
constexpr Family kOthers{"", kBase, HeadDim::Unknown, KvHeads::Unknown};

struct Rule {
  unsigned rules;
  std::string_view name;  // behind the layer's index, or of a tensor outside the layers
  std::array<Dim, 2> dims;
  uint8_t rank;
};

constexpr Rule kLayerRules[] = {
    {kAttention, "self_attn.q_proj.weight", {Dim::Query, Dim::Hidden}, 2},
    {kAttention, "self_attn.k_proj.weight", {Dim::KeyValue, Dim::Hidden}, 2},
    {kAttention, "self_attn.v_proj.weight", {Dim::KeyValue, Dim::Hidden}, 2},
    {kAttention, "self_attn.o_proj.weight", {Dim::Hidden, Dim::Query}, 2},
    {kAttention, "self_attn.qkv_proj.weight", {Dim::Fused, Dim::Hidden}, 2},
    {kAttention, "self_attn.q_proj.bias", {Dim::Query}, 1},
    {kAttention, "self_attn.k_proj.bias", {Dim::KeyValue}, 1},
    {kAttention, "self_attn.v_proj.bias", {Dim::KeyValue}, 1},
    {kHeadNorm, "self_attn.q_norm.weight", {Dim::Head}, 1},
    {kHeadNorm, "self_attn.k_norm.weight", {Dim::Head}, 1},
    {kDenseMlp, "mlp.gate_proj.weight", {Dim::Mlp, Dim::Hidden}, 2},
    {kDenseMlp, "mlp.up_proj.weight", {Dim::Mlp, Dim::Hidden}, 2},
    {kDenseMlp, "mlp.down_proj.weight", {Dim::Hidden, Dim::Mlp}, 2},
    {kDenseMlp, "mlp.gate_up_proj.weight", {Dim::FusedMlp, Dim::Hidden}, 2},
    {kMoeExperts, "mlp.experts.#.gate_proj.weight", {Dim::Expert, Dim::Hidden}, 2},
    {kMoeExperts, "mlp.experts.#.up_proj.weight", {Dim::Expert, Dim::Hidden}, 2},
    {kMoeExperts, "mlp.experts.#.down_proj.weight", {Dim::Hidden, Dim::Expert}, 2},
    {kMoeExperts, "mlp.shared_expert.gate_proj.weight", {Dim::SharedExpert, Dim::Hidden}, 2},
    {kMoeExperts, "mlp.shared_expert.up_proj.weight", {Dim::SharedExpert, Dim::Hidden}, 2},
    {kMoeExperts, "mlp.shared_expert.down_proj.weight", {Dim::Hidden, Dim::SharedExpert}, 2},
    {kMixtral, "block_sparse_moe.experts.#.w1.weight", {Dim::Mlp, Dim::Hidden}, 2},
    {kMixtral, "block_sparse_moe.experts.#.w2.weight", {Dim::Hidden, Dim::Mlp}, 2},
    {kMixtral, "block_sparse_moe.experts.#.w3.weight", {Dim::Mlp, Dim::Hidden}, 2},
    {kAttention, "input_layernorm.weight", {Dim::Hidden}, 1},
    {kAttention, "post_attention_layernorm.weight", {Dim::Hidden}, 1},
};
constexpr Rule kOuterRules[] = {
    {kBase, "embed_tokens.weight", {Dim::Vocab, Dim::Hidden}, 2},
    {kBase, "norm.weight", {Dim::Hidden}, 1},
    {kBase, "lm_head.weight", {Dim::Vocab, Dim::Hidden}, 2},
};

struct Sizes {
  std::array<std::optional<uint64_t>, static_cast<size_t>(Dim::kCount)> value;
  std::array<std::string_view, static_cast<size_t>(Dim::kCount)> origin;

  void set(Dim dim, std::optional<uint64_t> size, std::string_view from) {
    value[static_cast<size_t>(dim)] = size;
    origin[static_cast<size_t>(dim)] = from;
  }
};

using MaybeSize = std::optional<uint64_t>;

MaybeSize times(MaybeSize a, MaybeSize b) {
  return a && b ? checked_mul<uint64_t>(*a, *b) : std::nullopt;
}
MaybeSize plus(MaybeSize a, MaybeSize b) {
  return a && b ? checked_add<uint64_t>(*a, *b) : std::nullopt;
}

Sizes sizes_of(const ConfigView& config, const Family& family) {
  const MaybeSize hidden = config.number({"hidden_size"});
  const MaybeSize heads = config.number({"num_attention_heads"});
  MaybeSize kv_heads = config.number({"num_key_value_heads"});
  if (!kv_heads && family.kv_heads == KvHeads::AsHeads) kv_heads = heads;
  MaybeSize head = config.number({"head_dim"});
  if (!head && family.head_dim == HeadDim::HiddenByHeads && hidden && heads && *heads > 0)
    head = *hidden / *heads;
  const MaybeSize mlp = config.number({"intermediate_size"});
  const MaybeSize query = times(heads, head);
  const MaybeSize key_value = times(kv_heads, head);

  Sizes sizes;
  sizes.set(Dim::Hidden, hidden, "hidden_size");
  sizes.set(Dim::Vocab, config.number({"vocab_size"}), "vocab_size");
  sizes.set(Dim::Query, query, "num_attention_heads x head_dim");
  sizes.set(Dim::KeyValue, key_value, "num_key_value_heads x head_dim");
  sizes.set(Dim::Head, head, "head_dim");
  sizes.set(Dim::Mlp, mlp, "intermediate_size");
  sizes.set(Dim::FusedMlp, times(mlp, 2), "2 x intermediate_size");
  sizes.set(Dim::Fused, plus(query, times(key_value, 2)),
            "(num_attention_heads + 2 x num_key_value_heads) x head_dim");
  sizes.set(Dim::Expert, config.number({"moe_intermediate_size"}), "moe_intermediate_size");
  sizes.set(Dim::SharedExpert, config.number({"shared_expert_intermediate_size"}),
            "shared_expert_intermediate_size");
  return sizes;
}

// Packed and block-quantized weights have shapes of their own.
bool has_logical_shape(DType dtype) {
  switch (dtype) {
    case DType::F64:
    case DType::F32:
    case DType::F16:
    case DType::BF16:
    case DType::F8_E4M3:
    case DType::F8_E5M2: return true;
    default: return false;
  }
}

// "model.embed_tokens.weight" for the stack "model.layers"; the head may lie one level further out.
bool is_outer(std::string_view name, std::string_view stack, std::string_view rule) {
  std::string_view outer = stack.substr(0, stack.size() - std::string_view("layers").size());
  if (name.ends_with(rule) && name.substr(0, name.size() - rule.size()) == outer) return true;
  return rule == "lm_head.weight" && (name == rule || name == "language_model.lm_head.weight");
}

const Rule* find_rule(const NamePattern& pattern, std::string_view stack, unsigned rules) {
  if (pattern.stack == stack) {
    for (const Rule& rule : kLayerRules)
      if ((rule.rules & rules) != 0 && rule.name == pattern.rest) return &rule;
  } else if (pattern.stack.empty()) {
    for (const Rule& rule : kOuterRules)
      if ((rule.rules & rules) != 0 && is_outer(pattern.text, stack, rule.name)) return &rule;
  }
  return nullptr;
}

// One wrong number of the config makes many tensors disagree with it: they are one finding.
struct Disagreement {
  uint32_t first_tensor = 0;
  uint64_t tensors = 0;
};
using Disagreements = std::map<std::pair<Dim, uint64_t>, Disagreement>;

void compare(const TensorInfo& tensor, uint32_t index, const Rule& rule, const Sizes& sizes,
             Disagreements& wrong) {
  for (size_t axis = 0; axis < rule.rank; ++axis) {
    const MaybeSize expected = sizes.value[static_cast<size_t>(rule.dims[axis])];
    if (!expected || tensor.shape[axis] == *expected) continue;
    Disagreement& entry = wrong[{rule.dims[axis], tensor.shape[axis]}];
    if (entry.tensors++ == 0) entry.first_tensor = index;
  }
}

}  // namespace

void check_config_shapes(Context& context) {
  const ConfigView& config = context.config;
  const std::string_view stack = context.text_stack;
  if (!config.present() || !stack.ends_with("layers")) return;
  const auto known = std::ranges::find(kFamilies, config.model_type(), &Family::model_type);
  const bool certain = known != std::end(kFamilies);
  const Family& family = certain ? *known : kOthers;
  Sizes sizes = sizes_of(config, family);
  if (!certain) sizes.set(Dim::Vocab, std::nullopt, {});

  std::vector<const Rule*> rule_of;  // by pattern
  for (const NamePattern& pattern : context.names.patterns())
    rule_of.push_back(find_rule(pattern, stack, family.rules));

  Disagreements wrong;
  const std::span<const TensorInfo> tensors = context.model.tensors();
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    const Rule* rule = rule_of[context.names.names()[i].pattern];
    if (rule == nullptr || tensors[i].shape.size() != rule->rank) continue;
    if (!has_logical_shape(tensors[i].dtype) || tensors[i].element_count == 0) continue;
    compare(tensors[i], i, *rule, sizes, wrong);
  }
  for (const auto& [what, entry] : wrong) {
    const auto& [dim, actual] = what;
    const TensorInfo& tensor = tensors[entry.first_tensor];
    const std::string others =
        entry.tensors == 1 ? "" : fmt::format(", and so have {} more", entry.tensors - 1);
    context.report(
        {.check = Check::ConfigShape,
         .path = context.config_path(),
         .tensor = std::string(tensor.name),
         .message = fmt::format("{} is {}, but tensor '{}' {} has {} there{}",
                                sizes.origin[static_cast<size_t>(dim)],
                                *sizes.value[static_cast<size_t>(dim)], tensor.name,
                                shape_text(tensor.shape), actual, others),
         .severity_override = certain ? std::nullopt : std::optional(Severity::Warning)});
  }
}

}  // namespace stkit
