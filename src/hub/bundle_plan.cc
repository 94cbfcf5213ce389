#include "hub/bundle_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/glob.h"
#include "io/safe_name.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr uint64_t kSmallFileBytes = 1'000'000;

struct Rule {
  std::string_view pattern;  // over the whole path
  std::string_view reason;
};

constexpr std::string_view kOtherFramework = "weights for another framework";
constexpr std::string_view kTraining = "state of the training";

// Left out, whatever the weights are; the first that matches says why.
constexpr Rule kNever[] = {
    {"{,*/}.git*", "git's own"},
    {"{,*/}{optimizer,scheduler,scaler}.{pt,bin,safetensors}", kTraining},
    {"{,*/}{optimizer,rng_state,global_step}*.{pt,pth,safetensors}", kTraining},
    {"{,*/}training_args.bin", kTraining},
    {"{,*/}trainer_state.json", kTraining},
    {"{runs,logs}/*", kTraining},
    {"*.tfevents*", kTraining},
    {"{original,metal}/*", "a second copy of the weights"},
    {"{onnx,openvino,coreml,tflite}/*", kOtherFramework},
    {"*.{onnx,onnx_data,h5,msgpack,ot,tflite,mlmodel,mlpackage,nemo,engine,pb,llamafile}",
     kOtherFramework},
    {"*.onnx_data*", kOtherFramework},
    {"{figures,assets,images,media}/*", "pictures"},
};

constexpr std::string_view kPictures = "*.{png,jpg,jpeg,gif,webp,svg,mp4,mov,webm,wav,mp3,pdf}";

// Taken at the top, and in the folders that weights are taken from.
constexpr std::string_view kCompanions[] = {
    "*.json", "*.jinja", "*.model",  "*.model.v*", "*.tiktoken",  "*.txt",  "*.spm",
    "*.py",   "*.md",    "LICENSE*", "NOTICE*",    "USE_POLICY*", "*.yaml", "*.imatrix",
};

// A second form of the weights beside the main one, or a part that is no model by itself.
constexpr std::string_view kSecondary =
    "{,*/}{consolidated,adapter_model,mtp,optimizer,rng_state}*.{safetensors,bin,pth}";

// Weights of the two formats that come with variants: model.fp16.safetensors.
constexpr std::string_view kVariant =
    "{,*/}*.{fp16,bf16,fp32,fp8,non_ema,ema}{-*,}.{safetensors,bin}";

bool matches(std::string_view pattern, std::string_view text) {
  return Glob(pattern).matches(text);
}

std::string_view folder_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}
std::string_view base_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool is_weights(std::string_view path, WeightFormat format) {
  switch (format) {
    case WeightFormat::Safetensors: return path.ends_with(".safetensors");
    case WeightFormat::Gguf: return path.ends_with(".gguf");
    case WeightFormat::PyTorch:
      return path.ends_with(".bin") || path.ends_with(".pt") || path.ends_with(".pth");
    case WeightFormat::Auto:
    case WeightFormat::All: break;
  }
  return is_weights(path, WeightFormat::Safetensors) || is_weights(path, WeightFormat::Gguf) ||
         is_weights(path, WeightFormat::PyTorch);
}

std::string_view never_reason(std::string_view path) {
  for (const Rule& rule : kNever)
    if (matches(rule.pattern, path)) return rule.reason;
  return {};
}

std::set<std::string> weights_of(const RepoTree& tree, WeightFormat format) {
  std::set<std::string> weights;
  for (const RepoFile& file : tree.files)
    if (is_weights(file.path, format) && never_reason(file.path).empty()) weights.insert(file.path);
  return weights;
}

// Of the weights in one folder: the main ones, without variants and second forms, unless there is
// nothing else.
void keep_main(std::set<std::string>& weights) {
  for (const std::string_view pattern : {kSecondary, kVariant}) {
    std::set<std::string> rest;
    for (const std::string& path : weights)
      if (!matches(pattern, path)) rest.insert(path);
    if (!rest.empty()) weights = std::move(rest);
  }
}

// Every folder of a diffusers pipeline and every module of sentence-transformers has its own.
std::set<std::string> main_weights(const RepoTree& tree, const std::set<std::string>& all) {
  std::map<std::string_view, std::set<std::string>> folders;
  for (const std::string& path : all) folders[folder_of(path)].insert(path);
  const bool has_parts = std::ranges::any_of(tree.files, [](const RepoFile& file) {
    return file.path == "model_index.json" || file.path == "modules.json";
  });
  std::set<std::string> chosen;
  for (auto& [folder, weights] : folders) {
    const bool belongs = folder.empty() || has_parts || !folders.contains("");
    if (!belongs) continue;
    keep_main(weights);
    chosen.merge(weights);
  }
  return chosen;
}

// "model" of model-00001-of-00003.gguf: files that differ in nothing but their number are one set.
std::string set_name(std::string_view path) {
  const size_t dot = path.rfind('.');
  std::string stem(path.substr(0, dot));
  if (matches("*-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9]", stem))
    stem.resize(stem.size() - std::string_view("-00001-of-00003").size());
  return stem;
}

// A repository of GGUF files holds one model many times, each quantized otherwise.
Result<void> require_one_gguf(const RepoTree& tree, const std::set<std::string>& weights) {
  std::set<std::string> sets;
  for (const std::string& path : weights)
    if (!matches("{,*/}*{mmproj,imatrix}*", path)) sets.insert(set_name(path));
  if (sets.size() <= 1) return {};
  std::string names;
  size_t count = 0;
  for (const std::string& set : sets) {
    if (++count > 8) break;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", printable(base_of(set), 60));
  }
  return fail(ErrorCode::Usage,
              fmt::format("the repository holds {} different GGUF files: {}{}", sets.size(), names,
                          count > 8 ? ", ..." : ""),
              fmt::format("choose with --include, for example --include '*{}*'",
                          printable(base_of(*sets.begin()), 60)),
              tree.repo);
}

std::string found_formats(const RepoTree& tree) {
  std::set<std::string> found;
  for (const RepoFile& file : tree.files)
    if (const size_t dot = file.path.rfind('.');
        dot != std::string::npos && file.size_bytes > kSmallFileBytes)
      found.insert(printable(std::string_view(file.path).substr(dot), 20));
  std::string text;
  for (const std::string& suffix : found) text += (text.empty() ? "" : ", ") + suffix;
  return text.empty() ? "no large files at all" : text;
}

Result<BundlePlan> plan_by_globs(const RepoTree& tree, const BundleSelection& selection) {
  std::vector<Glob> include(selection.include.begin(), selection.include.end());
  BundlePlan plan;
  for (const RepoFile& file : tree.files) {
    const bool taken =
        std::ranges::any_of(include, [&](const Glob& glob) { return glob.matches(file.path); });
    plan.files.push_back({file, taken, taken ? "matches --include" : "matches no --include"});
  }
  return plan;
}

// The format of the weights, when nobody says: the first of which there are any.
WeightFormat find_format(const RepoTree& tree, WeightFormat asked) {
  if (asked != WeightFormat::Auto) return asked;
  for (const auto format : {WeightFormat::Safetensors, WeightFormat::Gguf, WeightFormat::PyTorch})
    if (!weights_of(tree, format).empty()) return format;
  return WeightFormat::Auto;
}

Result<BundlePlan> plan_by_rule(const RepoTree& tree, const BundleSelection& selection,
                                const std::optional<std::set<std::string>>& indexed) {
  BundlePlan plan;
  plan.format = find_format(tree, selection.format);
  const std::set<std::string> all = weights_of(tree, plan.format);
  if (plan.format == WeightFormat::Auto || all.empty())
    return fail(ErrorCode::NotFound,
                fmt::format("the repository holds no weights of this kind; there are {}",
                            found_formats(tree)),
                "take everything with --format all, or choose with --include", tree.repo);
  const std::set<std::string> weights =
      indexed && !indexed->empty() ? *indexed : main_weights(tree, all);
  if (plan.format == WeightFormat::Gguf) STKIT_TRY(require_one_gguf(tree, weights));
  for (const std::string& path : weights)
    if (!std::ranges::binary_search(tree.files, path, {}, &RepoFile::path))
      return fail(ErrorCode::Corrupt,
                  fmt::format("the index names '{}', which the repository does not have",
                              printable(path, 120)),
                  "the upload is incomplete; choose files with --include", tree.repo);

  std::set<std::string_view> folders = {""};
  for (const std::string& path : weights) folders.insert(folder_of(path));
  // Parts without weights of their own (a scheduler, a tokenizer) lie beside those with.
  const bool pipeline = std::ranges::binary_search(tree.files, std::string_view("model_index.json"),
                                                   {}, &RepoFile::path);
  for (const RepoFile& file : tree.files) {
    PlannedFile planned{file, false, "not part of the model"};
    const std::string_view base = base_of(file.path);
    const bool in_folder = folders.contains(folder_of(file.path)) || pipeline ||
                           file.path.starts_with("additional_chat_templates/") ||
                           matches("[0-9]_*/*", file.path);
    if (weights.contains(file.path)) {
      planned = {file, true, "weights"};
    } else if (const std::string_view why = never_reason(file.path); !why.empty()) {
      planned.reason = why;
    } else if (is_weights(file.path, WeightFormat::All)) {
      planned.reason = is_weights(file.path, plan.format) ? "other weights than the main ones"
                                                          : "the same weights in another format";
    } else if (file.path.ends_with(".index.json") &&
               !matches(plan.format == WeightFormat::PyTorch ? "*.bin.index.json"
                                                             : "*.safetensors.index.json",
                        base)) {
      planned.reason = "the same weights in another format";
    } else if (file.size_bytes > kSmallFileBytes && matches(kPictures, base)) {
      planned.reason = "pictures";
    } else if (in_folder && std::ranges::any_of(kCompanions, [&](std::string_view pattern) {
                 return matches(pattern, base);
               })) {
      planned = {file, true, "companion file"};
    } else if (folder_of(file.path).empty() && file.size_bytes <= kSmallFileBytes) {
      planned = {file, true, "small file"};
    }
    plan.files.push_back(std::move(planned));
  }
  return plan;
}

}  // namespace

uint64_t BundlePlan::taken_bytes() const {
  uint64_t bytes = 0;
  for (const PlannedFile& planned : files)
    if (planned.taken) bytes += planned.file.size_bytes;
  return bytes;
}

NamedWeights weights_by_name(const RepoTree& tree, WeightFormat format) {
  NamedWeights named{find_format(tree, format), {}};
  named.paths = main_weights(tree, weights_of(tree, named.format));
  if (named.paths.empty()) named.format = WeightFormat::Auto;
  return named;
}

const RepoFile* index_to_read(const RepoTree& tree, const BundleSelection& selection) {
  if (!selection.include.empty() || selection.format == WeightFormat::All ||
      selection.format == WeightFormat::Gguf)
    return nullptr;
  const auto find = [&](std::string_view path) -> const RepoFile* {
    const auto file = std::ranges::lower_bound(tree.files, path, {}, &RepoFile::path);
    return file != tree.files.end() && file->path == path ? &*file : nullptr;
  };
  const bool pytorch = find_format(tree, selection.format) == WeightFormat::PyTorch;
  return find(pytorch ? "pytorch_model.bin.index.json" : "model.safetensors.index.json");
}

Result<BundlePlan> plan_bundle(const RepoTree& tree, const BundleSelection& selection,
                               const std::optional<std::set<std::string>>& indexed) {
  BundlePlan plan;
  if (!selection.include.empty()) {
    STKIT_ASSIGN(plan, plan_by_globs(tree, selection));
  } else if (selection.format == WeightFormat::All) {
    plan.format = WeightFormat::All;
    for (const RepoFile& file : tree.files) plan.files.push_back({file, true, "everything"});
  } else {
    STKIT_ASSIGN(plan, plan_by_rule(tree, selection, indexed));
  }
  const std::vector<Glob> exclude(selection.exclude.begin(), selection.exclude.end());
  uint64_t bytes = 0;
  bool any = false;
  for (PlannedFile& planned : plan.files) {
    if (!planned.taken) continue;
    if (std::ranges::any_of(exclude, [&](const Glob& g) { return g.matches(planned.file.path); })) {
      planned.taken = false;
      planned.reason = "matches --exclude";
      continue;
    }
    any = true;
    if (auto safe = check_relative_name(planned.file.path); !safe)
      return fail(std::move(safe).error().at(tree.repo));
    if (__builtin_add_overflow(bytes, planned.file.size_bytes, &bytes))
      return fail(ErrorCode::Corrupt, "the sizes of its files have no sum", {}, tree.repo);
  }
  if (!any)
    return fail(ErrorCode::NotFound, "no file of the repository matches",
                "list what there is with: stkit download --dry-run --format all", tree.repo);
  return plan;
}

}  // namespace stkit
