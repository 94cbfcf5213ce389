#include "model/config.h"

#include "model/model_contents.h"

namespace stkit {
namespace {

// Where multimodal models keep the configuration of their language model; the first can itself hold
// one of the others (Qwen-Omni: thinker_config.text_config).
constexpr std::string_view kNestedConfigs[] = {
    "thinker_config", "text_config",  "llm_config", "language_config",
    "language_model", "model_config", "decoder",
};

constexpr std::string_view kLayers[] = {"num_hidden_layers", "n_layer", "n_layers", "num_layers",
                                        "decoder_layers"};
constexpr std::string_view kHiddenSize[] = {"hidden_size", "n_embd", "d_model", "n_embed", "dim"};
constexpr std::string_view kHeads[] = {"num_attention_heads", "n_head", "n_heads", "num_heads",
                                       "decoder_attention_heads"};
constexpr std::string_view kKvHeads[] = {"num_key_value_heads", "n_head_kv", "num_kv_heads",
                                         "n_kv_heads", "multi_query_group_num"};
constexpr std::string_view kVocabSize[] = {"vocab_size", "padded_vocab_size", "n_vocab"};
constexpr std::string_view kContextLength[] = {
    "max_position_embeddings", "n_positions",         "n_ctx", "max_seq_len", "seq_length",
    "max_sequence_length",     "max_target_positions"};
constexpr std::string_view kExperts[] = {"num_experts", "num_local_experts", "n_routed_experts",
                                         "moe_num_experts"};

struct SummaryRow {
  uint64_t ConfigSummary::* field;
  std::span<const std::string_view> names;
};
constexpr SummaryRow kSummary[] = {
    {&ConfigSummary::layers, kLayers},        {&ConfigSummary::hidden_size, kHiddenSize},
    {&ConfigSummary::heads, kHeads},          {&ConfigSummary::kv_heads, kKvHeads},
    {&ConfigSummary::vocab_size, kVocabSize}, {&ConfigSummary::context_length, kContextLength},
    {&ConfigSummary::experts, kExperts},
};

const JsonValue* find_present(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.find(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

const JsonValue* find_nested(const JsonValue& config, std::string_view key, unsigned levels) {
  if (const JsonValue* value = find_present(config, key)) return value;
  if (levels == 0) return nullptr;
  for (const std::string_view nested : kNestedConfigs)
    if (const JsonValue* inner = config.find(nested);
        inner != nullptr && inner->type() == JsonType::Object)
      if (const JsonValue* value = find_nested(*inner, key, levels - 1)) return value;
  return nullptr;
}

}  // namespace

const JsonValue* config(const Model& model) {
  const std::optional<JsonValue>& parsed = ModelAccess::contents(model).config;
  return parsed ? &*parsed : nullptr;
}

const JsonValue* config_field(const JsonValue& config, std::string_view key) {
  return find_nested(config, key, 2);
}

std::optional<uint64_t> config_number(const JsonValue& config,
                                      std::span<const std::string_view> names) {
  for (const std::string_view name : names)
    if (const JsonValue* value = config_field(config, name))
      if (const auto number = value->as_uint()) return number;
  return std::nullopt;
}

ConfigSummary summarise_config(const JsonValue& config) {
  ConfigSummary summary;
  for (const SummaryRow& row : kSummary)
    summary.*row.field = config_number(config, row.names).value_or(0);
  if (summary.kv_heads == 0) summary.kv_heads = summary.heads;
  return summary;
}

}  // namespace stkit
