#include "ops/inspect/companions.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>

#include "base/json_reader.h"

namespace stkit {
namespace {

struct Bundle {
  const Model& model;
  const Profile& profile;
  std::optional<JsonValue> config;

  bool has(std::string_view file) const {
    return std::ranges::any_of(model.files(), [&](const ModelFile& f) { return f.name == file; });
  }
  size_t count(FileRole role) const {
    return static_cast<size_t>(std::ranges::count(model.files(), role, &ModelFile::role));
  }
};

bool is_adapter(const Bundle& bundle) {
  return std::ranges::any_of(bundle.model.files(), [](const ModelFile& file) {
    return file.role == FileRole::Weights && file.name.starts_with("adapter_model");
  });
}

bool is_full_model(const Bundle& bundle) { return !is_adapter(bundle); }

bool reads_text(const Bundle& bundle) {
  const std::string& modality = bundle.profile.modality;
  return is_full_model(bundle) && (modality == "text" || modality == "code" ||
                                   (modality.empty() && bundle.profile.config.vocab_size > 0));
}

// Mistral's tekken.json holds its own configuration.
bool uses_tokenizer_config(const Bundle& bundle) {
  return reads_text(bundle) && !bundle.has("tekken.json");
}

bool sees_or_hears(const Bundle& bundle) {
  return bundle.config.has_value() && (bundle.config->find("vision_config") != nullptr ||
                                       bundle.config->find("audio_config") != nullptr);
}

bool is_sharded_safetensors(const Bundle& bundle) {
  return bundle.model.format() == FileFormat::Safetensors && bundle.count(FileRole::Weights) > 1 &&
         bundle.count(FileRole::Index) == 0;
}

// The first file is the usual one; any of them will do.
struct Companion {
  bool (*needed)(const Bundle&);
  std::span<const std::string_view> files;
};

constexpr std::string_view kConfig[] = {"config.json", "params.json", "model_index.json"};
constexpr std::string_view kAdapterConfig[] = {"adapter_config.json"};
constexpr std::string_view kIndex[] = {"model.safetensors.index.json"};
constexpr std::string_view kTokenizer[] = {
    "tokenizer.json", "tokenizer.model",        "tekken.json", "spiece.model", "vocab.txt",
    "merges.txt",     "sentencepiece.bpe.model"};
constexpr std::string_view kTokenizerConfig[] = {"tokenizer_config.json"};
constexpr std::string_view kProcessor[] = {"preprocessor_config.json", "processor_config.json",
                                           "image_processor_config.json"};

constexpr Companion kCompanions[] = {
    {is_full_model, kConfig},
    {is_adapter, kAdapterConfig},
    {is_sharded_safetensors, kIndex},
    {reads_text, kTokenizer},
    {uses_tokenizer_config, kTokenizerConfig},
    {sees_or_hears, kProcessor},
};

// "auto_map": {"AutoModel": "modeling_x.XModel"} needs modeling_x.py; "org/repo--modeling_x.XModel"
// is fetched from that repository.
void add_missing_code(const Bundle& bundle, std::vector<std::string>& missing) {
  const JsonValue* map = bundle.config ? bundle.config->find("auto_map") : nullptr;
  if (map == nullptr) return;
  for (const auto& [key, value] : map->members()) {
    const std::string_view reference = value.as_string().value_or("");
    const size_t dot = reference.find('.');
    if (dot == reference.npos || reference.find("--") != reference.npos) continue;
    std::string file = std::string(reference.substr(0, dot)) + ".py";
    if (!bundle.has(file) && std::ranges::find(missing, file) == missing.end())
      missing.push_back(std::move(file));
  }
}

bool is_lone_file(const Bundle& bundle) {
  if (bundle.model.files().size() != 1) return false;
  const std::string& file = bundle.model.files().front().name;
  return file != "model.safetensors" && !file.starts_with("adapter_model");
}

}  // namespace

std::vector<std::string> missing_companions(const Model& model, const Profile& profile) {
  Bundle bundle{model, profile, std::nullopt};
  // A GGUF file carries its configuration and tokenizer inside.
  if (model.format() == FileFormat::Gguf || is_lone_file(bundle)) return {};
  if (const auto text = model.read_companion("config.json"))
    if (auto config = JsonValue::parse(*text)) bundle.config = std::move(*config);

  std::vector<std::string> missing;
  for (const Companion& companion : kCompanions)
    if (companion.needed(bundle) &&
        std::ranges::none_of(companion.files, [&](std::string_view f) { return bundle.has(f); }))
      missing.emplace_back(companion.files.front());
  add_missing_code(bundle, missing);
  return missing;
}

}  // namespace stkit
