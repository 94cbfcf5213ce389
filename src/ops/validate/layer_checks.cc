// Whether every layer and every expert is there, from the names alone.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

#include "ops/validate/checks.h"
#include "ops/validate/quantization.h"

namespace stkit {
namespace {

// More layers or experts than any model has: a forged number must not make a table of a billion.
constexpr uint64_t kMaxLayers = 100'000;
constexpr uint64_t kMaxExperts = 65'536;

std::optional<uint64_t> said_layers(const ConfigView& config) {
  return config.number({"num_hidden_layers", "n_layer", "num_layers", "n_layers"});
}

// Indices as people list them: "3, 5, 7 and 12 more".
std::string list_text(std::span<const uint32_t> numbers) {
  constexpr size_t kShown = 8;
  std::string text;
  for (size_t i = 0; i < std::min(numbers.size(), kShown); ++i)
    text += fmt::format("{}{}", i == 0 ? "" : ", ", numbers[i]);
  if (numbers.size() > kShown) text += fmt::format(" and {} more", numbers.size() - kShown);
  return text;
}

std::vector<bool> layers_present(const Context& context) {
  std::vector<bool> present;
  for (const SplitName& name : context.names.names()) {
    if (context.names.patterns()[name.pattern].stack != context.text_stack) continue;
    if (name.layer >= kMaxLayers) continue;
    if (name.layer >= present.size()) present.resize(name.layer + 1);
    present[name.layer] = true;
  }
  return present;
}

// Architectures that a search shrank may leave out whole blocks on purpose.
bool layers_may_be_empty(const ConfigView& config) {
  return config.find("block_configs") != nullptr;
}

// The modules that every transformer layer of its kind has. Only these are compared: small extra
// tensors (low-rank mixes, indexers, per-layer scales) come and go by design.
constexpr std::string_view kCoreModules[] = {
    "q_proj",          "k_proj",    "v_proj",       "o_proj",          "qkv_proj",
    "query_key_value", "c_attn",    "c_fc",         "c_proj",          "gate_proj",
    "up_proj",         "down_proj", "gate_up_proj", "input_layernorm", "post_attention_layernorm",
};

// A module's weight under any quantization counts as its weight.
bool is_core_weight(const NamePattern& pattern) {
  const std::string_view rest = pattern.rest;
  const size_t dot = rest.rfind('.');
  if (dot == rest.npos || pattern.expert) return false;
  const std::string_view leaf = rest.substr(dot + 1);
  if (leaf != "weight" && leaf != "qweight" && leaf != "weight_packed") return false;
  const std::string_view path = rest.substr(0, dot);
  const size_t before = path.rfind('.');
  const std::string_view module = before == path.npos ? path : path.substr(before + 1);
  return std::ranges::find(kCoreModules, module) != std::end(kCoreModules);
}

// The kind of each layer where the configuration lists kinds, else one kind for all.
std::vector<std::string> layer_kinds(const ConfigView& config, size_t layers) {
  std::vector<std::string> kinds(layers);
  const JsonValue* list = config.text() == nullptr ? nullptr : config.text()->find("layer_types");
  if (list == nullptr || list->elements().size() > layers) return kinds;
  for (size_t i = 0; i < list->elements().size(); ++i)
    kinds[i] = list->elements()[i].as_string().value_or("");
  return kinds;
}

// By layer: the core weights that it has, as sorted module paths.
using Modules = std::vector<std::string_view>;

std::vector<Modules> modules_by_layer(const Context& context, size_t layers) {
  std::vector<Modules> modules(layers);
  std::vector<bool> core;
  for (const NamePattern& pattern : context.names.patterns())
    core.push_back(pattern.stack == context.text_stack && is_core_weight(pattern));
  for (const SplitName& name : context.names.names()) {
    if (!core[name.pattern] || name.layer >= layers) continue;
    const std::string_view rest = context.names.patterns()[name.pattern].rest;
    modules[name.layer].push_back(rest.substr(0, rest.rfind('.')));
  }
  for (Modules& list : modules) {
    std::ranges::sort(list);
    list.erase(std::ranges::unique(list).begin(), list.end());
  }
  return modules;
}

// Layers of one kind: most hold `usual`; those few that hold only a part of it lost something.
void compare_layers(Context& context, std::span<const uint32_t> layers,
                    const std::vector<Modules>& modules) {
  std::map<Modules, std::vector<uint32_t>> by_modules;
  for (const uint32_t layer : layers) by_modules[modules[layer]].push_back(layer);
  const auto usual = std::ranges::max_element(
      by_modules, {}, [](const auto& entry) { return entry.second.size(); });
  for (const auto& [have, where] : by_modules) {
    // A tenth: more than that is a design, not an accident.
    if (&have == &usual->first || have.empty()) continue;
    if (where.size() > std::max<size_t>(1, layers.size() / 10)) continue;
    if (where.size() >= usual->second.size()) continue;
    if (!std::ranges::includes(usual->first, have)) continue;
    Modules lost;
    std::ranges::set_difference(usual->first, have, std::back_inserter(lost));
    if (lost.size() >= have.size()) continue;
    context.report(
        Check::UnevenLayers, context.folder_path(),
        fmt::format("layer {} of '{}' lacks {}, which {} layers of its kind have", list_text(where),
                    context.text_stack, fmt::join(lost, ", "), usual->second.size()));
  }
}

struct ExpertTensor {
  uint32_t layer, pattern, expert;
  auto operator<=>(const ExpertTensor&) const = default;
};

std::vector<ExpertTensor> expert_tensors(const Context& context) {
  std::vector<bool> counted;
  for (const NamePattern& pattern : context.names.patterns())
    counted.push_back(pattern.expert && pattern.stack == context.text_stack &&
                      !is_quantization_side_tensor(pattern.last_component()));
  std::vector<ExpertTensor> experts;
  for (const SplitName& name : context.names.names())
    if (counted[name.pattern]) experts.push_back({name.layer, name.pattern, name.expert});
  std::ranges::sort(experts);
  experts.erase(std::ranges::unique(experts).begin(), experts.end());
  return experts;
}

// The experts below `count` that the sorted, distinct `have` lacks.
std::vector<uint32_t> missing_experts(std::span<const ExpertTensor> have, uint64_t count) {
  std::vector<uint32_t> missing;
  uint32_t next = 0;
  for (const ExpertTensor& one : have) {
    for (; next < one.expert && next < count; ++next) missing.push_back(next);
    next = one.expert + 1;
  }
  for (; next < count; ++next) missing.push_back(next);
  return missing;
}

}  // namespace

void check_layers(Context& context) {
  const ConfigView& config = context.config;
  if (!config.present() || !context.whole || context.text_stack.empty()) return;
  if (layers_may_be_empty(config)) return;
  const std::vector<bool> present = layers_present(context);
  const auto said = said_layers(config);
  // Layers for predicting several tokens are numbered behind the others, or left out.
  const uint64_t extra = config.number({"num_nextn_predict_layers"}).value_or(0);
  const uint64_t expected = said.value_or(present.size());
  if (expected > kMaxLayers) return;

  std::vector<uint32_t> missing;
  for (uint32_t layer = 0; layer < expected; ++layer)
    if (layer >= present.size() || !present[layer]) missing.push_back(layer);
  const std::string by = said ? fmt::format("num_hidden_layers is {}", *said)
                              : fmt::format("the last layer is {}", present.size() - 1);
  const std::string path = said ? context.config_path() : context.folder_path();
  if (!missing.empty())
    context.report(
        Check::ConfigLayers, path,
        fmt::format("{}, but '{}' has no layer {}", by, context.text_stack, list_text(missing)));
  // Loaders skip what they do not expect, so more is not fatal.
  if (said && present.size() > expected + extra)
    context.report({.check = Check::ConfigLayers,
                    .path = path,
                    .message = fmt::format("{}, but '{}' has {} layers", by, context.text_stack,
                                           present.size()),
                    .hint = "the config is another model's, or the model was not cut to it",
                    .severity_override = Severity::Warning});
}

void check_even_layers(Context& context) {
  const ConfigView& config = context.config;
  // Layers that share keys and values with others have no projections for them.
  const bool shares = config.number({"num_kv_shared_layers"}).value_or(0) > 0;
  if (!context.whole || context.text_stack.empty() || shares || layers_may_be_empty(config)) return;
  // Layers behind those that are counted predict further tokens and are of their own kind.
  const size_t layers =
      std::min<uint64_t>(layers_present(context).size(), said_layers(config).value_or(kMaxLayers));
  const std::vector<Modules> modules = modules_by_layer(context, layers);
  const std::vector<std::string> kinds = layer_kinds(config, layers);
  std::map<std::string, std::vector<uint32_t>> by_kind;
  for (uint32_t layer = 0; layer < layers; ++layer) by_kind[kinds[layer]].push_back(layer);
  for (const auto& [kind, members] : by_kind)
    if (members.size() >= 3) compare_layers(context, members, modules);
}

void check_experts(Context& context) {
  if (!context.whole || context.text_stack.empty()) return;
  const auto said = context.config.number(
      {"num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts"});
  const std::vector<ExpertTensor> all = expert_tensors(context);
  // One finding for all tensors of a layer that lack the same experts.
  std::map<std::pair<uint32_t, std::vector<uint32_t>>, std::vector<std::string_view>> lacking;
  for (size_t first = 0; first < all.size();) {
    size_t last = first;
    while (last < all.size() && all[last].layer == all[first].layer &&
           all[last].pattern == all[first].pattern)
      ++last;
    const auto group = std::span(all).subspan(first, last - first);
    const uint64_t count = std::min(said.value_or(group.back().expert + 1ull), kMaxExperts);
    if (auto missing = missing_experts(group, count); !missing.empty())
      lacking[{group.front().layer, std::move(missing)}].push_back(
          context.names.patterns()[group.front().pattern].rest);
    first = last;
  }
  for (const auto& [where, tensors] : lacking) {
    const auto& [layer, missing] = where;
    const std::string more =
        tensors.size() == 1 ? "" : fmt::format(" and {} more of each", tensors.size() - 1);
    context.report(Check::MissingExperts, context.folder_path(),
                   fmt::format("layer {} lacks expert {}: '{}'{}", layer, list_text(missing),
                               tensors.front(), more));
  }
}

}  // namespace stkit
