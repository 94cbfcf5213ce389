#include "gguf_export/tensor_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "formats/finding_log.h"
#include "gguf_export/arrange.h"
#include "gguf_export/prequantized.h"

namespace stkit::gguf_export {
namespace {

// What older versions of transformers saved though it is computed, and the parts of multimodal
// models that are not the language model.
constexpr std::string_view kIgnoredEndings[] = {".rotary_emb.inv_freq", ".attention.bias",
                                                ".attention.masked_bias"};
constexpr std::string_view kIgnoredStarts[] = {"vit.",       "vpm.",    "siglip2.", "conformer.",
                                               "resampler.", "merger.", "mlp1.",    "audio_tower."};
constexpr std::string_view kIgnoredParts[] = {
    "visual.",    "vision.",     "vision_",      "audio.",        "audio_",
    "projector.", "patch_embed", "patch_merger", "image_newline", "model.connector."};

bool is_ignored(std::string_view name) {
  const auto any = [&](std::span<const std::string_view> texts, auto matches) {
    return std::ranges::any_of(texts, matches);
  };
  return any(kIgnoredEndings, [&](std::string_view t) { return name.ends_with(t); }) ||
         any(kIgnoredStarts, [&](std::string_view t) { return name.starts_with(t); }) ||
         any(kIgnoredParts, [&](std::string_view t) { return name.find(t) != name.npos; });
}

// "layers.{}.mlp.experts.{}.w1.weight" and its numbers.
struct NameTemplate {
  std::string text;
  std::vector<uint64_t> numbers;
};

NameTemplate template_of(std::string_view name) {
  NameTemplate result;
  for (size_t at = 0; at <= name.size();) {
    const size_t dot = std::min(name.find('.', at), name.size());
    const std::string_view part = name.substr(at, dot - at);
    if (at > 0) result.text += '.';
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (error == std::errc() && end == part.data() + part.size()) {
      result.numbers.push_back(number);
      result.text += "{}";
    } else {
      result.text += part;
    }
    at = dot + 1;
  }
  return result;
}

std::string_view ending_of(std::string_view name) {
  for (const std::string_view ending : {".weight", ".bias"})
    if (name.ends_with(ending)) return ending;
  return {};
}

std::string_view without_prefix(std::string_view name, std::span<const std::string_view> prefixes) {
  for (const std::string_view prefix : prefixes)
    if (name.starts_with(prefix)) return name.substr(prefix.size());
  return name;
}

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

// Which rows are about a template. Rows of one span may share it: a fused tensor becomes several.
class RowIndex {
 public:
  explicit RowIndex(std::span<const std::span<const TensorRow>> spans) {
    for (const auto& span : spans)
      for (const TensorRow& row : span) {
        Rows& rows = rows_[std::string(row.from)];
        if (rows.list.empty()) rows.span = span.data();
        if (rows.span == span.data()) rows.list.push_back(&row);
      }
  }
  std::span<const TensorRow* const> find(std::string_view text) const {
    const auto found = rows_.find(text);
    return found == rows_.end() ? std::span<const TensorRow* const>() : found->second.list;
  }

 private:
  struct Rows {
    const TensorRow* span = nullptr;
    std::vector<const TensorRow*> list;
  };
  std::unordered_map<std::string, Rows, StringHash, std::equal_to<>> rows_;
};

struct Pending {
  std::vector<uint64_t> shape;  // of one member of a stack
  std::map<uint64_t, std::vector<Box>>
      members;  // by number; one with number 0 for what is no stack
  bool is_stack = false;
  std::string_view from;  // one input, for messages
};

class TensorPlanner {
 public:
  TensorPlanner(const Model& model, const Architecture& architecture, const HyperParameters& config)
      : model_(model), architecture_(architecture), config_(config), rows_(architecture.rows) {}

  Result<std::vector<ExportTensor>> run() {
    for (uint32_t i = 0; i < model_.tensors().size(); ++i) STKIT_TRY(add(i));
    STKIT_TRY(check_layers());
    share_output();
    std::vector<ExportTensor> tensors;
    for (auto& [name, pending] : pending_) {
      STKIT_ASSIGN(ExportTensor tensor, finish(name, pending));
      tensors.push_back(std::move(tensor));
    }
    for (const GeneratedTensor& generated : architecture_.generated)
      if (std::vector<float> values = generated.values(config_); !values.empty())
        tensors.push_back(
            {std::string(generated.name), {values.size()}, {.constants = std::move(values)}});
    return tensors;
  }

 private:
  Result<void> add(uint32_t index) {
    const TensorInfo& tensor = model_.tensors()[index];
    if (is_ignored(tensor.name) || is_scale_tensor(model_, tensor)) return {};
    const std::string_view name = without_prefix(tensor.name, architecture_.prefixes);
    const NameTemplate whole = template_of(name);
    std::string_view ending = ending_of(name);
    auto rows = rows_.find(whole.text);
    if (!rows.empty())
      ending = {};
    else if (!ending.empty())
      rows = rows_.find(std::string_view(whole.text).substr(0, whole.text.size() - ending.size()));
    if (rows.empty()) return unknown(tensor);
    if (!whole.numbers.empty() && whole.numbers.front() >= config_.layers().value_or(0) &&
        whole.text.starts_with("layers.") && architecture_.drops_extra_layers)
      return {};
    for (const TensorRow* row : rows) STKIT_TRY(add(*row, tensor, index, whole, ending));
    return {};
  }

  Result<void> add(const TensorRow& row, const TensorInfo& tensor, uint32_t index,
                   const NameTemplate& from, std::string_view ending) {
    if (row.to.empty()) return {};
    std::string name(row.to);
    if (const size_t at = name.find("{}"); at != name.npos)
      name.replace(at, 2, std::to_string(from.numbers.front()));
    name += !ending.empty() ? ending : ending_of(name).empty() ? ".weight" : "";
    if (architecture_.drops_output && name == "output.weight") return {};

    STKIT_ASSIGN(const std::optional<BlockScale> scale, find_scale(model_, tensor, config_));
    STKIT_ASSIGN(Arranged arranged, arrange(row.arrange, tensor, index, config_));
    for (Box& box : arranged.boxes) box.scale = scale;

    const bool is_stack = row.arrange == Arrange::Stack && from.numbers.size() >= 2;
    Pending& pending = pending_[name];
    const bool is_first = pending.members.empty();
    const uint64_t number = is_stack ? from.numbers[1] : 0;
    if (!pending.members.emplace(number, std::move(arranged.boxes)).second ||
        (!is_first && !pending.is_stack))
      return fail(ErrorCode::Corrupt,
                  fmt::format("tensors {} and {} would both become {}", quoted_name(pending.from),
                              quoted_name(tensor.name), quoted_name(name)));
    if (!is_first && pending.shape != arranged.shape)
      return fail(ErrorCode::Corrupt,
                  fmt::format("tensors {} and {} have different shapes, but belong to one stack",
                              quoted_name(pending.from), quoted_name(tensor.name)));
    pending.shape = std::move(arranged.shape);
    pending.is_stack = is_stack;
    pending.from = tensor.name;
    return {};
  }

  std::unexpected<Error> unknown(const TensorInfo& tensor) const {
    return fail(ErrorCode::Unsupported,
                fmt::format("tensor {} is none that the architecture {} has",
                            quoted_name(tensor.name), architecture_.name),
                "quantize the model under its own tensor names with --arch none");
  }

  // Every layer that config.json counts is there, and no other.
  Result<void> check_layers() const {
    const uint64_t layers = config_.layers().value_or(0);
    std::vector<bool> seen(std::min<uint64_t>(layers, pending_.size()));
    for (const auto& [name, pending] : pending_) {
      if (!name.starts_with("blk.")) continue;
      const uint64_t layer = template_of(name).numbers.front();
      if (layer >= layers)
        return fail(ErrorCode::Corrupt,
                    fmt::format("tensor {} is of layer {}, but config.json says that there are {}",
                                quoted_name(pending.from), layer, layers));
      if (layer < seen.size()) seen[layer] = true;
    }
    const auto missing = std::ranges::find(seen, false);
    if (missing == seen.end() && seen.size() == layers) return {};
    return fail(
        ErrorCode::Corrupt,
        fmt::format("there is no tensor of layer {}, but config.json says that there are {}",
                    missing - seen.begin(), layers));
  }

  void share_output() {
    if (!architecture_.needs_output || pending_.contains("output.weight")) return;
    if (const auto embedding = pending_.find("token_embd.weight"); embedding != pending_.end())
      pending_.emplace("output.weight", embedding->second);
  }

  Result<ExportTensor> finish(const std::string& name, Pending& pending) const {
    ExportTensor tensor{name, std::move(pending.shape), {}};
    if (pending.is_stack) {
      const uint64_t count = pending.members.rbegin()->first + 1;
      if (count != pending.members.size())
        return fail(ErrorCode::Corrupt,
                    fmt::format("{} of the {} tensors that {} is made of are missing",
                                count - pending.members.size(), count, quoted_name(name)));
      if (name.find("_exps.") != name.npos && count != config_.experts().value_or(count))
        return fail(ErrorCode::Corrupt,
                    fmt::format("{} is made of {} experts, but config.json says {}",
                                quoted_name(name), count, *config_.experts()));
      tensor.shape.insert(tensor.shape.begin(), count);
    }
    for (auto& [number, boxes] : pending.members)
      for (const Box& box : boxes) tensor.source.boxes.push_back(box);
    if (name.ends_with("norm.weight")) tensor.source.shift = architecture_.norm_shift;
    return tensor;
  }

  const Model& model_;
  const Architecture& architecture_;
  const HyperParameters& config_;
  RowIndex rows_;
  std::map<std::string, Pending> pending_;
};

}  // namespace

bool gguf_order(std::string_view left, std::string_view right) {
  const auto layer = [](std::string_view name) -> std::pair<int, uint64_t> {
    if (!name.starts_with("blk.")) return {0, 0};
    const NameTemplate parts = template_of(name);
    return {1, parts.numbers.empty() ? 0 : parts.numbers.front()};
  };
  const auto a = layer(left), b = layer(right);
  return a != b ? a < b : left < right;
}

Result<std::vector<ExportTensor>> plan_tensors(const Model& model, const Architecture& architecture,
                                               const HyperParameters& config) {
  STKIT_ASSIGN(std::vector<ExportTensor> tensors, TensorPlanner(model, architecture, config).run());
  std::ranges::sort(tensors, gguf_order, &ExportTensor::name);
  return tensors;
}

}  // namespace stkit::gguf_export
