#include "ops/merge/select_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <numeric>
#include <optional>
#include <set>

#include "base/glob.h"
#include "base/rename.h"
#include "formats/finding_log.h"
#include "model/config.h"
#include "ops/merge/shared_tensors.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// Patterns, and which of them were of use.
class NamePatterns {
 public:
  explicit NamePatterns(const std::vector<std::string>& texts) : texts_(texts) {
    for (const std::string& text : texts) globs_.emplace_back(text);
    used_.resize(texts.size());
  }

  bool empty() const { return globs_.empty(); }

  bool match(std::string_view name) {
    bool matched = false;
    for (size_t i = 0; i < globs_.size(); ++i)
      if (globs_[i].matches(name)) matched = used_[i] = true;
    return matched;
  }

  void warn_of_unused(std::string_view option, std::vector<std::string>& warnings) const {
    for (size_t i = 0; i < texts_.size(); ++i)
      if (!used_[i])
        warnings.push_back(fmt::format("no tensor matches {} '{}'", option, printable(texts_[i])));
  }

 private:
  const std::vector<std::string>& texts_;
  std::vector<Glob> globs_;
  std::vector<bool> used_;
};

class Names {
 public:
  static Result<Names> compile(const MergeOptions& options) {
    Names names(options);
    for (const auto& [pattern, replacement] : options.rename) {
      STKIT_ASSIGN(Rename rename, Rename::compile(pattern, replacement));
      names.renames_.push_back(std::move(rename));
    }
    names.renamed_.resize(options.rename.size());
    return names;
  }

  std::string apply(std::string_view source) {
    if (source.starts_with(options_.strip_prefix)) {
      source.remove_prefix(options_.strip_prefix.size());
      stripped_ = true;
    }
    std::string name(source);
    for (size_t i = 0; i < renames_.size(); ++i) {
      std::string renamed = renames_[i].apply(name);
      if (renamed != name) renamed_[i] = true;
      name = std::move(renamed);
    }
    return name;
  }

  void warn_of_unused(std::vector<std::string>& warnings) const {
    if (!stripped_ && !options_.strip_prefix.empty())
      warnings.push_back(
          fmt::format("no tensor has the prefix '{}'", printable(options_.strip_prefix)));
    for (size_t i = 0; i < renamed_.size(); ++i)
      if (!renamed_[i])
        warnings.push_back(
            fmt::format("no tensor is renamed by '{}'", printable(options_.rename[i].first)));
  }

 private:
  explicit Names(const MergeOptions& options) : options_(options) {}

  const MergeOptions& options_;
  std::vector<Rename> renames_;
  std::vector<bool> renamed_;
  bool stripped_ = false;
};

std::string quoted_source(const SelectedTensor& tensor) { return quoted_name(tensor.source->name); }

Result<void> check_names(const std::vector<SelectedTensor>& tensors) {
  std::vector<uint32_t> order(tensors.size());
  std::iota(order.begin(), order.end(), 0u);
  const auto name_of = [&](uint32_t i) -> const std::string& { return tensors[i].name; };
  std::ranges::stable_sort(order, {}, name_of);
  const auto twice = std::ranges::adjacent_find(order, {}, name_of);
  if (twice != order.end())
    return fail(
        ErrorCode::Usage,
        fmt::format("tensors {} and {} would both be named {}", quoted_source(tensors[twice[0]]),
                    quoted_source(tensors[twice[1]]), quoted_name(name_of(*twice))),
        "change --rename or --strip-prefix, or leave one of them out with --exclude");
  if (!order.empty() && name_of(order.front()).empty() &&
      !tensors[order.front()].source->name.empty())
    return fail(
        ErrorCode::Usage,
        fmt::format("nothing is left of the name {}", quoted_source(tensors[order.front()])),
        "change --rename or --strip-prefix");
  return {};
}

// The 7 of "model.layers.7.mlp.weight": the first component that is a number.
std::optional<uint64_t> layer_of(std::string_view name) {
  while (!name.empty()) {
    const size_t dot = std::min(name.find('.'), name.size());
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + dot, number);
    if (error == std::errc() && end == name.data() + dot) return number;
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  return std::nullopt;
}

// REQUIRES: in the order of the model's tensors, and some are missing.
std::string left_out_text(const Model& model, const std::vector<SelectedTensor>& selected) {
  const uint64_t layers = config(model) == nullptr ? 0 : summarise_config(*config(model)).layers;
  std::set<uint64_t> lacking;
  auto next = selected.begin();
  for (const TensorInfo& tensor : model.tensors()) {
    if (next != selected.end() && next->source == &tensor) {
      ++next;
    } else if (const auto layer = layer_of(tensor.name); layer && *layer < layers) {
      lacking.insert(*layer);
    }
  }
  std::string text = fmt::format("{} of {} tensors are left out",
                                 format_grouped(model.tensors().size() - selected.size()),
                                 format_grouped(model.tensors().size()));
  if (!lacking.empty())
    text += fmt::format("; config.json asks for {} layers, and {} of them lack tensors now",
                        format_grouped(layers), format_grouped(lacking.size()));
  return text;
}

}  // namespace

Result<std::vector<SelectedTensor>> select_tensors(const Model& model, const MergeOptions& options,
                                                   std::vector<std::string>& warnings) {
  NamePatterns include(options.include), exclude(options.exclude);
  STKIT_ASSIGN(Names names, Names::compile(options));
  std::vector<SelectedTensor> selected;
  for (const TensorInfo& tensor : model.tensors()) {
    if (!include.empty() && !include.match(tensor.name)) continue;
    if (exclude.match(tensor.name)) continue;
    selected.push_back({&tensor, names.apply(tensor.name)});
  }
  if (selected.empty() && !model.tensors().empty())
    return fail(ErrorCode::NotFound, "no tensor is left to write",
                "see the names with: stkit inspect MODEL --tensors", model.reference());
  STKIT_TRY(check_names(selected));

  include.warn_of_unused("--include", warnings);
  exclude.warn_of_unused("--exclude", warnings);
  names.warn_of_unused(warnings);
  if (selected.size() < model.tensors().size()) warnings.push_back(left_out_text(model, selected));
  std::ranges::move(shared_tensor_warnings(selected), std::back_inserter(warnings));
  return selected;
}

}  // namespace stkit
