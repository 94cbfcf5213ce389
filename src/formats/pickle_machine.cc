#include "formats/pickle_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "formats/pickle_text.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// Real checkpoints name about twenty.
constexpr size_t kMaxGlobals = 1000;
constexpr std::string_view kBuiltins[] = {"builtins", "__builtin__"};

bool is_builtin(const PickleGlobal& global, std::string_view name) {
  return (global.module == kBuiltins[0] || global.module == kBuiltins[1]) && global.name == name;
}

}  // namespace

PickleMachine::PickleMachine(Pickle& pickle, std::span<const std::byte> input,
                             const PickleLimits& limits)
    : p_(pickle), in_(input), limits_(limits) {
  // An opcode makes at most two nodes. Room that is never touched costs nothing, while growing
  // by doubling would hold everything twice.
  p_.nodes_.reserve(static_cast<size_t>(
      std::min<uint64_t>(limits.memory_bytes / sizeof(Node), 2 * uint64_t{input.size()}) + 512));
  p_.nodes_.resize(kFirstSmallInt);
  p_.nodes_[kFalse] = {Kind::Bool, 0, 0};
  p_.nodes_[kTrue] = {Kind::Bool, 0, 1};
  for (uint64_t i = 0; i < 256; ++i) p_.nodes_.push_back({Kind::Int, 0, i});
}

void PickleMachine::run() {
  bool running = true;
  while (running && !failed_) {
    if (++opcodes_ > limits_.opcodes) {
      over_limit(
          fmt::format("the pickle has more than {} instructions", format_grouped(limits_.opcodes)));
      break;
    }
    const uint8_t opcode = in_.u8();
    if (!in_.ok()) break;
    running = step(opcode);
  }
  p_.ran_out_ = !failed_ && !in_.ok();
  if (p_.ran_out_)
    corrupt(fmt::format("the pickle ends after {} bytes without a STOP",
                        format_grouped(in_.position())));
  p_.size_bytes_ = in_.position();
  settle_getattr();
}

// CPython before 3.11.4 writes members of enumerations as getattr(Class, "MEMBER"). When that is
// all that getattr is used for, the members speak for themselves.
void PickleMachine::settle_getattr() {
  if (resolved_getattrs_ == 0 || other_getattrs_ > 0) return;
  for (PickleGlobal& global : p_.globals_)
    if (is_builtin(global, "getattr")) global.verdict = GlobalVerdict::Allowed;
}

void PickleMachine::corrupt(std::string message) {
  if (failed_) return;
  failed_ = true;
  p_.status_ = fail(ErrorCode::Corrupt, std::move(message));
}

void PickleMachine::over_limit(std::string message) {
  if (failed_) return;
  failed_ = true;
  p_.status_ = fail(ErrorCode::OutOfMemory, std::move(message));
}

bool PickleMachine::charge(uint64_t bytes) {
  used_bytes_ += bytes;
  if (used_bytes_ <= limits_.memory_bytes) return true;
  over_limit(
      fmt::format("what the pickle builds takes more than {}", format_bytes(limits_.memory_bytes)));
  return false;
}

// --- nodes --------------------------------------------------------------------------------------

PickleId PickleMachine::add(Kind kind, uint32_t size, uint64_t value) {
  if (!charge(sizeof(Node))) return kNone;
  p_.nodes_.push_back({kind, size, value});
  return static_cast<PickleId>(p_.nodes_.size() - 1);
}

PickleId PickleMachine::add_integer(int64_t value) {
  if (value >= 0 && value < 256) return kFirstSmallInt + static_cast<PickleId>(value);
  return add(Kind::Int, 0, static_cast<uint64_t>(value));
}

PickleId PickleMachine::add_text(Kind kind, std::string_view text) {
  if (text.size() > std::numeric_limits<uint32_t>::max()) {
    over_limit(fmt::format("a text of {} bytes", format_grouped(text.size())));
    return kNone;
  }
  return add(kind, static_cast<uint32_t>(text.size()), reinterpret_cast<uintptr_t>(text.data()));
}

PickleId PickleMachine::add_decoded(Kind kind, std::string_view text) {
  if (!charge(text.size())) return kNone;
  return add_text(kind, p_.decoded_.copy(text));
}

PickleId PickleMachine::add_container(Kind kind, std::span<const PickleId> children) {
  const PickleId id = add(kind, 0, 0);
  if (!failed_) append(id, children);
  return id;
}

// A container that outgrows its room moves to the end of the pool, with room for as much again.
void PickleMachine::append(PickleId container, std::span<const PickleId> children) {
  Node& node = p_.nodes_[container];
  std::vector<PickleId>& pool = p_.pool_;
  auto begin = static_cast<uint32_t>(node.value);
  auto room = static_cast<uint32_t>(node.value >> 32);
  const uint64_t wanted = uint64_t{node.size} + children.size();
  if (wanted > room) {
    const uint64_t new_room = room == 0 ? wanted : std::max(wanted, uint64_t{room} * 2);
    if (pool.size() + new_room > std::numeric_limits<uint32_t>::max())
      return over_limit("the pickle's containers hold more than 2^32 values");
    if (!charge(new_room * sizeof(PickleId))) return;
    const auto new_begin = static_cast<uint32_t>(pool.size());
    pool.resize(pool.size() + static_cast<size_t>(new_room));
    std::copy_n(pool.begin() + begin, node.size, pool.begin() + new_begin);
    begin = new_begin;
    room = static_cast<uint32_t>(new_room);
  }
  std::ranges::copy(children, pool.begin() + begin + node.size);
  node.size = static_cast<uint32_t>(wanted);
  node.value = uint64_t{room} << 32 | begin;
}

// --- stack and memo -----------------------------------------------------------------------------

void PickleMachine::push(PickleId id) {
  stack_.push_back(id);
  if (stack_.size() > highest_stack_) {
    highest_stack_ = stack_.size();
    charge(sizeof(PickleId));
  }
}

PickleId PickleMachine::top() {
  if (stack_.size() > (marks_.empty() ? 0 : marks_.back())) return stack_.back();
  corrupt(fmt::format("an instruction at byte {} takes more than is on the stack",
                      format_grouped(in_.position())));
  return kNone;
}

PickleId PickleMachine::pop() {
  const PickleId id = top();
  if (!failed_) stack_.pop_back();
  return id;
}

std::span<const PickleId> PickleMachine::since_mark() {
  if (!marks_.empty()) return std::span<const PickleId>(stack_).subspan(marks_.back());
  corrupt(fmt::format("an instruction at byte {} lacks its MARK", format_grouped(in_.position())));
  return {};
}

void PickleMachine::drop_to_mark() {
  if (marks_.empty()) return;
  stack_.resize(marks_.back());
  marks_.pop_back();
}

// Writers count up from 0, so a number beyond that of the instructions is forged.
void PickleMachine::memoize(uint64_t index, PickleId id) {
  if (failed_) return;
  if (index > opcodes_)
    return corrupt(fmt::format("memo entry {} after only {} instructions", format_grouped(index),
                               format_grouped(opcodes_)));
  if (index >= memo_.size()) {
    if (!charge((index + 1 - memo_.size()) * sizeof(uint32_t))) return;
    memo_.resize(static_cast<size_t>(index) + 1, kNotMemoized);
  }
  memo_count_ += memo_[static_cast<size_t>(index)] == kNotMemoized;
  memo_[static_cast<size_t>(index)] = id;
}

void PickleMachine::push_memo(uint64_t index) {
  if (index >= memo_.size() || memo_[static_cast<size_t>(index)] == kNotMemoized)
    return corrupt(fmt::format("memo entry {} is used, but never made", format_grouped(index)));
  push(memo_[static_cast<size_t>(index)]);
}

// --- globals and calls --------------------------------------------------------------------------

PickleId PickleMachine::forced_global(std::string_view module, std::string_view name,
                                      GlobalVerdict verdict) {
  const auto known = global_ids_.find({module, name});
  if (known != global_ids_.end()) return known->second;
  if (p_.globals_.size() == kMaxGlobals) {
    over_limit(fmt::format("the pickle names more than {} classes and functions",
                           format_grouped(kMaxGlobals)));
    return kNone;
  }
  if (!charge(module.size() + name.size())) return kNone;
  const PickleGlobal global{p_.decoded_.copy(module), p_.decoded_.copy(name), verdict};
  p_.globals_.push_back(global);
  const PickleId id = add(Kind::Global, 0, p_.globals_.size() - 1);
  global_ids_.emplace(std::pair(global.module, global.name), id);
  return id;
}

PickleId PickleMachine::global(std::string_view module, std::string_view name) {
  return forced_global(module, name, judge_global(module, name));
}

void PickleMachine::stack_global() {
  const PickleId name = pop(), module = pop();
  if (failed_) return;
  // Python looks up whatever the two are by then: names made by calls hide what is meant.
  if (p_.is(module, Kind::String) && p_.is(name, Kind::String))
    push(global(p_.text(module), p_.text(name)));
  else
    push(forced_global("<computed>", "<computed>", GlobalVerdict::Dangerous));
}

void PickleMachine::call(PickleId callable, PickleId arguments) {
  if (failed_) return;
  if (p_.is(callable, Kind::Global)) {
    const PickleGlobal& what = p_.globals_[p_.nodes_[callable].value];
    if (is_builtin(what, "getattr")) {
      const auto parts = p_.children(arguments);
      if (parts.size() == 2 && p_.is(parts[0], Kind::Global) && p_.is(parts[1], Kind::String)) {
        ++resolved_getattrs_;
        return push(attribute(parts[0], parts[1]));
      }
      ++other_getattrs_;
    } else if (what.verdict == GlobalVerdict::Allowed) {
      if (const PickleId made = construct(what, arguments); made != kAbsent) return push(made);
    }
  }
  push(add_container(Kind::Call, std::array{callable, arguments, kAbsent, kAbsent}));
}

PickleId PickleMachine::attribute(PickleId object, PickleId name) {
  const PickleGlobal owner = p_.global(object);
  const std::string path = std::string(owner.name) + "." + std::string(p_.text(name));
  // What comes from a dangerous place stays dangerous under any name.
  const GlobalVerdict verdict = owner.verdict == GlobalVerdict::Dangerous
                                    ? GlobalVerdict::Dangerous
                                    : judge_global(owner.module, path);
  return forced_global(owner.module, path, verdict);
}

// The data that a constructor would make; kAbsent when it is not one of those that are known, or
// not called as they are by picklers.
PickleId PickleMachine::construct(const PickleGlobal& what, PickleId arguments) {
  if (!p_.is(arguments, Kind::Tuple)) return kAbsent;
  const auto parts = p_.children(arguments);
  const auto only = [&](Kind kind) { return parts.size() == 1 && p_.is(parts[0], kind); };
  if (what.module == "collections") {
    if (what.name == "OrderedDict" || what.name == "Counter") return construct_dict(arguments);
    if (what.name == "defaultdict" && parts.size() <= 1) return add_container(Kind::Dict, {});
    return kAbsent;
  }
  if (what.module == "torch" && what.name == "Size") return only(Kind::Tuple) ? parts[0] : kAbsent;
  if (what.name == "encode" || is_builtin(what, "bytes") || is_builtin(what, "bytearray"))
    return construct_bytes(arguments);
  if (is_builtin(what, "dict")) return construct_dict(arguments);
  if (is_builtin(what, "set") || is_builtin(what, "frozenset")) {
    if (parts.empty()) return add_container(Kind::Set, {});
    if (!only(Kind::List) && !only(Kind::Tuple)) return kAbsent;
    const auto members = p_.children(parts[0]);
    return add_container(Kind::Set, std::vector<PickleId>(members.begin(), members.end()));
  }
  return kAbsent;
}

// Protocol 0 and Python 2 pass the items as a list of pairs.
PickleId PickleMachine::construct_dict(PickleId arguments) {
  const auto parts = p_.children(arguments);
  if (parts.empty()) return add_container(Kind::Dict, {});
  if (parts.size() > 1) return kAbsent;
  std::vector<PickleId> items;
  const auto source = p_.children(parts[0]);
  if (p_.is(parts[0], Kind::Dict)) {
    items.assign(source.begin(), source.end());
  } else if (p_.is(parts[0], Kind::List)) {
    for (const PickleId pair : source) {
      const auto both = p_.children(pair);
      if (both.size() != 2 || (!p_.is(pair, Kind::List) && !p_.is(pair, Kind::Tuple)))
        return kAbsent;
      items.insert(items.end(), both.begin(), both.end());
    }
  } else {
    return kAbsent;
  }
  return add_container(Kind::Dict, items);
}

// Protocol 2 writes bytes as encode(text, "latin1").
PickleId PickleMachine::construct_bytes(PickleId arguments) {
  const auto parts = p_.children(arguments);
  if (parts.empty()) return add_text(Kind::Bytes, {});
  if (parts.size() == 1) return p_.is(parts[0], Kind::Bytes) ? parts[0] : kAbsent;
  if (parts.size() != 2 || !p_.is(parts[0], Kind::String) || !p_.is(parts[1], Kind::String))
    return kAbsent;
  const std::string_view encoding = p_.text(parts[1]);
  if (encoding != "latin1" && encoding != "latin-1") return kAbsent;
  const auto bytes = latin1_bytes(p_.text(parts[0]));
  return bytes ? add_decoded(Kind::Bytes, *bytes) : kAbsent;
}

void PickleMachine::call_since_mark(PickleId callable, std::span<const PickleId> arguments) {
  if (failed_) return;
  const PickleId tuple = add_container(Kind::Tuple, arguments);
  drop_to_mark();
  call(callable, tuple);
}

// Attributes of plain data (the `_metadata` of a state dict) are no data of a model.
void PickleMachine::build() {
  const PickleId state = pop(), object = top();
  if (failed_ || !p_.is(object, Kind::Call)) return;
  p_.pool_[static_cast<uint32_t>(p_.nodes_[object].value) + 2] = state;
}

void PickleMachine::set_items(std::span<const PickleId> items, Kind kind) {
  if (failed_) return;
  if (kind == Kind::Dict && items.size() % 2 != 0)
    return corrupt(fmt::format("a key at byte {} has no value", format_grouped(in_.position())));
  const PickleId object = top();
  if (failed_) return;
  if (p_.is(object, kind)) return append(object, items);
  if (!p_.is(object, Kind::Call)) return;  // Python would fail, or call a method of a class
  const size_t place = static_cast<uint32_t>(p_.nodes_[object].value) + 3;
  if (p_.pool_[place] == kAbsent) {
    const PickleId container = add_container(kind, {});
    if (failed_) return;
    p_.pool_[place] = container;
  }
  if (p_.is(p_.pool_[place], kind)) append(p_.pool_[place], items);
}

}  // namespace stkit
