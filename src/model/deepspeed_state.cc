#include "model/deepspeed_state.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"
#include "formats/finding_log.h"

namespace stkit {
namespace {

// A file's dicts, with findings for what should be there and is not.
class StateReader {
 public:
  StateReader(const RandomAccessFile& file, std::vector<Finding>& findings)
      : label_(file.label()), findings_(findings) {}

  Result<bool> open(const RandomAccessFile& file, uint64_t max_pickle_bytes) {
    STKIT_ASSIGN(TorchFile torch, TorchFile::read(file, max_pickle_bytes));
    file_ = std::move(torch);
    bool sound = file_.has_object();
    for (Finding& finding : file_.take_findings()) {
      sound = sound && finding.severity() != Severity::Error;
      findings_.push_back(std::move(finding));
    }
    return sound;
  }

  const Pickle& pickle() const { return file_.pickle(); }

  void bad(std::string message) {
    findings_.push_back(
        {.check = Check::BadZeroState, .path = label_, .message = std::move(message)});
    failed_ = true;
  }
  bool failed() const { return failed_; }

  std::optional<PickleId> value(PickleId dict, std::string_view key) const {
    const auto found = pickle().find(dict, key);
    return found && !pickle().is(*found, PickleKind::None) ? found : std::nullopt;
  }

  // 2; ZeroStageEnum(2); or the path of the enumeration's member.
  std::optional<uint64_t> stage(PickleId id) const {
    const Pickle& p = pickle();
    if (const auto number = p.unsigned_integer(id)) return number;
    if (p.is(id, PickleKind::Call) && p.children(p.arguments(id)).size() == 1)
      return p.unsigned_integer(p.children(p.arguments(id))[0]);
    if (!p.is(id, PickleKind::Global)) return std::nullopt;
    constexpr std::string_view kMembers[] = {"ZeroStageEnum.disabled",
                                             "ZeroStageEnum.optimizer_states",
                                             "ZeroStageEnum.gradients", "ZeroStageEnum.weights"};
    for (uint64_t i = 0; i < std::size(kMembers); ++i)
      if (p.global(id).name == kMembers[i]) return i;
    return std::nullopt;
  }

  // Groups of experts have fewer ranks: the largest number is that of the files.
  std::optional<uint64_t> count(PickleId id) const {
    const Pickle& p = pickle();
    if (!p.is(id, PickleKind::List) && !p.is(id, PickleKind::Tuple)) return p.unsigned_integer(id);
    std::optional<uint64_t> most;
    for (const PickleId child : p.children(id)) most = std::max(most, p.unsigned_integer(child));
    return most;
  }

  std::optional<TorchTensor> tensor(PickleId id, std::string_view what) {
    if (!file_.is_tensor(id)) {
      bad(fmt::format("{} is no tensor", what));
      return std::nullopt;
    }
    auto found = file_.tensor(id);
    if (found) return std::move(*found);
    findings_.push_back({.check = found.error().check,
                         .path = label_,
                         .message = fmt::format("{}: {}", what, found.error().message)});
    failed_ = true;
    return std::nullopt;
  }

  std::vector<ZeroRun> runs(PickleId list, std::string_view key) {
    std::vector<ZeroRun> runs;
    for (const PickleId id : pickle().children(list)) {
      const auto found = tensor(id, fmt::format("entry {} of {}", runs.size(), quoted_name(key)));
      if (!found) break;
      if (found->shape.size() != 1 || (found->shape[0] > 1 && found->strides[0] != 1)) {
        bad(fmt::format("entry {} of {} is not flat", runs.size(), quoted_name(key)));
        break;
      }
      runs.push_back({found->offset_bytes, found->shape[0], found->dtype, found->swap_bytes});
    }
    return runs;
  }

  std::string name(PickleId id) {
    const std::string_view text = pickle().text(id);
    if (!pickle().is(id, PickleKind::String) || text.empty() || !is_utf8(text))
      bad("a name of a parameter is no text");
    return std::string(text);
  }

  std::vector<ZeroParameter> parameters(PickleId dict) {
    const Pickle& p = pickle();
    std::vector<ZeroParameter> found;
    const auto pairs =
        p.is(dict, PickleKind::Dict) ? p.children(dict) : std::span<const PickleId>();
    for (size_t i = 0; i + 1 < pairs.size() && !failed_; i += 2) {
      ZeroParameter parameter{name(pairs[i]), {}};
      const bool is_shape =
          p.is(pairs[i + 1], PickleKind::Tuple) || p.is(pairs[i + 1], PickleKind::List);
      if (!is_shape) bad(fmt::format("the shape of {} is none", quoted_name(parameter.name)));
      for (const PickleId child : p.children(pairs[i + 1])) {
        const auto size = p.unsigned_integer(child);
        if (!size) bad(fmt::format("the shape of {} is malformed", quoted_name(parameter.name)));
        parameter.shape.push_back(size.value_or(0));
      }
      if (!failed_ && !element_count(parameter.shape))
        bad(fmt::format("the shape of {} is too large", quoted_name(parameter.name)));
      found.push_back(std::move(parameter));
    }
    return found;
  }

  // A list of dicts, one a group; one dict until October 2021.
  std::vector<std::vector<ZeroParameter>> shapes(PickleId root) {
    std::vector<std::vector<ZeroParameter>> groups;
    const auto found = value(root, "param_shapes");
    if (!found) return groups;
    if (pickle().is(*found, PickleKind::Dict)) return {parameters(*found)};
    for (const PickleId group : pickle().children(*found)) groups.push_back(parameters(group));
    return groups;
  }

  std::vector<std::pair<std::string, TorchTensor>> tensors(PickleId dict) {
    const Pickle& p = pickle();
    std::vector<std::pair<std::string, TorchTensor>> found;
    const auto pairs =
        p.is(dict, PickleKind::Dict) ? p.children(dict) : std::span<const PickleId>();
    for (size_t i = 0; i + 1 < pairs.size() && !failed_; i += 2) {
      if (!file_.is_tensor(pairs[i + 1])) continue;  // extra state of modules
      std::string key = name(pairs[i]);
      if (auto view = tensor(pairs[i + 1], quoted_name(key)))
        found.emplace_back(std::move(key), std::move(*view));
    }
    return found;
  }

 private:
  const std::string label_;
  std::vector<Finding>& findings_;
  TorchFile file_;
  bool failed_ = false;
};

}  // namespace

Result<std::optional<ZeroPartition>> read_zero_partition(const RandomAccessFile& file,
                                                         uint64_t max_pickle_bytes,
                                                         std::vector<Finding>& findings) {
  StateReader in(file, findings);
  STKIT_ASSIGN(const bool sound, in.open(file, max_pickle_bytes));
  if (!sound) return std::nullopt;
  const PickleId root = in.pickle().root();
  const auto state = in.value(root, "optimizer_state_dict");
  const auto stage_id = state ? in.value(*state, "zero_stage") : std::nullopt;
  const auto stage = stage_id ? in.stage(*stage_id) : std::nullopt;
  const auto ranks_id = state ? in.value(*state, "partition_count") : std::nullopt;
  const auto ranks = ranks_id ? in.count(*ranks_id) : std::nullopt;
  if (!stage || !ranks || *ranks == 0 || *stage > 3) {
    in.bad("the file has no optimizer_state_dict with the zero_stage and partition_count of ZeRO");
    return std::nullopt;
  }
  ZeroPartition partition{.stage = *stage, .ranks = *ranks};
  const std::string_view key = *stage == 3 ? "fp32_flat_groups" : "single_partition_of_fp32_groups";
  const auto groups = in.value(*state, key);
  if (!groups || !in.pickle().is(*groups, PickleKind::List)) {
    in.bad(fmt::format("the optimizer's state has no list {}", quoted_name(key)));
    return std::nullopt;
  }
  partition.groups = in.runs(*groups, key);
  partition.shapes = in.shapes(root);
  if (in.failed()) return std::nullopt;
  return partition;
}

Result<std::optional<ZeroModelState>> read_zero_model_state(const RandomAccessFile& file,
                                                            uint64_t max_pickle_bytes,
                                                            std::vector<Finding>& findings) {
  StateReader in(file, findings);
  STKIT_ASSIGN(const bool sound, in.open(file, max_pickle_bytes));
  if (!sound) return std::nullopt;
  const Pickle& p = in.pickle();
  const PickleId root = p.root();
  ZeroModelState state;
  const auto module = in.value(root, "module");
  if (!module) {
    in.bad("the file has no `module`, so it is no state of a model");
    return std::nullopt;
  }
  state.module = in.tensors(*module);
  state.shapes = in.shapes(root);
  if (const auto buffers = in.value(root, "buffer_names"))
    for (const PickleId id : p.children(*buffers)) state.buffers.push_back(in.name(id));
  if (const auto frozen = in.value(root, "frozen_param_shapes"))
    state.frozen = in.parameters(*frozen);
  if (const auto fragments = in.value(root, "frozen_param_fragments"))
    for (auto& [name, tensor] : in.tensors(*fragments))
      state.frozen_fragments.insert_or_assign(std::move(name), std::move(tensor));
  if (const auto shared = in.value(root, "shared_params");
      shared && p.is(*shared, PickleKind::Dict)) {
    const auto pairs = p.children(*shared);
    for (size_t i = 0; i + 1 < pairs.size(); i += 2)
      state.shared.emplace_back(in.name(pairs[i]), in.name(pairs[i + 1]));
  }
  if (const auto step = in.value(root, "global_steps")) state.step = p.unsigned_integer(*step);
  if (in.failed()) return std::nullopt;
  return state;
}

}  // namespace stkit
