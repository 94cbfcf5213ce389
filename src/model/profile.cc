#include "model/profile.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/ascii.h"
#include "base/glob.h"
#include "model/config.h"
#include "model/gguf_model.h"
#include "model/listing.h"
#include "model/model_contents.h"
#include "model/shard_name.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// --- What it is called ------------------------------------------------------------------------

std::string_view text_of(const JsonValue* value) {
  return value == nullptr ? std::string_view() : value->as_string().value_or("");
}

std::string_view metadata_value(const Model& model, std::span<const std::string_view> keys) {
  for (const std::string_view key : keys)
    if (const auto found = model.metadata().find(key); found != model.metadata().end())
      return found->second;
  return {};
}

constexpr std::string_view kArchitectureKeys[] = {"modelspec.architecture", "architecture",
                                                  "general.architecture"};
constexpr std::string_view kModelTypeKeys[] = {"model_type", "modelspec.architecture",
                                               "architecture", "ss_base_model_version",
                                               "general.architecture"};
constexpr std::string_view kModalityKeys[] = {"modality", "modelspec.modality"};

std::string find_architecture(const Model& model) {
  if (const JsonValue* json = config(model)) {
    if (const JsonValue* list = json->find("architectures"); list && !list->elements().empty())
      if (const auto first = text_of(&list->elements().front()); !first.empty())
        return std::string(first);
    for (const std::string_view key : {"_class_name", "architecture"})
      if (const auto name = text_of(json->find(key)); !name.empty()) return std::string(name);
  }
  return std::string(metadata_value(model, kArchitectureKeys));
}

// Names that only one family of models uses. The first row of which a tensor is found counts.
struct NamePattern {
  std::string_view glob;
  std::string_view model_type;
};
constexpr NamePattern kNamePatterns[] = {
    {"*.lora_{A,B,up,down}.*", "lora"},
    {"*word_embeddings_layernorm.weight", "bloom"},
    {"gpt_neox.layers.*", "gpt_neox"},
    {"*h.[0-9]*.attn.c_attn.weight", "gpt2"},
    {"transformer.h.[0-9]*.self_attention.query_key_value.weight", "falcon"},
    {"model.encoder.conv1.weight", "whisper"},
    {"*encoder.block.[0-9]*.layer.[0-9]*.SelfAttention.q.weight", "t5"},
    {"backbone.layers.[0-9]*.mixer.*", "mamba"},
    {"*double_blocks.[0-9]*.img_attn.*", "flux"},
    {"*joint_blocks.[0-9]*.x_block.*", "sd3"},
    {"model.diffusion_model.*", "stable-diffusion"},
    {"down_blocks.[0-9]*.resnets.*", "unet"},
    {"decoder.up_blocks.[0-9]*.resnets.*", "vae"},
    {"*text_model.encoder.layers.[0-9]*.self_attn.*", "clip"},
    {"roberta.encoder.layer.[0-9]*.*", "roberta"},
    {"*encoder.layer.[0-9]*.attention.self.query.weight", "bert"},
    {"model.layers.[0-9]*.self_attn.*", "llama"},
};

std::string_view model_type_by_names(std::span<const TensorInfo> tensors) {
  // Compiled once: there may be a million names.
  std::vector<Glob> globs;
  for (const NamePattern& row : kNamePatterns) globs.emplace_back(row.glob);
  size_t best = globs.size();
  for (const TensorInfo& tensor : tensors)
    for (size_t i = 0; i < best; ++i)
      if (globs[i].matches(tensor.name)) best = i;
  return best == globs.size() ? std::string_view() : kNamePatterns[best].model_type;
}

void find_model_type(const Model& model, Profile& profile) {
  const auto set = [&](std::string_view type, std::string_view source) {
    profile.model_type = type;
    profile.model_type_source = type.empty() ? "" : source;
    return !type.empty();
  };
  const JsonValue* json = config(model);
  if (json != nullptr && set(text_of(json->find("model_type")), "config")) return;
  if (set(metadata_value(model, kModelTypeKeys), "metadata")) return;
  set(model_type_by_names(model.tensors()), "names");
}

// --- What it is for ---------------------------------------------------------------------------

struct WordRow {
  std::string_view word;
  std::string_view modality;
};
// Words of an architecture's name that say it outright.
constexpr WordRow kArchitectureWords[] = {
    {"audio", "audio"}, {"wavegrad", "audio"}, {"code", "code"},
    {"image", "image"}, {"dit", "image"},      {"vae", "image"},
    {"mdlm", "text"},   {"sedd", "text"},      {"text", "text"},
};

// Families whose configuration does not say it in other ways.
constexpr WordRow kModelTypes[] = {
    {"{whisper,wav2vec2,hubert,encodec,musicgen,bark,speecht5,mimi,dac,vits}*", "audio"},
    {"{vit,clip,siglip,dinov2,swin,convnext,resnet,sam,deit,beit,detr}", "image"},
    {"{flux,sd3,stable-diffusion*,unet,vae}", "image"},
    {"{llama,gpt2,gpt_neox,falcon,bloom,mamba,t5,bert,roberta}", "text"},
};

constexpr WordRow kArchitectureEndings[] = {
    {"*ForCausalLM", "text"},
    {"*LMHeadModel", "text"},
    {"*ForMaskedLM", "text"},
    {"*ForSequenceClassification", "text"},
    {"*ForTokenClassification", "text"},
    {"*ForQuestionAnswering", "text"},
    {"*ForImageClassification", "image"},
    {"*ForCTC", "audio"},
};

std::string_view modality_by_config(const JsonValue& json, const Profile& profile) {
  const auto has = [&](std::string_view key) {
    const JsonValue* value = json.find(key);
    return value != nullptr && value->type() == JsonType::Object;
  };
  for (const WordRow& row : kModelTypes)
    if (glob_match(row.word, profile.model_type)) return row.modality;
  if (json.find("_diffusers_version") != nullptr) return "image";
  if (has("vision_config")) return "image";
  if (has("audio_config")) return "audio";
  for (const WordRow& row : kArchitectureEndings)
    if (glob_match(row.word, profile.architecture)) return row.modality;
  return profile.config.vocab_size > 0 ? "text" : "";
}

void find_modality(const Model& model, Profile& profile) {
  const auto set = [&](std::string_view modality, std::string_view source) {
    profile.modality = modality;
    profile.modality_source = source;
  };
  const std::string_view declared = metadata_value(model, kModalityKeys);
  for (const std::string_view known : {"text", "code", "image", "audio"})
    if (declared == known) return set(known, "metadata");
  for (const WordRow& row : kArchitectureWords)
    if (has_word(profile.architecture, row.word) || has_word(profile.model_type, row.word))
      return set(row.modality, "architecture");
  if (const JsonValue* json = config(model))
    if (const auto modality = modality_by_config(*json, profile); !modality.empty())
      return set(modality, "config");
  for (const WordRow& row : kModelTypes)
    if (glob_match(row.word, profile.model_type))
      return set(row.modality, profile.model_type_source);
}

// --- Its weights --------------------------------------------------------------------------------

constexpr std::string_view kGenericNames =
    "{model,pytorch_model,diffusion_pytorch_model,adapter_model,consolidated*,weights}";

bool is_plain_float(DType dtype) {
  return dtype == DType::F16 || dtype == DType::BF16 || dtype == DType::F32 || dtype == DType::F64;
}

bool mostly_plain_floats(std::span<const TensorInfo> tensors) {
  uint64_t plain = 0, all = 0;
  for (const TensorInfo& tensor : tensors) {
    all += tensor.size_bytes;
    if (is_plain_float(tensor.dtype)) plain += tensor.size_bytes;
  }
  return plain > all / 2;
}

}  // namespace

bool has_word(std::string_view text, std::string_view word) {
  using ascii::is_letter;
  using ascii::is_lower;
  using ascii::is_upper;
  const auto same = [](char c, char lower) { return ascii::to_lower(c) == lower; };
  for (auto begin = text.begin();; ++begin) {
    begin = std::search(begin, text.end(), word.begin(), word.end(), same);
    if (begin == text.end()) return false;
    const auto end = begin + static_cast<ptrdiff_t>(word.size());
    const bool starts =
        begin == text.begin() || !is_letter(begin[-1]) || (is_lower(begin[-1]) && is_upper(*begin));
    const bool ends = end == text.end() || !is_lower(*end);
    if (starts && ends) return true;
  }
}

std::string_view base_name_of_weights(std::string_view file_name) {
  std::string_view stem = base_name(file_name);
  if (const auto shard = parse_shard_name(stem))
    stem = shard->stem;
  else if (const size_t dot = stem.rfind('.');
           stem.ends_with(kWeightsSuffix) || stem.ends_with(".gguf"))
    stem.remove_suffix(stem.size() - dot);
  const std::string_view without_variant = stem.substr(0, stem.find('.'));
  return glob_match(kGenericNames, without_variant) ? std::string_view() : stem;
}

Profile make_profile(const Model& model) {
  const ModelContents& contents = ModelAccess::contents(model);
  Profile profile;
  if (const JsonValue* json = config(model)) profile.config = summarise_config(*json);
  if (model.format() == FileFormat::Gguf) profile.config = summarise_gguf(contents);
  profile.architecture = find_architecture(model);
  find_model_type(model, profile);
  profile.base_model_name = base_name_of_weights(contents.selected_weights);
  if (profile.base_model_name.empty()) profile.base_model_name = contents.folder_name;
  find_modality(model, profile);
  profile.quantization = find_quantization(model);
  profile.requires_isq = profile.quantization.empty() && mostly_plain_floats(model.tensors());
  return profile;
}

}  // namespace stkit
