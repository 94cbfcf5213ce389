#include "gguf_export/general_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <vector>

#include "base/json_reader.h"
#include "base/python_json.h"
#include "gguf_export/model_card.h"
#include "gguf_export/model_id.h"
#include "model/config.h"

namespace stkit::gguf_export {
namespace {

struct CardRow {
  std::string_view key;
  std::array<std::string_view, 3> fields;  // of the card; the first that is there counts
};
constexpr CardRow kCardRows[] = {
    {"general.name", {"name", "model_name"}},
    {"general.author", {"author", "model_author", "model_creator"}},
    {"general.version", {"version", "model_version"}},
    {"general.organization", {"organization", "model_organization"}},
    {"general.finetune", {"finetune", "model_finetune"}},
    {"general.basename", {"basename", "model_basename", "model_type"}},
    {"general.description", {"description", "model_description"}},
    {"general.size_label", {"size_label", "model_size_label"}},
    {"general.license.name", {"license_name"}},
    {"general.license.link", {"license_link"}},
    {"general.source.url", {"url", "model_url"}},
    {"general.source.doi", {"doi", "model_doi"}},
    {"general.source.uuid", {"uuid", "model_uuid"}},
    {"general.source.repo_url", {"repo_url", "model_repo_url"}},
};

struct SamplingRow {
  std::string_view key;  // behind "general.sampling."
  GgufType type;
  std::array<std::string_view, 2> fields;  // of generation_config.json
};
constexpr SamplingRow kSamplingRows[] = {
    {"top_k", GgufType::I32, {"top_k"}},
    {"top_p", GgufType::F32, {"top_p"}},
    {"min_p", GgufType::F32, {"min_p"}},
    {"xtc_probability", GgufType::F32, {"xtc_probability"}},
    {"xtc_threshold", GgufType::F32, {"xtc_threshold"}},
    {"temp", GgufType::F32, {"temperature"}},
    {"penalty_last_n", GgufType::I32, {"penalty_last_n"}},
    {"penalty_repeat", GgufType::F32, {"penalty_repeat", "repetition_penalty"}},
    {"mirostat", GgufType::I32, {"mirostat"}},
    {"mirostat_tau", GgufType::F32, {"mirostat_tau"}},
    {"mirostat_eta", GgufType::F32, {"mirostat_eta"}},
};

void add_sampling(const Model& model, MetadataBuilder& out) {
  const Result<std::string> text = model.read_companion("generation_config.json");
  if (!text) return;
  const Result<JsonValue> json = JsonValue::parse(strict_json(*text));
  if (!json) return;
  if (const JsonValue* sequence = json->find("sequence"); sequence && sequence->as_string())
    out.set_text("general.sampling.sequence", *sequence->as_string());
  for (const SamplingRow& row : kSamplingRows)
    for (const std::string_view field : row.fields) {
      const JsonValue* value = field.empty() ? nullptr : json->find(field);
      const auto number = value == nullptr ? std::nullopt : value->as_number();
      if (!number || std::abs(*number) > 1e9) continue;
      const std::string key = fmt::format("general.sampling.{}", row.key);
      if (row.type == GgufType::I32)
        out.set(key, static_cast<int32_t>(*number));
      else
        out.set(key, static_cast<float>(*number));
      break;
    }
}

void set_if_new(MetadataBuilder& out, std::string_view key, std::string_view text) {
  if (!text.empty() && !out.has(key)) out.set_text(key, text);
}

void add_id(const ModelId& id, MetadataBuilder& out) {
  set_if_new(out, "general.name", title_of(id.name));
  set_if_new(out, "general.organization", title_of(id.organization));
  set_if_new(out, "general.basename", id.basename);
  set_if_new(out, "general.finetune", id.finetune);
  set_if_new(out, "general.version", id.version);
  set_if_new(out, "general.size_label", id.size_label);
}

const std::vector<std::string>& first_values(const ModelCard& card,
                                             std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys)
    if (!card.values(key).empty()) return card.values(key);
  return card.values({});
}

// general.base_model.* and general.dataset.*: a count, then what the name of each says.
void add_origins(std::string_view kind, const std::vector<std::string>& ids, uint64_t parameters,
                 MetadataBuilder& out) {
  constexpr std::string_view kHub = "https://huggingface.co/";
  if (ids.empty()) return;
  out.set(fmt::format("general.{}.count", kind), static_cast<uint32_t>(ids.size()));
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto key = [&](std::string_view field) {
      return fmt::format("general.{}.{}.{}", kind, i, field);
    };
    std::string_view id = ids[i];
    const bool is_url = id.find("://") != id.npos;
    if (is_url) {
      out.set_text(key("repo_url"), id);
      if (!id.starts_with(kHub)) continue;
      id.remove_prefix(kHub.size());
      if (std::ranges::count(id, '/') != 1) continue;
    }
    const ModelId parts = parse_model_id(id, parameters);
    set_if_new(out, key("name"), title_of(parts.name));
    set_if_new(out, key("version"), parts.version);
    set_if_new(out, key("organization"), title_of(parts.organization));
    if (!is_url && !parts.organization.empty())
      out.set_text(key("repo_url"), fmt::format("{}{}/{}", kHub, parts.organization, parts.name));
  }
}

void add_list(std::string_view key, std::initializer_list<const std::vector<std::string>*> lists,
              MetadataBuilder& out) {
  std::vector<std::string_view> texts;
  for (const auto* list : lists) texts.insert(texts.end(), list->begin(), list->end());
  if (!texts.empty()) out.set_texts(key, texts);
}

uint64_t elements_of(const ExportTensor& tensor) { return tensor.source.element_count(); }

// Three digits at most, as many as a size of that power needs: "1.5B", "33B".
std::string rounded(double count) {
  struct Unit {
    double value;
    char letter;
  };
  constexpr Unit kUnits[] = {{1e12, 'T'}, {1e9, 'B'}, {1e6, 'M'}, {0, 'K'}};
  for (const auto& [value, letter] : kUnits) {
    if (count <= value) continue;
    const double scaled = count / (value == 0 ? 1e3 : value);
    const bool one_digit = std::nearbyint(scaled) < 10, none = std::nearbyint(scaled) == 0;
    return fmt::format("{:.{}f}{}", scaled, none ? 2 : one_digit ? 1 : 0, letter);
  }
  return "0K";
}

}  // namespace

std::string size_label(std::span<const ExportTensor> tensors) {
  uint64_t shared = 0, in_experts = 0, experts = 0;
  for (const ExportTensor& tensor : tensors) {
    // The biases of experts count as shared, as llama.cpp counts them.
    if (tensor.name.find("_exps.") == std::string::npos || tensor.shape.size() < 3) {
      shared += elements_of(tensor);
    } else {
      experts = std::max(experts, tensor.shape.front());
      in_experts += elements_of(tensor) / std::max<uint64_t>(tensor.shape.front(), 1);
    }
  }
  const std::string size = rounded(static_cast<double>(shared + in_experts));
  return experts == 0 ? size : fmt::format("{}x{}", experts, size);
}

void add_general_keys(const Model& model, std::string_view name,
                      std::span<const ExportTensor> tensors, MetadataBuilder& out) {
  uint64_t parameters = 0;
  for (const ExportTensor& tensor : tensors) parameters += elements_of(tensor);
  const Result<std::string> readme = model.read_companion("README.md");
  const ModelCard card = ModelCard::parse(readme ? std::string_view(*readme) : "");

  out.set_text("general.type", "model");
  add_sampling(model, out);
  if (!name.empty()) out.set_text("general.name", name);
  for (const CardRow& row : kCardRows)
    for (const std::string_view field : row.fields)
      if (!field.empty()) set_if_new(out, row.key, card.value(field));

  if (const JsonValue* json = config(model))
    if (const JsonValue* path = json->find("_name_or_path"); path && path->as_string())
      // With more slashes it is a path on somebody's computer.
      if (const auto id = *path->as_string(); !id.empty() && std::ranges::count(id, '/') <= 1)
        add_id(parse_model_id(id, parameters), out);
  add_id(parse_model_id(model.name(), parameters), out);
  set_if_new(out, "general.name", model.name());
  if (parameters > 0) set_if_new(out, "general.size_label", size_label(tensors));

  set_if_new(out, "general.license", fmt::format("{}", fmt::join(card.values("license"), ",")));
  add_origins("base_model", first_values(card, {"base_model", "base_models", "base_model_sources"}),
              parameters, out);
  add_origins("dataset", first_values(card, {"datasets", "dataset", "dataset_sources"}), parameters,
              out);
  add_list("general.tags", {&card.values("tags"), &card.values("pipeline_tag")}, out);
  add_list("general.languages", {&card.values("languages"), &card.values("language")}, out);
}

}  // namespace stkit::gguf_export
