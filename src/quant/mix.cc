#include "quant/mix.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "quant/types.h"

namespace stkit::quant {
namespace {

enum MixId : uint8_t {
  kQ2KS,
  kQ2K,
  kQ3KS,
  kQ3KM,
  kQ3KL,
  kIq4Xs,
  kIq4Nl,
  kQ40,
  kQ4KS,
  kQ41,
  kQ4KM,
  kQ50,
  kQ5KS,
  kQ51,
  kQ5KM,
  kQ6K,
  kQ80,
  kF16,
  kBf16,
  kF32,
  kMixCount,
};

// The numbers are llama.cpp's llama_ftype.
constexpr std::array<Mix, kMixCount> kMixes = {{
    {"Q2_K_S", DType::Q2_K, 21},   {"Q2_K", DType::Q2_K, 10},   {"Q3_K_S", DType::Q3_K, 11},
    {"Q3_K_M", DType::Q3_K, 12},   {"Q3_K_L", DType::Q3_K, 13}, {"IQ4_XS", DType::IQ4_XS, 30},
    {"IQ4_NL", DType::IQ4_NL, 25}, {"Q4_0", DType::Q4_0, 2},    {"Q4_K_S", DType::Q4_K, 14},
    {"Q4_1", DType::Q4_1, 3},      {"Q4_K_M", DType::Q4_K, 15}, {"Q5_0", DType::Q5_0, 8},
    {"Q5_K_S", DType::Q5_K, 16},   {"Q5_1", DType::Q5_1, 9},    {"Q5_K_M", DType::Q5_K, 17},
    {"Q6_K", DType::Q6_K, 18},     {"Q8_0", DType::Q8_0, 7},    {"F16", DType::F16, 1},
    {"BF16", DType::BF16, 32},     {"F32", DType::F32, 0},
}};

struct Alias {
  std::string_view name, mix;
};
constexpr Alias kAliases[] = {{"Q3_K", "Q3_K_M"}, {"Q4_K", "Q4_K_M"}, {"Q5_K", "Q5_K_M"}};

// What a tensor is for, as far as rules go.
enum class Role : uint8_t { Output, Embedding, AttnV, AttnK, FfnDown, AttnOutput, Other };

// Conditions, which all have to hold. `i` is the position of a tensor among those of its role, or
// its layer in the feed-forward part of a mixture of experts; `n` how many there are of them.
using Conditions = uint32_t;
enum Condition : Conditions {
  kAlways = 0,
  kSharedKeys = 1 << 0,   // four heads or more share a key
  kMoreBits = 1 << 1,     // the first and the last eighth of n, and every third in between
  kFirstTwo = 1 << 2,     // i < 2
  kFirstFour = 1 << 3,    // i < 4
  kFirstEighth = 1 << 4,  // i < layers / 8
  kFirstSixteenth = 1 << 5,
  kEightExperts = 1 << 6,
  kNotEightExperts = 1 << 7,
  kSeventyB = 1 << 8,  // a 70B: its attn_v is small beside the rest
  kFalcon = 1 << 9,
  kNotFalcon = 1 << 10,
  kImportance = 1 << 11,
  kNoImportance = 1 << 12,
  kPartialBlocks = 1 << 13,  // a row is not whole blocks of the base type
};

using MixSet = uint32_t;
template <class... Ids>
constexpr MixSet of(Ids... ids) {
  return ((MixSet{1} << ids) | ...);
}
constexpr MixSet kAll = (MixSet{1} << kMixCount) - 1;

struct Rule {
  Role role;
  MixSet mixes;
  Conditions when;
  DType type;
  std::string_view why;
  std::optional<DType> instead_of = {};  // only of that type so far
};

// A later rule that holds replaces an earlier one.
constexpr Rule kRules[] = {
    {Role::Output, kAll, kAlways, DType::Q6_K, "output"},
    {Role::Output, of(kQ80), kAlways, DType::Q8_0, "output"},
    {Role::Output, kAll, kFalcon, DType::Q8_0, "output of falcon"},
    {Role::Output, kAll, kPartialBlocks, DType::Q8_0, "output whose rows are not whole blocks"},

    {Role::AttnV, of(kQ2K), kAlways, DType::Q3_K, "attn_v"},
    {Role::AttnV, of(kQ2K, kQ2KS), kSharedKeys, DType::Q4_K, "attn_v, shared by four heads"},
    {Role::AttnV, of(kQ3KM), kAlways, DType::Q4_K, "attn_v"},
    {Role::AttnV, of(kQ3KM), kFirstTwo, DType::Q5_K, "attn_v of the first two layers"},
    {Role::AttnV, of(kQ3KL), kAlways, DType::Q5_K, "attn_v"},
    {Role::AttnV, of(kQ4KM, kQ5KM), kMoreBits, DType::Q6_K, "attn_v of layers that get more bits"},
    {Role::AttnV, of(kQ4KS), kFirstFour, DType::Q5_K, "attn_v of the first four layers"},
    {Role::AttnV, of(kIq4Nl, kIq4Xs), kSharedKeys, DType::Q5_K, "attn_v, shared by four heads"},
    {Role::AttnV, kAll, kSeventyB, DType::Q5_K, "attn_v of a 70B", DType::Q3_K},
    {Role::AttnV, kAll, kSeventyB, DType::Q5_K, "attn_v of a 70B", DType::Q4_K},
    {Role::AttnV, kAll, kEightExperts, DType::Q8_0, "attn_v beside eight experts"},

    {Role::AttnK, kAll, kEightExperts, DType::Q8_0, "attn_k beside eight experts"},

    {Role::FfnDown, of(kQ2K), kAlways, DType::Q3_K, "ffn_down"},
    {Role::FfnDown, of(kQ2KS), kFirstEighth, DType::Q4_K, "ffn_down of the first eighth"},
    {Role::FfnDown, of(kQ3KM), kNotFalcon, DType::Q4_K, "ffn_down"},
    {Role::FfnDown, of(kQ3KM), kFalcon | kMoreBits, DType::Q4_K,
     "ffn_down of layers that get more bits"},
    {Role::FfnDown, of(kQ3KM), kFirstSixteenth, DType::Q5_K, "ffn_down of the first sixteenth"},
    {Role::FfnDown, of(kQ3KL), kNotFalcon, DType::Q5_K, "ffn_down"},
    {Role::FfnDown, of(kQ3KL), kFalcon, DType::Q4_K, "ffn_down"},
    {Role::FfnDown, of(kQ4KM), kNotFalcon | kMoreBits, DType::Q6_K,
     "ffn_down of layers that get more bits"},
    {Role::FfnDown, of(kQ4KM), kFalcon | kMoreBits, DType::Q5_K,
     "ffn_down of layers that get more bits"},
    {Role::FfnDown, of(kQ4KM), kFalcon | kFirstSixteenth, DType::Q6_K,
     "ffn_down of the first sixteenth"},
    {Role::FfnDown, of(kQ5KM), kMoreBits, DType::Q6_K, "ffn_down of layers that get more bits"},
    {Role::FfnDown, of(kQ4KS), kNotFalcon | kFirstEighth, DType::Q5_K,
     "ffn_down of the first eighth"},
    {Role::FfnDown, of(kQ40), kImportance | kFirstEighth, DType::Q4_1,
     "ffn_down of the first eighth"},
    {Role::FfnDown, of(kQ50), kImportance | kFirstEighth, DType::Q5_1,
     "ffn_down of the first eighth"},
    {Role::FfnDown, of(kIq4Nl, kIq4Xs), kNoImportance | kFirstEighth, DType::Q5_K,
     "ffn_down of the first eighth"},

    {Role::AttnOutput, of(kQ2K), kNotFalcon | kNotEightExperts, DType::Q3_K, "attn_output"},
    {Role::AttnOutput, of(kQ3KM), kNotFalcon | kNotEightExperts, DType::Q4_K, "attn_output"},
    {Role::AttnOutput, of(kQ3KL), kNotFalcon | kNotEightExperts, DType::Q5_K, "attn_output"},
    {Role::AttnOutput, of(kQ3KL), kFalcon, DType::Q4_K, "attn_output"},
    {Role::AttnOutput, of(kQ2K, kQ3KS, kQ3KM, kQ4KS, kQ4KM, kIq4Nl, kIq4Xs),
     kNotFalcon | kEightExperts, DType::Q5_K, "attn_output beside eight experts"},
};

constexpr std::string_view kBaseRule = "base type";
constexpr std::string_view kKeptRule = "not quantized";

constexpr std::string_view kOutputName = "output.weight";
constexpr std::string_view kEmbeddingName = "token_embd.weight";

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

Role role_of(std::string_view name, bool embedding_is_output) {
  if (name == kOutputName) return Role::Output;
  if (name == kEmbeddingName || name == "per_layer_token_embd.weight")
    return embedding_is_output ? Role::Output : Role::Embedding;
  struct Part {
    std::string_view text;
    Role role;
  };
  constexpr Part kParts[] = {
      {"attn_v.weight", Role::AttnV},    {"attn_qkv.weight", Role::AttnV},
      {"attn_kv_b.weight", Role::AttnV}, {"attn_k.weight", Role::AttnK},
      {"ffn_down", Role::FfnDown},       {"attn_output.weight", Role::AttnOutput},
  };
  for (const auto& [text, role] : kParts)
    if (contains(name, text)) return role;
  return Role::Other;
}

uint64_t layer_of(std::string_view name) {
  constexpr std::string_view kLayer = "blk.";
  uint64_t layer = 0;
  if (name.starts_with(kLayer))
    std::from_chars(name.data() + kLayer.size(), name.data() + name.size(), layer);
  return layer;
}

bool gets_more_bits(uint64_t i, uint64_t n) {
  return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
}

bool is_seventy_b(const MixModel& model) {
  constexpr std::string_view kAlike[] = {"qwen2", "qwen2vl", "olmo", "deci"};
  if (model.architecture == "llama")
    return model.layers == 80 && model.heads != model.kv_heads && model.experts != 8;
  if (model.architecture == "jais2") return model.layers == 68;
  return model.layers == 80 && std::ranges::find(kAlike, model.architecture) != std::end(kAlike);
}

// Conditions that hold for all tensors alike.
Conditions conditions_of(const MixModel& model, const MixOptions& options) {
  Conditions hold = 0;
  if (model.kv_heads > 0 && model.heads / model.kv_heads >= 4) hold |= kSharedKeys;
  hold |= model.experts == 8 ? kEightExperts : kNotEightExperts;
  hold |= model.architecture == "falcon" ? kFalcon : kNotFalcon;
  hold |= options.has_importance ? kImportance : kNoImportance;
  if (is_seventy_b(model)) hold |= kSeventyB;
  return hold;
}

Conditions conditions_of_position(uint64_t i, uint64_t n, uint64_t layers) {
  Conditions hold = 0;
  if (gets_more_bits(i, n)) hold |= kMoreBits;
  if (i < 2) hold |= kFirstTwo;
  if (i < 4) hold |= kFirstFour;
  if (i < layers / 8) hold |= kFirstEighth;
  if (i < layers / 16) hold |= kFirstSixteenth;
  return hold;
}

// What stands in where a row is not whole blocks; F16 when nothing does.
DType for_rows(DType wanted, uint64_t row_elements) {
  const auto fits = [&](DType type) { return row_elements % info(type).block_elements == 0; };
  if (fits(wanted)) return wanted;
  if (wanted == DType::IQ4_XS) return fits(DType::IQ4_NL) ? DType::IQ4_NL : DType::F16;
  const auto known = std::ranges::find(types(), wanted, &QuantType::dtype);
  return known != types().end() && fits(known->fallback) ? known->fallback : DType::F16;
}

MixSet set_of(const Mix& mix) {
  const auto known = std::ranges::find(kMixes, mix.name, &Mix::name);
  return known == kMixes.end() ? 0 : MixSet{1} << (known - kMixes.begin());
}

class Chooser {
 public:
  Chooser(const Mix& mix, const MixModel& model, std::span<const MixTensor> tensors,
          const MixOptions& options)
      : mix_(mix),
        set_(set_of(mix)),
        model_(model),
        tensors_(tensors),
        options_(options),
        always_(conditions_of(model, options)) {
    embedding_is_output_ = std::ranges::none_of(
        tensors, [](const MixTensor& tensor) { return tensor.name == kOutputName; });
    for (size_t i = 0; i < tensors.size(); ++i)
      if (role_of(tensors[i].name, embedding_is_output_) == Role::AttnV)
        attn_v_.push_back(i);
      else if (role_of(tensors[i].name, embedding_is_output_) == Role::FfnDown)
        ffn_down_.push_back(i);
    for (auto* list : {&attn_v_, &ffn_down_})
      std::ranges::sort(*list, {},
                        [&](size_t i) { return std::pair(layer_of(tensors_[i].name), i); });
    position_.resize(tensors.size());
    for (const auto* list : {&attn_v_, &ffn_down_})
      for (size_t at = 0; at < list->size(); ++at) position_[(*list)[at]] = at;
  }

  MixChoice choose(size_t index) const {
    const MixTensor& tensor = tensors_[index];
    if (!is_quantizable(tensor)) return {DType::F32, kKeptRule};
    MixChoice choice{mix_.base, kBaseRule};
    const bool is_plain = info(mix_.base).kind != DTypeKind::GgmlBlock;
    const Role role = role_of(tensor.name, embedding_is_output_);
    if (!is_plain && !options_.pure) apply_rules(index, role, choice);
    if (role == Role::Output && options_.output_type)
      choice = {*options_.output_type, "--output-type"};
    if (tensor.name == kEmbeddingName && options_.embedding_type)
      choice = {*options_.embedding_type, "--embedding-type"};
    const DType fitting = for_rows(choice.dtype, tensor.shape.back());
    if (fitting != choice.dtype) choice.instead_of = std::exchange(choice.dtype, fitting);
    return choice;
  }

 private:
  void apply_rules(size_t index, Role role, MixChoice& choice) const {
    Conditions hold = always_;
    if (tensors_[index].shape.back() % info(mix_.base).block_elements != 0) hold |= kPartialBlocks;
    if (role == Role::AttnV)
      hold |= conditions_of_position(position_[index], attn_v_.size(), model_.layers);
    if (role == Role::FfnDown) {
      const uint64_t i = model_.experts > 1 ? layer_of(tensors_[index].name) : position_[index];
      hold |= conditions_of_position(i, model_.layers, model_.layers);
    }
    for (const Rule& rule : kRules)
      if (rule.role == role && (rule.mixes & set_) != 0 && (rule.when & ~hold) == 0 &&
          (!rule.instead_of || *rule.instead_of == choice.dtype))
        choice = {rule.type, rule.why};
  }

  const Mix& mix_;
  const MixSet set_;
  const MixModel& model_;
  std::span<const MixTensor> tensors_;
  const MixOptions& options_;
  const Conditions always_;
  bool embedding_is_output_ = false;
  std::vector<size_t> attn_v_, ffn_down_;  // indexes of tensors, by layer
  std::vector<uint64_t> position_;         // in those lists
};

char normal(char c) {
  if (c == '-') return '_';
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

bool same_name(std::string_view typed, std::string_view name) {
  return std::ranges::equal(typed, name, {}, normal);
}

}  // namespace

std::span<const Mix> mixes() { return kMixes; }

const Mix* find_mix(std::string_view name) {
  for (const Alias& alias : kAliases)
    if (same_name(name, alias.name)) name = alias.mix;
  for (const Mix& mix : kMixes)
    if (same_name(name, mix.name)) return &mix;
  return nullptr;
}

bool is_quantizable(const MixTensor& tensor) {
  constexpr std::string_view kKept[] = {"_norm.weight",
                                        "ffn_gate_inp.weight",
                                        "altup",
                                        "laurel",
                                        "per_layer_model_proj",
                                        "ssm_conv1d",
                                        "shortconv.conv.weight",
                                        "attn_rel_b.weight",
                                        "time_mix_first.weight",
                                        "time_mix_w0.weight",
                                        "time_mix_w1.weight",
                                        "time_mix_w2.weight",
                                        "time_mix_v0.weight",
                                        "time_mix_v1.weight",
                                        "time_mix_v2.weight",
                                        "time_mix_a0.weight",
                                        "time_mix_a1.weight",
                                        "time_mix_a2.weight",
                                        "time_mix_g1.weight",
                                        "time_mix_g2.weight",
                                        "time_mix_decay_w1.weight",
                                        "time_mix_decay_w2.weight",
                                        "time_mix_lerp_fused.weight",
                                        ".position_embd",
                                        "sam.pos_embd",
                                        "sam.neck.",
                                        "sam.net_",
                                        ".rel_pos",
                                        ".patch_embd",
                                        ".patch_merger"};
  constexpr std::string_view kKeptNames[] = {"position_embd.weight", "token_types.weight"};
  size_t dimensions = tensor.shape.size();
  size_t leading = 0;
  while (leading < dimensions && tensor.shape[leading] == 1) ++leading;
  if (dimensions - leading < 2 || !tensor.name.ends_with("weight")) return false;
  return std::ranges::find(kKeptNames, tensor.name) == std::end(kKeptNames) &&
         std::ranges::none_of(kKept,
                              [&](std::string_view part) { return contains(tensor.name, part); });
}

std::vector<MixChoice> choose_types(const Mix& mix, const MixModel& model,
                                    std::span<const MixTensor> tensors, const MixOptions& options) {
  const Chooser chooser(mix, model, tensors, options);
  std::vector<MixChoice> choices;
  choices.reserve(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) choices.push_back(chooser.choose(i));
  return choices;
}

}  // namespace stkit::quant
