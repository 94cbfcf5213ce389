// From the pickle of a DTensor to the part of the whole that it is.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <utility>

#include "formats/finding_log.h"
#include "formats/torch_file.h"
#include "formats/torch_part.h"

namespace stkit {
namespace {

using Problem = std::unexpected<TorchProblem>;

// More pieces of a dimension than that are no way to deal a tensor.
constexpr uint64_t kMaxSplitFactor = 1 << 16;

Problem bad(std::string message) { return Problem({Check::BadTorchTensor, std::move(message)}); }
Problem unreadable(std::string message) {
  return Problem({Check::UnreadableTensor, std::move(message)});
}

// What the attributes of an object are in: the dict itself, or behind None in a pair, as classes
// with slots have it.
std::optional<PickleId> attributes(const Pickle& p, PickleId state) {
  if (p.is(state, PickleKind::Dict)) return state;
  if (p.is(state, PickleKind::Tuple) && p.children(state).size() == 2 &&
      p.is(p.children(state)[1], PickleKind::Dict))
    return p.children(state)[1];
  return std::nullopt;
}

std::optional<PickleId> attribute(const Pickle& p, PickleId object, std::string_view name) {
  if (!p.is(object, PickleKind::Call)) return std::nullopt;
  const auto state = p.state(object);
  const auto dict = state ? attributes(p, *state) : std::nullopt;
  return dict ? p.find(*dict, name) : std::nullopt;
}

std::optional<std::vector<uint64_t>> numbers(const Pickle& p, std::optional<PickleId> id) {
  if (!id) return std::nullopt;
  if (const auto one = p.unsigned_integer(*id)) return std::vector{*one};
  if (!p.is(*id, PickleKind::Tuple) && !p.is(*id, PickleKind::List)) return std::nullopt;
  std::vector<uint64_t> all;
  for (const PickleId child : p.children(*id)) {
    const auto number = p.unsigned_integer(child);
    if (!number) return std::nullopt;
    all.push_back(*number);
  }
  return all;
}

std::string_view class_name(const Pickle& p, PickleId object) {
  const PickleGlobal* const global = p.called(object);
  return global == nullptr ? std::string_view() : global->name;
}

// A view of a storage, and no wrapper: what a file nests in itself without end is none.
bool is_plain(const Pickle& p, PickleId id) {
  const PickleGlobal* const global = p.called(id);
  return global != nullptr && global->module == "torch._utils" &&
         global->name.starts_with("_rebuild_tensor");
}

// Three versions of DeviceMesh: a layout of axes, each with a shape; a layout with one shape; a
// tensor of ranks.
std::optional<std::vector<uint64_t>> mesh_size(const TorchFile& file, PickleId mesh) {
  const Pickle& p = file.pickle();
  if (const auto layout = attribute(p, mesh, "_layout")) {
    if (const auto axes = attribute(p, *layout, "axes")) {
      std::vector<uint64_t> sizes;
      for (const PickleId axis : p.children(*axes)) {
        const auto shape = numbers(p, attribute(p, axis, "shape"));
        if (!shape) return std::nullopt;
        sizes.push_back(
            std::accumulate(shape->begin(), shape->end(), uint64_t{1}, std::multiplies()));
      }
      return sizes;
    }
    return numbers(p, attribute(p, *layout, "shape"));
  }
  const auto ranks = attribute(p, mesh, "mesh");
  if (!ranks || !is_plain(p, *ranks)) return std::nullopt;
  const auto tensor = file.tensor(*ranks);
  return tensor ? std::optional(tensor->shape) : std::nullopt;
}

std::expected<MeshPlace, TorchProblem> mesh_place(const TorchFile& file, PickleId mesh) {
  const auto size = mesh_size(file, mesh);
  const auto coordinate =
      numbers(file.pickle(), attribute(file.pickle(), mesh, "_coordinate_on_dim"));
  if (!size || !coordinate || size->size() != coordinate->size())
    return bad("the mesh of processes that it was dealt over is malformed");
  for (size_t i = 0; i < size->size(); ++i)
    if ((*coordinate)[i] >= (*size)[i])
      return bad(fmt::format("its process is at [{}] of a mesh of [{}]",
                             fmt::join(*coordinate, ", "), fmt::join(*size, ", ")));
  return MeshPlace{*size, *coordinate};
}

std::expected<Placement, TorchProblem> placement(const Pickle& p, PickleId id, size_t rank) {
  const std::string_view name = class_name(p, id);
  if (name == "Replicate") return Placement{};
  if (name.ends_with("Partial")) return unreadable("it is a sum that was not taken yet (Partial)");
  Placement placed;
  if (name == "Shard")
    placed.kind = Placement::Kind::Shard;
  else if (name == "_StridedShard")
    placed.kind = Placement::Kind::StridedShard;
  else
    return unreadable(fmt::format("it is dealt by {}, which is not known", quoted_name(name)));
  // An attribute, or the only argument, by the version.
  const auto field = attribute(p, id, "dim");
  const auto arguments = p.children(p.arguments(id));
  const auto dimension = field               ? p.unsigned_integer(*field)
                         : arguments.empty() ? std::nullopt
                                             : p.unsigned_integer(arguments[0]);
  if (!dimension || *dimension >= rank) return bad("it is dealt along a dimension that it has not");
  placed.dimension = *dimension;
  if (placed.kind == Placement::Kind::StridedShard) {
    const auto factor = attribute(p, id, "split_factor");
    const auto pieces = factor ? p.unsigned_integer(*factor) : std::nullopt;
    if (!pieces || *pieces == 0 || *pieces > kMaxSplitFactor)
      return bad("the stride that it is dealt by is malformed");
    placed.split_factor = *pieces;
  }
  return placed;
}

// By dimension of the tensor, the dimensions of the mesh that split it, where the file tells.
std::vector<std::vector<size_t>> shard_order(const Pickle& p, PickleId spec, size_t rank,
                                             const std::vector<Placement>& placements) {
  std::vector<std::vector<size_t>> order(rank);
  const auto found = attribute(p, spec, "shard_order");
  if (!found || !p.is(*found, PickleKind::Tuple)) return order;
  for (const PickleId entry : p.children(*found)) {
    if (!p.is(entry, PickleKind::Call)) continue;
    const auto parts = p.children(p.arguments(entry));
    const auto dimension = parts.size() == 2 ? p.unsigned_integer(parts[0]) : std::nullopt;
    const auto by = parts.size() == 2 ? numbers(p, parts[1]) : std::nullopt;
    if (!dimension || *dimension >= rank || !by) continue;
    std::vector<uint64_t> sorted = *by, splits;
    std::ranges::sort(sorted);
    for (size_t i = 0; i < placements.size(); ++i)
      if (placements[i].kind != Placement::Kind::Replicate && placements[i].dimension == *dimension)
        splits.push_back(i);
    if (sorted == splits) order[*dimension].assign(by->begin(), by->end());
  }
  return order;
}

}  // namespace

std::expected<TorchPart, TorchProblem> TorchFile::part(PickleId id) const {
  const Pickle& p = pickle_;
  const PickleGlobal* const global = p.called(id);
  const auto parts = p.children(p.arguments(id));
  const bool is_subclass = global != nullptr && global->name.starts_with("_rebuild_from_type") &&
                           parts.size() >= 4 &&
                           p.is_global(parts[0], "torch._utils", "_rebuild_wrapper_subclass");
  if (is_subclass) return distributed(parts);
  auto whole = tensor(id);
  if (!whole) return Problem(whole.error());
  TorchPart part{whole->shape, dealt_runs(whole->shape, {}, {}, {}), std::move(*whole)};
  return part;
}

// `call` is what _rebuild_from_type_v2 gets: a function, the class, the function's arguments,
// state.
std::expected<TorchPart, TorchProblem> TorchFile::distributed(
    std::span<const PickleId> call) const {
  const Pickle& p = pickle_;
  const std::string_view type =
      p.is(call[1], PickleKind::Global) ? p.global(call[1]).name : std::string_view();
  if (type != "DTensor")
    return unreadable(fmt::format("it is a {}, which is no plain tensor", quoted_name(type)));
  const auto state = attributes(p, call[3]);
  const auto local = state ? p.find(*state, "_local_tensor") : std::nullopt;
  const auto spec = state ? p.find(*state, "_spec") : std::nullopt;
  const auto arguments = p.children(call[2]);
  const auto shape = arguments.size() > 2 ? numbers(p, arguments[2]) : std::nullopt;
  const auto mesh = spec ? attribute(p, *spec, "mesh") : std::nullopt;
  const auto dealt = spec ? attribute(p, *spec, "placements") : std::nullopt;
  if (!local || !is_plain(p, *local) || !shape || !element_count(*shape) || !mesh || !dealt)
    return bad("it lacks what a distributed tensor has");
  STKIT_ASSIGN(const MeshPlace place, mesh_place(*this, *mesh));
  std::vector<Placement> placements;
  for (const PickleId one : p.children(*dealt)) {
    STKIT_ASSIGN(const Placement placed, placement(p, one, shape->size()));
    placements.push_back(placed);
  }
  if (placements.size() != place.size.size())
    return bad(fmt::format("it is dealt in {} ways over a mesh of {} dimensions", placements.size(),
                           place.size.size()));
  STKIT_ASSIGN(TorchTensor content, tensor(*local));
  TorchPart part{
      *shape,
      dealt_runs(*shape, placements, place, shard_order(p, *spec, shape->size(), placements)),
      std::move(content)};
  std::vector<uint64_t> wanted, stored = part.local.shape;
  for (const auto& runs : part.held)
    wanted.push_back(
        std::accumulate(runs.begin(), runs.end(), uint64_t{0},
                        [](uint64_t sum, const IndexRun& run) { return sum + run.count; }));
  if (const auto values = info(part.local.dtype).block_elements; values > 1 && !stored.empty())
    stored.back() /= values;
  if (stored != wanted)
    return bad(fmt::format("this process should hold [{}] of its [{}], but holds [{}]",
                           fmt::join(wanted, ", "), fmt::join(*shape, ", "),
                           fmt::join(stored, ", ")));
  return part;
}

}  // namespace stkit
