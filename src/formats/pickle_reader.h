// Python pickles, protocols 0 to 5, read as data.
//
// A pickle is a program for a stack machine: it names classes and functions of Python and calls
// them. This reader runs the machine and nothing else. It never looks a name up: a class is its
// name, a call is a node that remembers what would be called with what, and only constructors of
// plain data (OrderedDict, set, bytes, ...) become the data that they would make.
//
// Values are nodes of one array and refer to each other by number, so what is shared is stored
// once, and a pickle that doubles itself a thousand times stays small. For the same reason a walk
// over the nodes must remember where it has been.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "formats/pickle_globals.h"
#include "stkit/error.h"

namespace stkit {

enum class PickleKind : uint8_t {
  None,
  Bool,
  Int,
  BigInt,  // beyond 64 bits: text() is its two's complement, little-endian
  Float,
  String,
  Bytes,
  Tuple,
  List,
  Dict,  // children: key, value, key, value, ...
  Set,
  Global,        // a class or function, see global()
  Call,          // see callable(), arguments(), state(), items()
  PersistentId,  // one child; what the id stands for is the container format's affair
};

using PickleId = uint32_t;

struct PickleGlobal {
  std::string_view module;
  std::string_view name;
  GlobalVerdict verdict = GlobalVerdict::Unknown;
  std::string full_name() const { return std::string(module) + "." + std::string(name); }
};

struct PickleLimits {
  uint64_t opcodes = 50'000'000;
  // Of nodes, memo and stack together; the pickle's own bytes come on top.
  uint64_t memory_bytes = (uint64_t{64} << 20) + 3 * uint64_t{100'000'000};

  // What a pickle of that many bytes may take: real ones need two to three times their size.
  static PickleLimits for_size(uint64_t pickle_bytes) {
    return {.memory_bytes = (uint64_t{40} << 20) + 3 * pickle_bytes};
  }
};

class Pickle {
 public:
  // Reads one pickle from the front of `input`, which must outlive it. What is wrong with it is
  // in status(): the names that it mentions in front of the fault are there all the same.
  static Pickle read(std::span<const std::byte> input, const PickleLimits& limits);
  static Pickle read(std::span<const std::byte> input) {
    return read(input, PickleLimits::for_size(input.size()));
  }

  // Corrupt where the stream is malformed, OutOfMemory where it breaks the limits.
  const Result<void>& status() const { return status_; }
  uint64_t size_bytes() const { return size_bytes_; }  // to behind its STOP
  bool ran_out() const { return ran_out_; }  // nothing else is wrong: the input ended too early
  PickleId root() const { return root_; }    // REQUIRES: status() is good

  PickleKind kind(PickleId id) const { return nodes_[id].kind; }
  bool is(PickleId id, PickleKind kind) const { return nodes_[id].kind == kind; }
  size_t node_count() const { return nodes_.size(); }

  bool boolean(PickleId id) const { return nodes_[id].value != 0; }
  int64_t integer(PickleId id) const { return static_cast<int64_t>(nodes_[id].value); }
  double real(PickleId id) const;
  std::string_view text(PickleId id) const;  // of String, Bytes, BigInt; else empty
  // Of Tuple, List, Dict, Set, Call and PersistentId; empty for the others.
  std::span<const PickleId> children(PickleId id) const;

  const PickleGlobal& global(PickleId id) const { return globals_[nodes_[id].value]; }
  PickleId callable(PickleId call) const { return children(call)[0]; }
  PickleId arguments(PickleId call) const { return children(call)[1]; }
  // What BUILD set, the last where there are several; and a Dict or List of what was added to the
  // object as to a dict or list. Nothing where there is none.
  std::optional<PickleId> state(PickleId call) const { return optional_child(call, 2); }
  std::optional<PickleId> items(PickleId call) const { return optional_child(call, 3); }

  // The integer, when it is one and not negative.
  std::optional<uint64_t> unsigned_integer(PickleId id) const;
  // The value of a string key of a Dict, the last of several.
  std::optional<PickleId> find(PickleId dict, std::string_view key) const;
  // Whether it is the Global of that name.
  bool is_global(PickleId id, std::string_view module, std::string_view name) const;
  // The global that a Call would call, if it is one.
  const PickleGlobal* called(PickleId id) const;

  // Every class and function that the stream mentions, each once, in the order of first mention.
  std::span<const PickleGlobal> globals() const { return globals_; }

 private:
  friend class PickleMachine;
  struct Node {
    PickleKind kind = PickleKind::None;
    uint32_t size = 0;   // bytes of text, or number of children
    uint64_t value = 0;  // the number, the text's address, or the children's place and room
  };
  static_assert(sizeof(Node) == 16, "a checkpoint has ten of them a tensor");

  std::optional<PickleId> optional_child(PickleId call, size_t index) const;

  std::vector<Node> nodes_;
  std::vector<PickleId> pool_;  // the children of all nodes
  std::vector<PickleGlobal> globals_;
  Arena decoded_;  // texts that are not in the input as they are
  PickleId root_ = 0;
  uint64_t size_bytes_ = 0;
  bool ran_out_ = false;
  Result<void> status_;
};

}  // namespace stkit
