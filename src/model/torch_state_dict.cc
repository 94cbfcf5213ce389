#include "model/torch_state_dict.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>
#include <utility>

#include "base/utf8.h"
#include "formats/finding_log.h"
#include "model/weight_choice.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// Never the model, though they may hold as many tensors.
constexpr std::string_view kTrainingState =
    "{optim*,opt_state*,*_optimizer,*_optimizers,lr_scheduler*,scheduler*,scaler*,grad_scaler*,"
    "rng*,random*,*_rng_state*,cuda_rng*,callbacks,loops,loop*_state,sampler*,dataloader*,"
    "data_sampler,frozen_param_fragments,trainer*}";

// What wrappers of training put in front of each name. The last three may stand anywhere in it.
constexpr std::string_view kLeadingPrefixes[] = {"_forward_module.", "module."};
constexpr std::string_view kInnerPrefixes[] = {"_orig_mod.", "_fsdp_wrapped_module.",
                                               "_checkpoint_wrapped_module."};

constexpr size_t kMaxDepth = 8;
constexpr size_t kMaxModuleDepth = 200;

struct Candidate {
  std::string path;
  PickleId node;
  bool is_module;
};

class Finder {
 public:
  explicit Finder(const TorchFile& file) : file_(file), p_(file.pickle()) {}

  // Breadth first, and never below a candidate.
  std::vector<Candidate> candidates() {
    std::vector<Candidate> level = {{"", p_.root(), false}}, found;
    std::unordered_set<PickleId> seen;
    for (size_t depth = 0; depth < kMaxDepth && !level.empty(); ++depth) {
      std::vector<Candidate> next;
      for (const Candidate& at : level) {
        if (!seen.insert(at.node).second) continue;
        if (is_weights(at.node))
          found.push_back({at.path, at.node, false});
        else if (module_state(at.node))
          found.push_back({at.path, at.node, true});
        else
          add_children(at, next);
      }
      level = std::move(next);
    }
    return found;
  }

  // Keys may hold dots themselves, so the longest that fits comes first.
  std::optional<Candidate> at_key(PickleId node, std::string_view key) const {
    if (key.empty()) return Candidate{"", node, module_state(node).has_value()};
    for (size_t end = key.size(); end != std::string_view::npos && end > 0;
         end = key.rfind('.', end - 1)) {
      const auto child = p_.find(node, key.substr(0, end));
      if (!child) continue;
      const std::string_view rest = end == key.size() ? std::string_view() : key.substr(end + 1);
      if (auto found = at_key(*child, rest)) return found;
    }
    return std::nullopt;
  }

  void collect(PickleId dict, const std::string& prefix, StateDict& state) const {
    const auto pairs = p_.children(dict);
    for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
      const std::string_view key = p_.text(pairs[i]);
      if (p_.is(pairs[i], PickleKind::String) && is_utf8(key) && file_.is_tensor(pairs[i + 1])) {
        state.entries.push_back({prefix + std::string(key), pairs[i + 1]});
      } else if (!p_.is(pairs[i + 1], PickleKind::None)) {
        if (state.skipped++ == 0) state.first_skipped = prefix + std::string(key);
      }
    }
  }

  // Parameters and persistent buffers of a module and of all modules in it. False when they nest
  // without end, or so that their number is beyond all reason.
  bool collect_module(PickleId module, StateDict& state) const {
    struct Step {
      PickleId module;
      std::string prefix;
      size_t depth;
    };
    std::vector<Step> steps = {{module, "", 0}};
    size_t visits = 0;
    while (!steps.empty()) {
      const Step step = std::move(steps.back());
      steps.pop_back();
      if (step.depth > kMaxModuleDepth || ++visits > p_.node_count()) return false;
      const auto fields = module_state(step.module);
      if (!fields) continue;
      if (const auto parameters = p_.find(*fields, "_parameters"))
        collect(*parameters, step.prefix, state);
      if (const auto buffers = p_.find(*fields, "_buffers"))
        collect_buffers(*buffers, p_.find(*fields, "_non_persistent_buffers_set"), step.prefix,
                        state);
      const auto modules = p_.find(*fields, "_modules");
      const auto pairs = modules ? p_.children(*modules) : std::span<const PickleId>();
      for (size_t i = pairs.size() & ~size_t{1}; i >= 2; i -= 2)
        steps.push_back(
            {pairs[i - 1], step.prefix + std::string(p_.text(pairs[i - 2])) + ".", step.depth + 1});
    }
    return true;
  }

 private:
  bool is_weights(PickleId node) const {
    if (!p_.is(node, PickleKind::Dict)) return false;
    const auto pairs = p_.children(node);
    size_t tensors = 0;
    for (size_t i = 0; i + 1 < pairs.size(); i += 2)
      tensors += p_.is(pairs[i], PickleKind::String) && file_.is_tensor(pairs[i + 1]);
    return tensors * 2 > pairs.size() / 2;
  }

  // The attributes of a torch.nn.Module.
  std::optional<PickleId> module_state(PickleId node) const {
    if (!p_.is(node, PickleKind::Call)) return std::nullopt;
    const auto state = p_.state(node);
    if (!state || !p_.find(*state, "_modules") || !p_.find(*state, "_parameters"))
      return std::nullopt;
    return state;
  }

  void add_children(const Candidate& at, std::vector<Candidate>& next) const {
    if (!p_.is(at.node, PickleKind::Dict)) return;
    const auto pairs = p_.children(at.node);
    for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
      const std::string_view key = p_.text(pairs[i]);
      const bool may_hold =
          p_.is(pairs[i + 1], PickleKind::Dict) || p_.is(pairs[i + 1], PickleKind::Call);
      if (may_hold && p_.is(pairs[i], PickleKind::String) && !is_training_state(key))
        next.push_back({at.path.empty() ? std::string(key) : at.path + "." + std::string(key),
                        pairs[i + 1], false});
    }
  }

  void collect_buffers(PickleId buffers, std::optional<PickleId> left_out,
                       const std::string& prefix, StateDict& state) const {
    std::set<std::string_view> names;
    if (left_out)
      for (const PickleId name : p_.children(*left_out)) names.insert(p_.text(name));
    StateDict all;
    collect(buffers, "", all);
    for (StateDict::Entry& entry : all.entries)
      if (!names.contains(entry.name)) state.entries.push_back({prefix + entry.name, entry.tensor});
  }

  const TorchFile& file_;
  const Pickle& p_;
};

// A dict keeps the last of several values.
void drop_repeated(StateDict& state) {
  std::map<std::string_view, size_t> last;
  for (size_t i = 0; i < state.entries.size(); ++i) last[state.entries[i].name] = i;
  if (last.size() == state.entries.size()) return;
  std::vector<StateDict::Entry> kept;
  for (size_t i = 0; i < state.entries.size(); ++i)
    if (last[state.entries[i].name] == i) kept.push_back(state.entries[i]);
  state.entries = std::move(kept);
}

std::string without(std::string_view name, std::string_view part) {
  std::string text;
  for (size_t at = name.find(part); at != std::string_view::npos; at = name.find(part)) {
    (text += name.substr(0, at));
    name.remove_prefix(at + part.size());
  }
  return text += name;
}

std::string describe(const std::vector<Candidate>& candidates) {
  std::vector<std::string> paths;
  for (const Candidate& candidate : candidates) paths.push_back(candidate.path);
  return list_names(paths);
}

}  // namespace

bool is_training_state(std::string_view key) { return glob_match(kTrainingState, key); }

std::string strip_wrapper_prefixes(std::vector<std::string>& names) {
  std::vector<std::string> stripped = names;
  std::string prefixes;
  const auto note = [&](std::string_view prefix) {
    (prefixes += prefixes.empty() ? "" : ", ") += quoted_name(prefix);
  };
  for (const std::string_view prefix : kInnerPrefixes) {
    bool found = false;
    for (std::string& name : stripped) {
      if (name.find(prefix) == std::string::npos) continue;
      found = true;
      name = without(name, prefix);
    }
    if (found) note(prefix);
  }
  for (const std::string_view prefix : kLeadingPrefixes) {
    const bool all = !stripped.empty() && std::ranges::all_of(stripped, [&](const auto& name) {
      return name.starts_with(prefix) && name.size() > prefix.size();
    });
    if (!all) continue;
    for (std::string& name : stripped) name.erase(0, prefix.size());
    note(prefix);
  }
  if (prefixes.empty()) return prefixes;
  if (std::set<std::string>(stripped.begin(), stripped.end()).size() != stripped.size()) return {};
  names = std::move(stripped);
  return prefixes;
}

std::expected<StateDict, TorchProblem> find_state_dict(const TorchFile& file,
                                                       std::string_view key) {
  Finder finder(file);
  std::vector<Candidate> candidates;
  if (key.empty()) {
    candidates = finder.candidates();
    if (candidates.size() > 1)
      return std::unexpected(
          TorchProblem{Check::AmbiguousWeights,
                       fmt::format("the checkpoint holds {} dicts of tensors: {}",
                                   format_grouped(candidates.size()), describe(candidates))});
  } else if (auto found = finder.at_key(file.pickle().root(), key)) {
    found->path = key;
    candidates.push_back(std::move(*found));
  }
  StateDict state;
  if (!candidates.empty()) {
    const Candidate& chosen = candidates.front();
    state.path = chosen.path;
    if (!chosen.is_module)
      finder.collect(chosen.node, "", state);
    else if (!finder.collect_module(chosen.node, state))
      return std::unexpected(TorchProblem{Check::BadPickle, "its modules nest without end"});
  }
  if (state.entries.empty()) {
    std::string message = "no dict of the checkpoint holds tensors mostly";
    if (!key.empty()) {
      message = fmt::format("the checkpoint has no dict of tensors at {}", quoted_name(key));
      if (const auto others = finder.candidates(); !others.empty())
        message += fmt::format("; there are {}", describe(others));
    }
    return std::unexpected(TorchProblem{Check::NoTorchTensors, std::move(message)});
  }
  drop_repeated(state);
  std::vector<std::string> names;
  for (StateDict::Entry& entry : state.entries) names.push_back(std::move(entry.name));
  state.prefixes = strip_wrapper_prefixes(names);
  for (size_t i = 0; i < names.size(); ++i) state.entries[i].name = std::move(names[i]);
  return state;
}

}  // namespace stkit
