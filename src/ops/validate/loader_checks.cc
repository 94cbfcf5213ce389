// What one loader needs, or trips over (--for): rows per loader, from its own code.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/json_reader.h"
#include "model/shard_name.h"
#include "ops/validate/checks.h"

namespace stkit {
namespace {

constexpr std::string_view kIndex = "model.safetensors.index.json";
constexpr std::string_view kSingle = "model.safetensors";

std::string_view loader_name(const Context& context) {
  return loader_names()[static_cast<size_t>(*context.options.loader)];
}

// --- files ------------------------------------------------------------------------------------

struct Need {
  Loader loader;
  std::array<std::string_view, 2> any_of;  // the first is the usual one
  Severity severity;
};

constexpr Need kNeeds[] = {
    {Loader::Transformers, {"config.json", "adapter_config.json"}, Severity::Error},
    {Loader::Vllm, {"config.json", "params.json"}, Severity::Error},
    {Loader::CandleVllm, {"config.json", {}}, Severity::Error},
    {Loader::CandleVllm, {"tokenizer.json", {}}, Severity::Error},
    // Without it a built-in chat template is taken, which may be another model's.
    {Loader::CandleVllm, {"tokenizer_config.json", {}}, Severity::Warning},
    {Loader::MistralRs, {"config.json", "params.json"}, Severity::Error},
    // Another one can be named on its command line.
    {Loader::MistralRs, {"tokenizer.json", "tekken.json"}, Severity::Warning},
};

// --- weights ----------------------------------------------------------------------------------

using Names = std::set<std::string, std::less<>>;

// The files that the index in the folder names, whether this model was opened by it or not.
Names files_of_index(const Context& context) {
  Names names;
  auto text = context.model.read_companion(kIndex);
  if (!text) return names;
  const size_t size = text->size();
  text->append(kJsonPadding, '\0');
  // A broken index is IX001's to report.
  (void)read_json(std::string_view(*text).substr(0, size), [&](JsonCursor root) {
    return root.object([&](std::string_view key, JsonCursor value) -> Result<void> {
      if (key != "weight_map") return {};
      return value.object([&](std::string_view, JsonCursor file) -> Result<void> {
        STKIT_ASSIGN(const std::string_view name, file.string());
        if (!names.contains(name)) names.emplace(name);
        return {};
      });
    });
  });
  return names;
}

// "model-00001-of-00002.safetensors", whatever stands in front of it.
bool is_shard_of_model(std::string_view file) {
  const auto shard = parse_shard_name(file);
  return shard && shard->stem.ends_with("model") && shard->suffix == ".safetensors";
}

Names folder_weights(const Context& context) {
  Names names;
  for (const FolderEntry& entry : context.entries)
    if (entry.kind == EntryKind::File && entry.name.ends_with(".safetensors"))
      names.insert(entry.name);
  return names;
}

Names taken_by_transformers(const Context& context) {
  if (const std::string_view named = context.config.text_of("transformers_weights"); !named.empty())
    return named.ends_with(".index.json") ? files_of_index(context) : Names{std::string(named)};
  if (context.in_folder(kSingle)) return {std::string(kSingle)};
  if (context.in_folder(kIndex)) return files_of_index(context);
  if (context.in_folder("adapter_model.safetensors")) return {"adapter_model.safetensors"};
  return {};
}

// Every file of the folder, but only those of the index where there is one.
Names taken_by_vllm(const Context& context) {
  Names taken = folder_weights(context);
  const auto consolidated = [](std::string_view name) { return name.starts_with("consolidated"); };
  if (context.in_folder(kIndex)) {
    const Names listed = files_of_index(context);
    std::erase_if(taken, [&](const std::string& name) { return !listed.contains(name); });
  } else if (!std::ranges::all_of(taken, consolidated)) {
    std::erase_if(taken, consolidated);
  }
  return taken;
}

Names taken_by_candle_vllm(const Context& context) {
  if (context.in_folder(kIndex)) return files_of_index(context);
  if (context.in_folder(kSingle)) return {std::string(kSingle)};
  return {};
}

// By name alone; the index is not asked.
Names taken_by_mistral_rs(const Context& context) {
  Names taken = folder_weights(context);
  const bool shards = std::ranges::any_of(taken, [](const std::string& name) {
    return is_shard_of_model(name) || name.ends_with(kSingle);
  });
  std::erase_if(taken, [&](const std::string& name) {
    return shards ? !is_shard_of_model(name) && !name.ends_with(kSingle)
                  : name != "consolidated.safetensors";
  });
  return taken;
}

constexpr Names (*kTakenBy[])(const Context&) = {taken_by_transformers, taken_by_vllm,
                                                 taken_by_candle_vllm, taken_by_mistral_rs};

std::string names_text(const Names& names) {
  if (names.empty()) return "no weight file";
  if (names.size() == 1) return *names.begin();
  return fmt::format("{} files ({}, ...)", names.size(), *names.begin());
}

// --- dtypes -----------------------------------------------------------------------------------

struct DTypeRow {
  DType dtype;
  std::string_view refusal[4];  // by loader; empty where it is known
};

constexpr std::string_view kCandle = "candle has no such type";
constexpr std::string_view kTorch = "torch has no such type";
constexpr DTypeRow kDTypes[] = {
    {DType::BOOL, {{}, {}, kCandle, kCandle}},
    {DType::I8, {{}, {}, kCandle, kCandle}},
    {DType::U64, {{}, {}, kCandle, kCandle}},
    {DType::C64, {{}, {}, kCandle, kCandle}},
    {DType::F8_E5M2, {{}, {}, kCandle, kCandle}},
    {DType::F8_E4M3FNUZ, {{}, {}, kCandle, kCandle}},
    {DType::F8_E5M2FNUZ, {{}, {}, kCandle, kCandle}},
    {DType::F6_E2M3, {kTorch, kTorch, {}, {}}},
    {DType::F6_E3M2, {kTorch, kTorch, {}, {}}},
};

// Types that readers learned late: older installations refuse the whole file.
struct NewDType {
  DType dtype;
  std::string_view since;
};
constexpr NewDType kNewDTypes[] = {
    {DType::F4, "safetensors 0.6 (2025)"},
    {DType::F8_E8M0, "safetensors 0.6 (2025)"},
    {DType::C64, "safetensors releases since late 2025"},
    {DType::F8_E4M3FNUZ, "safetensors releases since 2026"},
    {DType::F8_E5M2FNUZ, "safetensors releases since 2026"},
};

// --- quantization -----------------------------------------------------------------------------

struct Methods {
  Loader loader;
  std::span<const std::string_view> methods;
};

constexpr std::string_view kTransformersMethods[] = {
    "gptq",       "awq",        "bitsandbytes", "compressed-tensors",
    "fp8",        "fbgemm_fp8", "mxfp4",        "hqq",
    "aqlm",       "torchao",    "quanto",       "eetq",
    "higgs",      "vptq",       "spqr",         "bitnet",
    "auto-round", "quark",      "fp_quant"};
constexpr std::string_view kVllmMethods[] = {
    "gptq",         "awq",          "bitsandbytes", "compressed-tensors", "fp8",
    "fbgemm_fp8",   "mxfp4",        "torchao",      "auto-round",         "quark",
    "modelopt",     "modelopt_fp4", "gptq_marlin",  "awq_marlin",         "gguf",
    "experts_int8", "bitnet"};
constexpr std::string_view kCandleVllmMethods[] = {"gptq", "awq", "marlin", "fp8", "mxfp4"};
constexpr std::string_view kMistralRsMethods[] = {"gptq",  "awq", "bitsandbytes", "fp8",
                                                  "mxfp4", "afq", "mlx"};
constexpr Methods kMethods[] = {{Loader::Transformers, kTransformersMethods},
                                {Loader::Vllm, kVllmMethods},
                                {Loader::CandleVllm, kCandleVllmMethods},
                                {Loader::MistralRs, kMistralRsMethods}};

}  // namespace

void check_loader_files(Context& context) {
  for (const Need& need : kNeeds) {
    if (need.loader != *context.options.loader) continue;
    const auto there = [&](std::string_view name) {
      return !name.empty() && context.in_folder(name);
    };
    if (std::ranges::any_of(need.any_of, there)) continue;
    context.report({.check = Check::LoaderMissingFile,
                    .path = context.folder_path(),
                    .message = fmt::format("{} needs {}", loader_name(context), need.any_of[0]),
                    .severity_override = need.severity});
  }
}

void check_loader_weights(Context& context) {
  Names ours;
  for (const uint32_t file : context.weights) ours.insert(context.model.files()[file].name);
  const Names taken = kTakenBy[static_cast<size_t>(*context.options.loader)](context);
  if (ours.empty() || taken == ours) return;
  context.report(Check::LoaderWeights, context.folder_path(),
                 fmt::format("{} takes {}, but this model is in {}", loader_name(context),
                             names_text(taken), names_text(ours)));
}

void check_loader_dtypes(Context& context) {
  std::set<DType> seen;
  const auto loader = static_cast<size_t>(*context.options.loader);
  const bool python =
      *context.options.loader == Loader::Transformers || *context.options.loader == Loader::Vllm;
  for (const TensorInfo& tensor : context.model.tensors()) {
    if (!seen.insert(tensor.dtype).second) continue;
    const auto row = std::ranges::find(kDTypes, tensor.dtype, &DTypeRow::dtype);
    const auto recent = std::ranges::find(kNewDTypes, tensor.dtype, &NewDType::dtype);
    if (row != std::end(kDTypes) && !row->refusal[loader].empty())
      context.report({.check = Check::LoaderDType,
                      .path = context.path_of(tensor),
                      .tensor = std::string(tensor.name),
                      .message = fmt::format("{} cannot read {}: {}", loader_name(context),
                                             name(tensor.dtype), row->refusal[loader])});
    else if (python && recent != std::end(kNewDTypes))
      context.report({.check = Check::LoaderQuirk,
                      .path = context.path_of(tensor),
                      .tensor = std::string(tensor.name),
                      .message = fmt::format("{} needs {}; older ones refuse the whole file",
                                             name(tensor.dtype), recent->since),
                      .severity_override = Severity::Note});
  }
}

void check_loader_quantization(Context& context) {
  const JsonValue* quantization = context.config.quantization();
  if (quantization == nullptr) return;
  const JsonValue* said = quantization->find("quant_method");
  const bool mlx = said == nullptr && quantization->find("group_size") != nullptr;
  const std::string_view method = mlx               ? "mlx"
                                  : said == nullptr ? ""
                                                    : said->as_string().value_or("");
  const auto row = std::ranges::find(kMethods, *context.options.loader, &Methods::loader);
  if (method.empty() || std::ranges::find(row->methods, method) != row->methods.end()) return;
  // Only of MLX's format it is certain: the others get new methods with every release.
  context.report({.check = Check::LoaderQuantization,
                  .path = context.config_path(),
                  .message = fmt::format("{} is not known to run {} quantization",
                                         loader_name(context), method),
                  .severity_override = mlx ? Severity::Error : Severity::Warning});
}

void check_loader_quirks(Context& context) {
  const Loader loader = *context.options.loader;
  if (loader == Loader::Transformers && !context.weights.empty()) {
    constexpr std::string_view kFormats[] = {"pt", "tf", "flax", "mlx"};
    const auto format = context.model.metadata().find("format");
    const std::string& path = context.model.files()[context.weights.front()].path;
    if (format == context.model.metadata().end())
      context.report({.check = Check::LoaderQuirk,
                      .path = path,
                      .message = "the header's metadata has no format; transformers before 4.48.2 "
                                 "fails on it",
                      .hint = "`stkit merge` adds `format: pt`"});
    else if (std::ranges::find(kFormats, format->second) == std::end(kFormats))
      context.report({.check = Check::LoaderWeights,
                      .path = path,
                      .message = fmt::format("the header's metadata says format '{}'; transformers "
                                             "takes pt, tf, flax and mlx",
                                             format->second),
                      .hint = "`stkit merge` writes `format: pt`"});
  }
  const bool rust = loader == Loader::CandleVllm || loader == Loader::MistralRs;
  if (const auto text = context.model.read_companion("config.json");
      rust && text && context.config.present() && !JsonValue::parse(*text))
    context.report({.check = Check::LoaderQuirk,
                    .path = context.config_path(),
                    .message = fmt::format("the config holds NaN or Infinity, which is no JSON; {} "
                                           "refuses it",
                                           loader_name(context)),
                    .hint = "replace them by null or a large number",
                    .severity_override = Severity::Error});
  const JsonValue* root = context.config.root();
  const JsonValue* old_name = root == nullptr ? nullptr : root->find("torch_dtype");
  if (loader == Loader::Vllm && old_name != nullptr && old_name->is_null() &&
      root->find("dtype") != nullptr)
    context.report({.check = Check::LoaderQuirk,
                    .path = context.config_path(),
                    .message = "torch_dtype is null beside a dtype; vllm then loads in float32",
                    .hint = "remove torch_dtype or set it to the dtype"});
}

}  // namespace stkit
