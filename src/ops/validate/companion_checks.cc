// The files beside the weights: there, and well-formed.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/json_reader.h"
#include "base/python_json.h"
#include "ops/validate/checks.h"

namespace stkit {
namespace {

// Any of these tells a loader what the weights are: adapters, pipelines and other libraries have
// theirs under other names.
constexpr std::string_view kConfigs[] = {
    "config.json",        "adapter_config.json", "model_index.json",
    "params.json",        "open_clip_config.json", "modules.json",
    "weights.mlx",        "config.yaml",         "hparams.yaml",
};

// Whether the user named one weight file rather than a bundle.
bool is_lone_file(const Context& context) {
  const std::string_view reference = context.model.reference();
  return context.weights.size() == 1 &&
         reference.ends_with(context.model.files()[context.weights.front()].name) &&
         reference.ends_with(".safetensors");
}

// A text encoder inside a pipeline has its tokenizer in a folder beside its own.
bool is_pipeline_part(const Context& context) {
  return context.model.name().starts_with("text_encoder");
}

bool needs_tokenizer(const Context& context) {
  const std::string_view architecture = context.config.architecture();
  const bool text = architecture.ends_with("ForCausalLM") ||
                    architecture.ends_with("LMHeadModel") ||
                    architecture.ends_with("ForMaskedLM") ||
                    (architecture.ends_with("ForConditionalGeneration") &&
                     context.config.text() != context.config.root());
  return text && !is_lone_file(context) && !is_pipeline_part(context);
}

// Vocabularies go by many names; settings alone are none, but for byte-level models.
bool holds_vocabulary(const ModelFile& file) {
  return file.role == FileRole::Tokenizer && file.name != "tokenizer_config.json" &&
         file.name != "special_tokens_map.json" && file.name != "added_tokens.json" &&
         !file.name.starts_with("chat_template");
}

Result<void> check_json(std::string text) {
  const auto skip = [](JsonCursor root) { return root.skip(); };
  const auto parse = [&](std::string& json) {
    const size_t size = json.size();
    json.append(kJsonPadding, '\0');
    return read_json(std::string_view(json).substr(0, size), skip);
  };
  std::string strict = strict_json(text);
  if (auto sound = parse(text)) return sound;
  return parse(strict);
}

}  // namespace

void check_config_file(Context& context) {
  if (context.weights.empty() || is_lone_file(context)) return;
  for (const std::string_view name : kConfigs)
    if (context.in_folder(name)) return;
  context.report(Check::MissingConfig, context.model.folder().label(),
                 "the folder has weights, but no config.json");
}

void check_tokenizer_files(Context& context) {
  if (!needs_tokenizer(context)) return;
  const auto files = context.model.files();
  if (std::ranges::any_of(files, holds_vocabulary)) return;
  const auto has_code = [](const ModelFile& file) {
    return file.name.starts_with("tokeni") && file.name.ends_with(".py");
  };
  // Custom code and byte-level tokenizers need no vocabulary that we know by name.
  if (context.file("tokenizer_config.json") != nullptr &&
      (std::ranges::any_of(files, has_code) || context.config.model_type() == "t5" ||
       context.config.model_type() == "canine"))
    return;
  context.report(Check::MissingTokenizer, context.model.folder().label(),
                 fmt::format("{} reads text, but the folder has no tokenizer.json, tokenizer.model "
                             "or vocabulary", context.config.architecture()));
}

void check_companions(Context& context) {
  for (const ModelFile& file : context.model.files()) {
    const bool tokenizer = file.role == FileRole::Tokenizer;
    const bool ours = tokenizer || file.role == FileRole::Config || file.role == FileRole::Processor;
    // config.json itself is checked when the model is opened, tokenizer.json with its ids.
    if (!ours || !file.name.ends_with(".json") || file.name == "config.json" ||
        file.name == "tokenizer.json")
      continue;
    auto text = context.model.read_companion(file.name);
    auto sound = text ? check_json(std::move(*text)) : Result<void>(fail(std::move(text.error())));
    if (!sound)
      context.report(tokenizer ? Check::BadTokenizer : Check::BadCompanion, file.path,
                     std::move(sound.error().message));
  }
}

}  // namespace stkit
