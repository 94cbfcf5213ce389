#include "model/companions.h"

#include <algorithm>
#include <span>

#include "model/listing.h"
#include "model/other_formats.h"
#include "stkit/inspect.h"
#include "stkit/text.h"

namespace stkit {
namespace {

struct RoleRule {
  std::string_view pattern;
  std::optional<FileRole> role;  // nothing: not a companion
};

// The first match counts.
constexpr RoleRule kRoles[] = {
    // What training and tools leave behind.
    {"*.safetensors", std::nullopt},
    {"*.index.json", std::nullopt},
    {"optimizer*", std::nullopt},
    {"scheduler.*", std::nullopt},
    {"scaler.*", std::nullopt},
    {"rng_state*", std::nullopt},
    {"random_states*", std::nullopt},
    {"trainer_state.json", std::nullopt},
    {"training_args.*", std::nullopt},
    {"zero_to_fp32.py", std::nullopt},
    {"latest", std::nullopt},
    {"events.out.tfevents*", std::nullopt},
    {"*.{lock,tmp,part,aria2,incomplete,crdownload}", std::nullopt},

    {"tokenizer*", FileRole::Tokenizer},
    {"special_tokens_map.json", FileRole::Tokenizer},
    {"added_tokens.json", FileRole::Tokenizer},
    {"vocab.{json,txt}", FileRole::Tokenizer},
    {"merges.txt", FileRole::Tokenizer},
    {"{spiece,sentencepiece*}.model", FileRole::Tokenizer},
    {"{source,target}.spm", FileRole::Tokenizer},
    {"*.tiktoken", FileRole::Tokenizer},
    {"tiktoken.model", FileRole::Tokenizer},
    {"tekken.json", FileRole::Tokenizer},
    {"chat_template*", FileRole::Tokenizer},

    {"*processor*.json", FileRole::Processor},
    {"feature_extractor*", FileRole::Processor},

    {"*config*.json", FileRole::Config},
    {"{params,modules,model_index,recipe}.json", FileRole::Config},
    {"recipe.yaml", FileRole::Config},

    {"*.py", FileRole::Code},
    {"*.md", FileRole::Document},
    {"{LICENSE,LICENCE,NOTICE,USE_POLICY}*", FileRole::Document},
};

// Files of no known purpose are kept when they are small; the large ones are demos and data.
constexpr uint64_t kMaxOtherBytes = 1 << 20;

struct NeedRule {
  std::string_view name;  // how the missing file is called
  std::string_view any_of;
  bool text_models_only;
};

constexpr NeedRule kNeeds[] = {
    {"config.json", "config.json", false},
    {"tokenizer.json",
     "{tokenizer.json,tokenizer.model*,vocab.json,vocab.txt,spiece.model,sentencepiece*.model,"
     "tekken.json,*.tiktoken,tiktoken.model,source.spm}",
     true},
    {"tokenizer_config.json", "{tokenizer_config.json,tekken.json}", true},
    {"generation_config.json", "generation_config.json", true},
};

bool has_file(const Model& model, std::string_view pattern) {
  return std::ranges::any_of(model.files(), [&](const ModelFile& file) {
    return glob_match(pattern, base_name(file.name));
  });
}

}  // namespace

std::optional<FileRole> companion_role(const FolderEntry& entry) {
  const std::string_view name = base_name(entry.name);
  if (entry.kind != EntryKind::File || name.starts_with('.')) return std::nullopt;
  for (const RoleRule& rule : kRoles)
    if (glob_match(rule.pattern, name)) return rule.role;
  if (recognise_other_format(entry) != nullptr || entry.size_bytes > kMaxOtherBytes)
    return std::nullopt;
  return FileRole::Other;
}

bool is_companion_folder(std::string_view name) {
  return name == "additional_chat_templates" || glob_match("[0-9]_*", name);
}

std::vector<std::string> missing_companions(const Model& model, const Profile& profile) {
  // A GGUF file has in itself what others have beside them.
  if (model.format() == FileFormat::Gguf || has_file(model, "adapter_config.json")) return {};
  const bool is_text = profile.modality == "text" || profile.modality == "code";
  std::vector<std::string> missing;
  for (const NeedRule& rule : kNeeds)
    if ((!rule.text_models_only || is_text) && !has_file(model, rule.any_of))
      missing.emplace_back(rule.name);
  return missing;
}

}  // namespace stkit
