#include "formats/pickle_reader.h"

#include <bit>

#include "formats/pickle_machine.h"

namespace stkit {

Pickle Pickle::read(std::span<const std::byte> input, const PickleLimits& limits) {
  Pickle pickle;
  PickleMachine(pickle, input, limits).run();
  return pickle;
}

double Pickle::real(PickleId id) const { return std::bit_cast<double>(nodes_[id].value); }

std::string_view Pickle::text(PickleId id) const {
  const Node& node = nodes_[id];
  const bool is_text = node.kind == PickleKind::String || node.kind == PickleKind::Bytes ||
                       node.kind == PickleKind::BigInt;
  if (!is_text || node.size == 0) return {};
  return {reinterpret_cast<const char*>(static_cast<uintptr_t>(node.value)), node.size};
}

std::span<const PickleId> Pickle::children(PickleId id) const {
  const Node& node = nodes_[id];
  switch (node.kind) {
    case PickleKind::Tuple:
    case PickleKind::List:
    case PickleKind::Dict:
    case PickleKind::Set:
    case PickleKind::Call:
    case PickleKind::PersistentId:
      return std::span(pool_).subspan(static_cast<uint32_t>(node.value), node.size);
    default: return {};
  }
}

std::optional<PickleId> Pickle::optional_child(PickleId call, size_t index) const {
  const PickleId child = children(call)[index];
  return child == 0 ? std::nullopt : std::optional(child);
}

std::optional<uint64_t> Pickle::unsigned_integer(PickleId id) const {
  if (!is(id, PickleKind::Int) || integer(id) < 0) return std::nullopt;
  return static_cast<uint64_t>(integer(id));
}

std::optional<PickleId> Pickle::find(PickleId dict, std::string_view key) const {
  if (!is(dict, PickleKind::Dict)) return std::nullopt;
  const auto pairs = children(dict);
  for (size_t i = pairs.size(); i >= 2; i -= 2)
    if (is(pairs[i - 2], PickleKind::String) && text(pairs[i - 2]) == key) return pairs[i - 1];
  return std::nullopt;
}

bool Pickle::is_global(PickleId id, std::string_view module, std::string_view name) const {
  return is(id, PickleKind::Global) && global(id).module == module && global(id).name == name;
}

const PickleGlobal* Pickle::called(PickleId id) const {
  if (!is(id, PickleKind::Call) || !is(callable(id), PickleKind::Global)) return nullptr;
  return &global(callable(id));
}

}  // namespace stkit
