// Finds names among many: positions sorted by the hash of their name. Sorted rather than open
// addressing, because names come from files: forged collisions then cost a comparison, never a
// quadratic walk; and two such lists are joined in one pass.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace stkit {

class NameIndex {
 public:
  struct Slot {
    uint64_t hash;
    uint32_t position;
  };

  NameIndex() = default;

  // `name_of(position)` for every position below `count`; later calls must pass the same names.
  template <class NameOf>
  NameIndex(uint32_t count, const NameOf& name_of) {
    slots_.reserve(count);
    for (uint32_t i = 0; i < count; ++i) slots_.push_back({hash(name_of(i)), i});
    std::ranges::sort(slots_, [&](const Slot& a, const Slot& b) {
      return compare(a, name_of(a.position), b, name_of(b.position)) < 0;
    });
  }

  // The lowest position of that name.
  template <class NameOf>
  std::optional<uint32_t> find(std::string_view name, const NameOf& name_of) const {
    const uint64_t wanted = hash(name);
    auto slot = std::ranges::lower_bound(slots_, wanted, {}, &Slot::hash);
    for (; slot != slots_.end() && slot->hash == wanted; ++slot)
      if (name_of(slot->position) == name) return slot->position;
    return std::nullopt;
  }

  // Drops the positions for which `new_position` is kDropped and renumbers the others.
  static constexpr uint32_t kDropped = UINT32_MAX;
  void renumber(std::span<const uint32_t> new_position) {
    std::erase_if(slots_, [&](Slot& slot) {
      slot.position = new_position[slot.position];
      return slot.position == kDropped;
    });
  }

  // By hash, then name, then position: equal names are neighbours.
  std::span<const Slot> slots() const { return slots_; }

  // The order of slots, but for the position.
  static int compare(const Slot& a, std::string_view a_name, const Slot& b,
                     std::string_view b_name) {
    if (a.hash != b.hash) return a.hash < b.hash ? -1 : 1;
    return a_name.compare(b_name);
  }

 private:
  static uint64_t hash(std::string_view name) { return std::hash<std::string_view>{}(name); }

  std::vector<Slot> slots_;
};

}  // namespace stkit
