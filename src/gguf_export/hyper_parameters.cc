#include "gguf_export/hyper_parameters.h"

#include <algorithm>

namespace stkit::gguf_export {
namespace {

// Where multimodal models keep the configuration of their language model.
constexpr std::string_view kTextConfigs[] = {"text_config", "llm_config", "lm_config",
                                             "language_config"};

const JsonValue* object_field(const JsonValue& object, std::string_view name) {
  const JsonValue* value = object.find(name);
  return value != nullptr && value->type() == JsonType::Object ? value : nullptr;
}

const JsonValue* text_config(const JsonValue& config) {
  for (const std::string_view name : kTextConfigs)
    if (const JsonValue* inner = object_field(config, name)) return inner;
  if (const JsonValue* thinker = object_field(config, "thinker_config"))
    return text_config(*thinker);
  return nullptr;
}

std::string_view first_class(const JsonValue& config) {
  const JsonValue* list = config.find("architectures");
  if (list == nullptr || list->elements().empty()) return {};
  return list->elements().front().as_string().value_or("");
}

std::optional<uint64_t> as_count(std::optional<double> number) {
  // Doubles are exact up to here, and no dimension of a model comes near.
  constexpr double kMost = 1ull << 53;
  if (!number || *number < 0 || *number > kMost) return std::nullopt;
  const auto whole = static_cast<uint64_t>(*number);
  return static_cast<double>(whole) == *number ? std::optional(whole) : std::nullopt;
}

std::optional<double> as_number(const JsonValue& value) {
  if (const auto flag = value.as_bool()) return *flag ? 1 : 0;
  return value.as_number();
}

}  // namespace

std::string_view architecture_class(const JsonValue& config) {
  if (const JsonValue* inner = text_config(config))
    if (const std::string_view name = first_class(*inner); !name.empty()) return name;
  return first_class(config);
}

HyperParameters::HyperParameters(const JsonValue& config, std::span<const ConfigDefault> defaults)
    : top_(&config), text_(text_config(config)), defaults_(defaults) {}

const JsonValue* HyperParameters::field(std::string_view name) const {
  for (const JsonValue* object : {text_, top_})
    if (object != nullptr)
      if (const JsonValue* value = object->find(name); value != nullptr && !value->is_null())
        return value;
  return nullptr;
}

const ConfigDefault* HyperParameters::default_of(std::string_view name) const {
  const auto found = std::ranges::find(defaults_, name, &ConfigDefault::field);
  return found == defaults_.end() ? nullptr : &*found;
}

std::optional<double> HyperParameters::number(std::string_view name) const {
  if (const JsonValue* value = field(name)) return as_number(*value);
  const ConfigDefault* fallback = default_of(name);
  if (fallback == nullptr) return std::nullopt;
  if (fallback->derive != nullptr) return fallback->derive(*this);
  const bool is_null = (text_ != nullptr && text_->find(name) != nullptr) || top_->find(name);
  return is_null ? std::nullopt : std::optional(fallback->value);
}

std::optional<uint64_t> HyperParameters::count(std::string_view name) const {
  return as_count(number(name));
}

std::optional<bool> HyperParameters::flag(std::string_view name) const {
  const auto value = number(name);
  return value ? std::optional(*value != 0) : std::nullopt;
}

std::optional<std::string_view> HyperParameters::text(std::string_view name) const {
  const JsonValue* value = field(name);
  return value == nullptr ? std::nullopt : value->as_string();
}

std::optional<double> HyperParameters::first_number(
    std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names)
    if (const auto value = number(name)) return value;
  return std::nullopt;
}

const JsonValue* HyperParameters::rope_field(std::string_view name) const {
  for (const std::string_view holder : {"rope_parameters", "rope_scaling"}) {
    const JsonValue* rope = field(holder);
    if (rope == nullptr) continue;
    if (const JsonValue* full = object_field(*rope, "full_attention")) rope = full;
    if (const JsonValue* value = rope->find(name); value != nullptr && !value->is_null())
      return value;
  }
  return nullptr;
}

std::optional<double> HyperParameters::rope_number(std::string_view name) const {
  const JsonValue* value = rope_field(name);
  return value != nullptr ? as_number(*value) : number(name);
}

std::string_view HyperParameters::rope_type() const {
  for (const std::string_view name : {"rope_type", "type"})
    if (const JsonValue* value = rope_field(name))
      if (const auto text = value->as_string()) return *text;
  return {};
}

std::span<const JsonValue> HyperParameters::rope_list(std::string_view name) const {
  const JsonValue* value = rope_field(name);
  return value == nullptr ? std::span<const JsonValue>() : value->elements();
}

std::optional<double> HyperParameters::rope_theta() const {
  if (const JsonValue* value = rope_field("rope_theta")) return as_number(*value);
  return first_number({"global_rope_theta", "rope_global_theta", "rope_theta_global", "rope_theta",
                       "rotary_emb_base"});
}

std::optional<double> HyperParameters::sliding_rope_theta() const {
  if (const JsonValue* rope = field("rope_parameters"))
    if (const JsonValue* sliding = object_field(*rope, "sliding_attention")) {
      const JsonValue* value = sliding->find("rope_theta");
      return value == nullptr ? std::nullopt : as_number(*value);
    }
  return first_number({"local_rope_theta", "rope_local_theta", "rope_theta_local", "swa_rope_theta",
                       "rope_local_base_freq"});
}

std::optional<uint64_t> HyperParameters::layers() const {
  return as_count(first_number({"n_layers", "num_hidden_layers", "n_layer", "num_layers"}));
}

std::optional<uint64_t> HyperParameters::heads() const {
  return as_count(first_number({"num_attention_heads", "n_head", "n_heads"}));
}

std::optional<uint64_t> HyperParameters::kv_heads() const {
  // One key for all heads, unless a newer field says how many.
  if (flag("multi_query") == true && flag("new_decoder_architecture") != true) return 1;
  const auto kv =
      as_count(first_number({"num_key_value_heads", "n_kv_heads", "num_kv_heads", "n_head_kv"}));
  return kv ? kv : heads();
}

std::optional<uint64_t> HyperParameters::embedding() const {
  return as_count(first_number({"hidden_size", "n_embd", "dim"}));
}

std::optional<uint64_t> HyperParameters::head_dim() const {
  if (const auto given = count("head_dim")) return given;
  const auto all = embedding(), count = heads();
  return all && count && *count > 0 ? std::optional(*all / *count) : std::nullopt;
}

std::optional<uint64_t> HyperParameters::experts() const {
  return as_count(first_number({"num_local_experts", "num_experts", "n_routed_experts"}));
}

}  // namespace stkit::gguf_export
