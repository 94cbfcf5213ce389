// BERT as an encoder of texts: bge, e5, MiniLM, gte.
#include "gguf_export/arch/llama_style.h"
#include "gguf_export/arch/registry.h"
#include "gguf_export/metadata_builder.h"

namespace stkit::gguf_export {
namespace {

constexpr std::string_view kClasses[] = {"BertModel", "BertForMaskedLM"};
constexpr ConfigDefault kDefaults[] = {
    {"max_position_embeddings", 512}, {"layer_norm_eps", 1e-12}, {"type_vocab_size", 2}};

std::optional<double> no(const HyperParameters&) { return 0; }
constexpr KeyRow kOwnKeys[] = {{"attention.causal", GgufType::Bool, {}, no}};
const std::span<const KeyRow> kKeys[] = {kBaseKeys, kOwnKeys};

void more_keys(const HyperParameters& config, MetadataBuilder& out) {
  base_more_keys(config, out);
  const uint64_t types = config.count("type_vocab_size").value_or(1);
  out.set("tokenizer.ggml.token_type_count", static_cast<uint32_t>(types));
}

// Checkpoints of TensorFlow call the weight and bias of a norm gamma and beta.
constexpr TensorRow kOwnRows[] = {
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"embeddings.position_embeddings", "position_embd"},
    {"embeddings.LayerNorm", "token_embd_norm"},
    {"embeddings.LayerNorm.gamma", "token_embd_norm.weight"},
    {"embeddings.LayerNorm.beta", "token_embd_norm.bias"},
    {"encoder.layer.{}.attention.self.query", "blk.{}.attn_q"},
    {"encoder.layer.{}.attention.self.key", "blk.{}.attn_k"},
    {"encoder.layer.{}.attention.self.value", "blk.{}.attn_v"},
    {"encoder.layer.{}.attention.output.dense", "blk.{}.attn_output"},
    {"encoder.layer.{}.attention.output.LayerNorm", "blk.{}.attn_output_norm"},
    {"encoder.layer.{}.attention.output.LayerNorm.gamma", "blk.{}.attn_output_norm.weight"},
    {"encoder.layer.{}.attention.output.LayerNorm.beta", "blk.{}.attn_output_norm.bias"},
    {"encoder.layer.{}.intermediate.dense", "blk.{}.ffn_up"},
    {"encoder.layer.{}.output.dense", "blk.{}.ffn_down"},
    {"encoder.layer.{}.output.LayerNorm", "blk.{}.layer_output_norm"},
    {"encoder.layer.{}.output.LayerNorm.gamma", "blk.{}.layer_output_norm.weight"},
    {"encoder.layer.{}.output.LayerNorm.beta", "blk.{}.layer_output_norm.bias"},
    // What training needs and encoding does not.
    {"embeddings.position_ids", ""},
    {"pooler.dense", ""},
    {"cls.predictions", ""},
    {"cls.predictions.decoder", ""},
    {"cls.predictions.transform.dense", ""},
    {"cls.predictions.transform.LayerNorm", ""},
    {"cls.seq_relationship", ""},
};
const std::span<const TensorRow> kRows[] = {kOwnRows};
constexpr std::string_view kPrefixes[] = {"bert."};

}  // namespace

Architecture bert_architecture() {
  return {.name = "bert",
          .classes = kClasses,
          .defaults = kDefaults,
          .keys = kKeys,
          .rows = kRows,
          .prefixes = kPrefixes,
          .more_keys = more_keys};
}

}  // namespace stkit::gguf_export
