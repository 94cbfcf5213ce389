// Mixes: which tensor of a GGUF model gets which type, under the names that llama-quantize made
// known ("Q4_K_M"). The rules are one ordered table (mix.cc); they are those of llama.cpp since
// 2026, which counts a fused attn_qkv as attn_v.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "stkit/dtype.h"

namespace stkit::quant {

struct Mix {
  std::string_view name;  // "Q4_K_M"
  DType base;             // what is left where no rule says otherwise
  uint32_t file_type;     // general.file_type
};

// Every mix once, from the fewest bits to the most.
std::span<const Mix> mixes();

// Any case, with '-' for '_'; "Q4_K" is "Q4_K_M". Null when unknown.
const Mix* find_mix(std::string_view name);

// What the rules ask about a model.
struct MixModel {
  std::string_view architecture;  // "llama"
  uint64_t layers = 0, heads = 0, kv_heads = 0, experts = 0;
};

struct MixTensor {
  std::string_view name;  // of GGUF: "blk.0.attn_v.weight"
  std::span<const uint64_t> shape;
};

struct MixOptions {
  bool pure = false;            // no rules: every tensor that is quantized gets the base type
  bool has_importance = false;  // an importance matrix is given
  std::optional<DType> output_type = {};     // of output.weight, or of the embedding in its place
  std::optional<DType> embedding_type = {};  // of token_embd.weight; goes before output_type
};

struct MixChoice {
  DType dtype = DType::F32;
  std::string_view rule;  // why, for people: "attn_v of every third layer"; never empty
  std::optional<DType> instead_of = {};  // what the rule wanted, but rows are no whole blocks of
};

// For each tensor, in the order given. Time O(n log n). A mix that is none of mixes() has no rules.
std::vector<MixChoice> choose_types(const Mix& mix, const MixModel& model,
                                    std::span<const MixTensor> tensors,
                                    const MixOptions& options = {});

// False for what loaders want in F32 whatever the mix: vectors, norms, routers, what is no weight.
bool is_quantizable(const MixTensor& tensor);

}  // namespace stkit::quant
