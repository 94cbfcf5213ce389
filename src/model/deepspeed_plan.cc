#include "model/deepspeed_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/checked_math.h"
#include "formats/finding_log.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// Elements of files that follow each other, to be cut into tensors.
class Chain {
 public:
  void add(uint32_t file, const ZeroRun& run) {
    links_.push_back({file, run, length_});
    length_ += run.count;  // of what files hold, so it cannot overflow
  }
  uint64_t length() const { return length_; }
  std::optional<DType> dtype() const {
    return links_.empty() ? std::nullopt : std::optional(links_.front().run.dtype);
  }
  bool one_type() const {
    return std::ranges::all_of(links_, [&](const Link& link) {
      return link.run.dtype == links_.front().run.dtype &&
             link.run.swap_bytes == links_.front().run.swap_bytes;
    });
  }

  // Elements [first, first + count) become the next ones of `tensor`. REQUIRES: they are there.
  void cut(uint64_t first, uint64_t count, BoxedTensor& tensor) const {
    auto link = std::ranges::upper_bound(links_, first, {}, &Link::start) - 1;
    while (count > 0) {
      const uint64_t skipped = first - link->start;
      const uint64_t taken = std::min(count, link->run.count - skipped);
      if (taken > 0) {
        tensor.unit_bytes = info(link->run.dtype).block_bytes;
        tensor.swap_bytes = link->run.swap_bytes;
        append(link->file, link->run.offset_bytes + skipped * tensor.unit_bytes, taken, tensor);
      }
      first += taken;
      count -= taken;
      ++link;
    }
  }

 private:
  struct Link {
    uint32_t file;
    ZeroRun run;
    uint64_t start;
  };

  static void append(uint32_t file, uint64_t offset, uint64_t count, BoxedTensor& tensor) {
    uint64_t& length = tensor.shape[0];
    if (!tensor.boxes.empty()) {
      TensorBox& last = tensor.boxes.back();
      if (last.file == file && last.offset_bytes + last.size[0] * tensor.unit_bytes == offset) {
        last.size[0] += count;
        length += count;
        return;
      }
    }
    tensor.boxes.push_back({file, offset, {length}, {count}, {1}});
    length += count;
  }

  std::vector<Link> links_;
  uint64_t length_ = 0;
};

class Planner {
 public:
  Planner(const ZeroCheckpoint& checkpoint, std::vector<Finding>& findings)
      : checkpoint_(checkpoint), findings_(findings) {}

  std::vector<AssembledTensor> plan() {
    const ZeroModelState& state = checkpoint_.states.front();
    add_buffers(state);
    if (checkpoint_.partitions.empty()) {
      for (const auto& [name, tensor] : state.module)
        add_view(name, tensor, checkpoint_.state_files[0]);
    } else if (checkpoint_.partitions.front().stage == 3) {
      add_frozen_of_ranks();
      add_stage_3();
    } else {
      for (const auto& [name, tensor] : state.frozen_fragments)
        add_view(name, tensor, checkpoint_.state_files[0]);
      add_stage_2();
    }
    for (const auto& [alias, kept] : state.shared) add_alias(alias, kept);
    check_module(state);
    return std::move(tensors_);
  }

 private:
  uint64_t ranks() const { return checkpoint_.partitions.size(); }

  void report(Check check, std::string message) {
    findings_.push_back({.check = check, .path = checkpoint_.path, .message = std::move(message)});
  }

  const std::vector<std::vector<ZeroParameter>>& shapes() const {
    const auto& of_model = checkpoint_.states.front().shapes;
    return of_model.empty() ? checkpoint_.partitions.front().shapes : of_model;
  }

  void add(AssembledTensor tensor) {
    if (names_.insert(tensor.name).second) tensors_.push_back(std::move(tensor));
  }

  void add_view(const std::string& name, const TorchTensor& view, uint32_t file) {
    const DTypeInfo& type = info(view.dtype);
    std::vector<uint64_t> shape = view.shape;
    if (type.block_elements > 1) shape.back() /= type.block_elements;
    BoxedTensor boxes =
        strided_tensor(file, view.offset_bytes, shape, view.strides, type.block_bytes);
    boxes.swap_bytes = view.swap_bytes;
    add({name, view.dtype, view.shape, std::move(boxes)});
  }

  // With their own dtype: zero_to_fp32.py makes floats even of integers.
  void add_buffers(const ZeroModelState& state) {
    const std::set<std::string_view> buffers(state.buffers.begin(), state.buffers.end());
    for (const auto& [name, tensor] : state.module)
      if (buffers.contains(name)) add_view(name, tensor, checkpoint_.state_files[0]);
  }

  AssembledTensor start(const ZeroParameter& parameter, const Chain& chain) const {
    AssembledTensor tensor{parameter.name, chain.dtype().value_or(DType::F32), parameter.shape, {}};
    tensor.boxes.shape = {0};
    tensor.boxes.unit_bytes = info(tensor.dtype).block_bytes;
    return tensor;
  }

  // A group is flattened, padded to a multiple of twice the ranks, and cut into equal parts. The
  // padding may have been taken off again.
  void add_stage_2() {
    const size_t groups = checkpoint_.partitions.front().groups.size();
    if (shapes().size() != groups)
      return report(Check::BadZeroState,
                    fmt::format("the optimizer has {} groups of parameters, but shapes are given "
                                "for {}",
                                groups, shapes().size()));
    for (size_t group = 0; group < groups; ++group) {
      Chain chain;
      for (uint64_t rank = 0; rank < ranks(); ++rank) {
        const ZeroPartition& partition = checkpoint_.partitions[rank];
        if (partition.groups.size() != groups)
          return report(Check::BadZeroState,
                        fmt::format("rank {} has {} groups of parameters, rank 0 has {}", rank,
                                    partition.groups.size(), groups));
        chain.add(checkpoint_.partition_files[rank], partition.groups[group]);
      }
      if (!chain.one_type())
        return report(Check::BadZeroState, fmt::format("group {} mixes dtypes", group));
      uint64_t used = 0;
      const auto wanted = total(shapes()[group]);
      if (!wanted || !fits(*wanted, chain.length(), 2 * ranks()))
        return mismatch(fmt::format("group {}", group), wanted, chain.length());
      for (const ZeroParameter& parameter : shapes()[group]) {
        AssembledTensor tensor = start(parameter, chain);
        const uint64_t count = *element_count(parameter.shape);
        if (count > 0) chain.cut(used, count, tensor.boxes);
        used += count;
        add(std::move(tensor));
      }
    }
  }

  static bool fits(uint64_t wanted, uint64_t there, uint64_t alignment) {
    return there >= wanted &&
           checked_round_up(wanted, alignment) == checked_round_up(there, alignment);
  }

  static std::optional<uint64_t> total(const std::vector<ZeroParameter>& parameters) {
    std::optional<uint64_t> sum = 0;
    for (const ZeroParameter& parameter : parameters)
      if (sum) sum = checked_add(*sum, *element_count(parameter.shape));
    return sum;
  }

  void mismatch(std::string_view what, std::optional<uint64_t> wanted, uint64_t there) {
    report(Check::ZeroSizeMismatch,
           fmt::format("{}: the parameters take {} elements, the partitions of {} ranks hold {}",
                       what, wanted ? format_grouped(*wanted) : std::string("more than 2^64"),
                       format_grouped(ranks()), format_grouped(there)));
  }

  // Every parameter is dealt to all ranks by itself: each holds ceil(n / ranks) elements, all at
  // the same place of its chain.
  void add_stage_3() {
    std::vector<Chain> chains(ranks());
    for (uint64_t rank = 0; rank < ranks(); ++rank)
      for (const ZeroRun& run : checkpoint_.partitions[rank].groups)
        chains[rank].add(checkpoint_.partition_files[rank], run);
    uint64_t wanted = 0;
    for (const auto& group : shapes())
      for (const ZeroParameter& parameter : group) {
        const auto sum = checked_add(wanted, share(*element_count(parameter.shape)));
        if (!sum) return mismatch("each rank", std::nullopt, chains[0].length());
        wanted = *sum;
      }
    for (uint64_t rank = 0; rank < ranks(); ++rank) {
      if (!chains[rank].one_type() || chains[rank].dtype() != chains[0].dtype())
        return report(Check::BadZeroState, fmt::format("rank {} mixes dtypes", rank));
      if (chains[rank].length() != wanted)
        return report(
            Check::ZeroSizeMismatch,
            fmt::format("rank {}: the parameters take {} elements, its partition holds {}", rank,
                        format_grouped(wanted), format_grouped(chains[rank].length())));
    }
    uint64_t used = 0;
    for (const auto& group : shapes())
      for (const ZeroParameter& parameter : group) {
        const uint64_t count = *element_count(parameter.shape), part = share(count);
        AssembledTensor tensor = start(parameter, chains[0]);
        for (uint64_t rank = 0, left = count; rank < ranks() && left > 0; ++rank) {
          const uint64_t taken = std::min(part, left);
          chains[rank].cut(used, taken, tensor.boxes);
          left -= taken;
        }
        used += part;
        add(std::move(tensor));
      }
  }

  uint64_t share(uint64_t count) const { return count / ranks() + (count % ranks() != 0); }

  void add_frozen_of_ranks() {
    for (const ZeroParameter& parameter : checkpoint_.states.front().frozen) {
      Chain chain;
      for (size_t rank = 0; rank < checkpoint_.states.size(); ++rank) {
        const auto& fragments = checkpoint_.states[rank].frozen_fragments;
        const auto found = fragments.find(parameter.name);
        if (found == fragments.end()) continue;
        const TorchTensor& view = found->second;
        const bool flat = view.shape.size() == 1 && (view.shape[0] <= 1 || view.strides[0] == 1);
        if (flat)
          chain.add(checkpoint_.state_files[rank],
                    {view.offset_bytes, view.shape[0], view.dtype, view.swap_bytes});
      }
      const uint64_t count = *element_count(parameter.shape);
      if (chain.length() < count || !chain.one_type()) {
        report(Check::ZeroSizeMismatch,
               fmt::format("frozen parameter {} takes {} elements, its fragments hold {}",
                           quoted_name(parameter.name), format_grouped(count),
                           format_grouped(chain.length())));
        continue;
      }
      AssembledTensor tensor = start(parameter, chain);
      if (count > 0) chain.cut(0, count, tensor.boxes);
      add(std::move(tensor));
    }
  }

  void add_alias(const std::string& alias, const std::string& kept) {
    const auto found = std::ranges::find(tensors_, kept, &AssembledTensor::name);
    if (found == tensors_.end()) return;  // check_module() tells
    AssembledTensor tensor = *found;
    tensor.name = alias;
    add(std::move(tensor));
  }

  // What the partitions do not give (frozen parameters of stage 1 among it) is in `module`, but for
  // stage 3, where that holds names alone.
  void check_module(const ZeroModelState& state) {
    const bool is_whole =
        checkpoint_.partitions.empty() || checkpoint_.partitions.front().stage < 3;
    for (const auto& [name, tensor] : state.module) {
      if (names_.contains(name)) continue;
      if (is_whole)
        add_view(name, tensor, checkpoint_.state_files[0]);
      else
        report(Check::ZeroMissingParameter,
               fmt::format("parameter {} is in no partition", quoted_name(name)));
    }
  }

  const ZeroCheckpoint& checkpoint_;
  std::vector<Finding>& findings_;
  std::vector<AssembledTensor> tensors_;
  std::set<std::string> names_;
};

}  // namespace

std::vector<AssembledTensor> plan_zero(const ZeroCheckpoint& checkpoint,
                                       std::vector<Finding>& findings) {
  return Planner(checkpoint, findings).plan();
}

}  // namespace stkit
