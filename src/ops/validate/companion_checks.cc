// The files beside the weights: there, and well-formed.
#include <fmt/format.h>

#include <algorithm>

#include "base/json_reader.h"
#include "base/python_json.h"
#include "model/listing.h"
#include "ops/validate/checks.h"

namespace stkit {
namespace {

// Any of these tells a loader what the weights are: adapters, pipelines and other libraries have
// theirs under other names.
constexpr std::string_view kConfigs[] = {
    "config.json", "adapter_config.json",   "model_index.json",
    "params.json", "open_clip_config.json", "modules.json",
    "weights.mlx", "config.yaml",           "hparams.yaml",
};

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
  return text && !context.lone_file && !is_pipeline_part(context);
}

// Vocabularies go by many names; settings alone are none, but for byte-level models.
constexpr std::string_view kSettings[] = {"tokenizer_config.json", "special_tokens_map.json",
                                          "added_tokens.json"};

bool holds_vocabulary(const ModelFile& file) {
  const std::string_view name = base_name(file.name);
  return file.role == FileRole::Tokenizer && !name.starts_with("chat_template") &&
         std::ranges::find(kSettings, name) == std::end(kSettings);
}

bool is_tokenizer_code(const ModelFile& file) {
  return base_name(file.name).starts_with("tokeni") && file.name.ends_with(".py");
}

Result<void> parse_padded(std::string text) {
  const size_t size = text.size();
  text.append(kJsonPadding, '\0');
  return read_json(std::string_view(text).substr(0, size),
                   [](JsonCursor root) { return root.skip(); });
}

Result<void> check_json(const std::string& text) {
  if (auto sound = parse_padded(text)) return sound;
  return parse_padded(strict_json(text));
}

}  // namespace

void check_config_file(Context& context) {
  const bool is_gguf = context.model.format() == FileFormat::Gguf;  // has it all in itself
  if (context.weights.empty() || context.lone_file || is_gguf) return;
  for (const std::string_view name : kConfigs)
    if (context.in_folder(name)) return;
  context.report(Check::MissingConfig, context.folder_path(),
                 "the folder has weights, but no config.json");
}

void check_tokenizer_files(Context& context) {
  if (!needs_tokenizer(context)) return;
  const auto files = context.model.files();
  if (std::ranges::any_of(files, holds_vocabulary)) return;
  // Custom code and byte-level tokenizers need no vocabulary that we know by name.
  if (context.file("tokenizer_config.json") != nullptr &&
      (std::ranges::any_of(files, is_tokenizer_code) || context.config.model_type() == "t5" ||
       context.config.model_type() == "canine"))
    return;
  context.report(Check::MissingTokenizer, context.folder_path(),
                 fmt::format("{} reads text, but the folder has no tokenizer.json, tokenizer.model "
                             "or vocabulary",
                             context.config.architecture()));
}

void check_companions(Context& context) {
  for (const ModelFile& file : context.model.files()) {
    const bool tokenizer = file.role == FileRole::Tokenizer;
    const bool ours =
        tokenizer || file.role == FileRole::Config || file.role == FileRole::Processor;
    // config.json itself is checked when the model is opened, tokenizer.json with its ids.
    const auto name = std::string_view(file.name).substr(context.subfolder.size());
    if (!ours || !name.ends_with(".json") || name == "config.json" || name == "tokenizer.json")
      continue;
    auto text = context.model.read_companion(name);
    auto sound = text ? check_json(*text) : Result<void>(fail(std::move(text.error())));
    if (!sound)
      context.report(tokenizer ? Check::BadTokenizer : Check::BadCompanion, file.path,
                     std::move(sound.error().message));
  }
}

}  // namespace stkit
