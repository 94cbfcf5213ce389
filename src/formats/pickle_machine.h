// The stack machine that a pickle is a program for.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_reader.h"
#include "formats/pickle_reader.h"

namespace stkit {

class PickleMachine {
 public:
  PickleMachine(Pickle& pickle, std::span<const std::byte> input, const PickleLimits& limits);

  // Runs to STOP or to the first fault; everything that there is to know is then in the pickle.
  void run();

 private:
  using Kind = PickleKind;
  using Node = Pickle::Node;

  // Node numbers that every pickle has.
  static constexpr PickleId kAbsent = 0;  // where a Call has no state or items
  static constexpr PickleId kNone = 1, kFalse = 2, kTrue = 3;
  static constexpr PickleId kFirstSmallInt = 4;  // 0 to 255
  static constexpr uint32_t kNotMemoized = UINT32_MAX;

  bool step(uint8_t opcode);  // false at STOP
  bool step_text(uint8_t opcode);

  void corrupt(std::string message);
  void over_limit(std::string message);
  bool charge(uint64_t bytes);

  PickleId add(Kind kind, uint32_t size, uint64_t value);
  PickleId add_integer(int64_t value);
  PickleId add_text(Kind kind, std::string_view text);  // in the input, or kept in decoded_
  PickleId add_decoded(Kind kind, std::string_view text);
  PickleId add_container(Kind kind, std::span<const PickleId> children);
  void append(PickleId container, std::span<const PickleId> children);

  void push(PickleId id);
  PickleId pop();
  PickleId top();
  std::span<const PickleId> since_mark();  // stays in place until drop_to_mark()
  void drop_to_mark();

  void memoize(uint64_t index, PickleId id);
  void push_memo(uint64_t index);
  std::string_view line();
  std::optional<uint64_t> line_number();

  PickleId global(std::string_view module, std::string_view name);
  PickleId forced_global(std::string_view module, std::string_view name, GlobalVerdict verdict);
  void stack_global();
  void call(PickleId callable, PickleId arguments);
  PickleId attribute(PickleId object, PickleId name);
  PickleId construct(const PickleGlobal& what, PickleId arguments);
  PickleId construct_dict(PickleId arguments);
  PickleId construct_bytes(PickleId arguments);
  void call_since_mark(PickleId callable, std::span<const PickleId> arguments);
  void build();
  void set_items(std::span<const PickleId> items, Kind kind);
  void add_string(std::string_view text) { push(add_text(Kind::String, text)); }
  void add_long(uint64_t bytes);
  void add_decimal(std::string_view text);
  void settle_getattr();

  Pickle& p_;
  ByteReader in_;
  const PickleLimits limits_;
  std::vector<PickleId> stack_;
  std::vector<size_t> marks_;
  std::vector<uint32_t> memo_;
  uint64_t memo_count_ = 0;
  uint64_t opcodes_ = 0;
  uint64_t used_bytes_ = 0;
  size_t highest_stack_ = 0;
  std::map<std::pair<std::string_view, std::string_view>, PickleId> global_ids_;
  uint64_t resolved_getattrs_ = 0;
  uint64_t other_getattrs_ = 0;
  bool failed_ = false;
};

}  // namespace stkit
