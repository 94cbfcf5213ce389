#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "formats/finding_log.h"
#include "formats/pickle_machine.h"
#include "formats/pickle_text.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr unsigned kNewestProtocol = 5;

}  // namespace

void PickleMachine::add_long(uint64_t count) {
  const std::string_view bytes = in_.text(count);
  if (!in_.ok()) return;
  if (bytes.size() > 8) return push(add_text(Kind::BigInt, bytes));
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i)
    value |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  const size_t bits = 8 * bytes.size();
  if (bits > 0 && bits < 64 && (value >> (bits - 1) & 1) != 0) value |= ~uint64_t{0} << bits;
  push(add_integer(static_cast<int64_t>(value)));
}

void PickleMachine::add_decimal(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return push(add_integer(value));
  if (const auto big = parse_big_integer(text)) return push(add_decoded(Kind::BigInt, *big));
  corrupt(
      fmt::format("{} at byte {} is no number", quoted_name(text), format_grouped(in_.position())));
}

std::string_view PickleMachine::line() {
  // Looked for in a copy of the cursor, since the length comes first.
  ByteReader rest = in_;
  const std::string_view text = rest.text(rest.remaining());
  const size_t end = text.find('\n');
  if (end == std::string_view::npos) {
    in_.skip(std::numeric_limits<uint64_t>::max());
    return {};
  }
  const std::string_view found = in_.text(end);
  in_.skip(1);
  return found;
}

std::optional<uint64_t> PickleMachine::line_number() {
  const std::string_view text = line();
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (in_.ok() && error == std::errc() && end == text.data() + text.size()) return value;
  if (in_.ok()) corrupt(fmt::format("{} is no number of a memo entry", quoted_name(text)));
  return std::nullopt;
}

// Protocol 0. True when the opcode is one of its own.
bool PickleMachine::step_text(uint8_t opcode) {
  switch (opcode) {
    case 'I': {
      const std::string_view text = line();
      if (!in_.ok()) return true;
      if (text == "00" || text == "01")
        push(text == "01" ? kTrue : kFalse);
      else
        add_decimal(text);
      return true;
    }
    case 'L': {
      std::string_view text = line();
      if (text.ends_with('L')) text.remove_suffix(1);
      if (in_.ok()) add_decimal(text);
      return true;
    }
    case 'F': {
      const std::string_view text = line();
      double value = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (!in_.ok()) return true;
      if (end != text.data() + text.size() || error == std::errc::invalid_argument)
        corrupt(fmt::format("{} is no number", quoted_name(text)));
      push(add(Kind::Float, 0, std::bit_cast<uint64_t>(value)));
      return true;
    }
    case 'S': {
      const auto text = unescape_python_string(line());
      if (!in_.ok()) return true;
      if (!text) corrupt("a string of the pickle is malformed");
      if (text) push(add_decoded(Kind::String, *text));
      return true;
    }
    case 'V': {
      const auto text = unescape_raw_unicode(line());
      if (!in_.ok()) return true;
      if (!text) corrupt("a string of the pickle is malformed");
      if (text) push(add_decoded(Kind::String, *text));
      return true;
    }
    case 'p':
      if (const auto index = line_number()) memoize(*index, top());
      return true;
    case 'g':
      if (const auto index = line_number()) push_memo(*index);
      return true;
    case 'd':
    case 'l':
    case 't': {
      const auto items = since_mark();
      if (failed_) return true;
      if (opcode == 'd' && items.size() % 2 != 0) corrupt("a key of a dict has no value");
      const PickleId id = add_container(opcode == 'd'   ? Kind::Dict
                                        : opcode == 'l' ? Kind::List
                                                        : Kind::Tuple,
                                        items);
      drop_to_mark();
      push(id);
      return true;
    }
    case 'i': {
      const std::string_view module = line(), name = line();
      if (in_.ok()) call_since_mark(global(module, name), since_mark());
      return true;
    }
    case 'o': {
      const auto parts = since_mark();
      if (!failed_ && parts.empty()) corrupt("an object of the pickle has no class");
      if (!failed_) call_since_mark(parts[0], parts.subspan(1));
      return true;
    }
    case 'P': {
      const std::string_view text = line();
      if (in_.ok())
        push(add_container(Kind::PersistentId, std::array{add_text(Kind::String, text)}));
      return true;
    }
    case 'c': {
      const std::string_view module = line(), name = line();
      if (in_.ok()) push(global(module, name));
      return true;
    }
    default: return false;
  }
}

bool PickleMachine::step(uint8_t opcode) {
  switch (opcode) {
    case '.': p_.root_ = top(); return false;
    case '(': marks_.push_back(stack_.size()), charge(sizeof(size_t)); break;
    case '0':
      if (!marks_.empty() && marks_.back() == stack_.size())
        marks_.pop_back();
      else
        pop();
      break;
    case '1': since_mark(), drop_to_mark(); break;
    case '2': push(top()); break;

    case 'N': push(kNone); break;
    case 0x88: push(kTrue); break;
    case 0x89: push(kFalse); break;
    case 'J': push(add_integer(in_.i32())); break;
    case 'K': push(add_integer(in_.u8())); break;
    case 'M': push(add_integer(in_.u16())); break;
    case 0x8A: add_long(in_.u8()); break;
    case 0x8B: add_long(in_.u32()); break;
    case 'G': push(add(Kind::Float, 0, __builtin_bswap64(in_.u64()))); break;

    case 'U': add_string(in_.text(in_.u8())); break;
    case 'T':
    case 'X': add_string(in_.text(in_.u32())); break;
    case 0x8C: add_string(in_.text(in_.u8())); break;
    case 0x8D: add_string(in_.text(in_.u64())); break;
    case 'B': push(add_text(Kind::Bytes, in_.text(in_.u32()))); break;
    case 'C': push(add_text(Kind::Bytes, in_.text(in_.u8()))); break;
    case 0x8E:
    case 0x96: push(add_text(Kind::Bytes, in_.text(in_.u64()))); break;

    case ')': push(add_container(Kind::Tuple, {})); break;
    case ']': push(add_container(Kind::List, {})); break;
    case '}': push(add_container(Kind::Dict, {})); break;
    case 0x8F: push(add_container(Kind::Set, {})); break;
    case 0x85:
    case 0x86:
    case 0x87: {
      std::array<PickleId, 3> parts{};
      const size_t count = opcode - 0x84u;
      for (size_t i = count; i-- > 0;) parts[i] = pop();
      if (!failed_) push(add_container(Kind::Tuple, std::span(parts).first(count)));
      break;
    }
    case 0x91: {
      const auto members = since_mark();
      if (failed_) break;
      const PickleId id = add_container(Kind::Set, members);
      drop_to_mark();
      push(id);
      break;
    }
    case 'a': {
      const PickleId item = pop();
      set_items(std::array{item}, Kind::List);
      break;
    }
    case 's': {
      const PickleId value = pop(), key = pop();
      set_items(std::array{key, value}, Kind::Dict);
      break;
    }
    case 'e':
    case 'u':
    case 0x90: {
      const auto items = since_mark();
      const std::vector<PickleId> kept(items.begin(), items.end());
      drop_to_mark();
      set_items(kept, opcode == 'e' ? Kind::List : opcode == 'u' ? Kind::Dict : Kind::Set);
      break;
    }

    case 'q': memoize(in_.u8(), top()); break;
    case 'r': memoize(in_.u32(), top()); break;
    case 0x94: memoize(memo_count_, top()); break;
    case 'h': push_memo(in_.u8()); break;
    case 'j': push_memo(in_.u32()); break;

    case 0x93: stack_global(); break;
    case 'R':
    case 0x81: {
      const PickleId arguments = pop(), callable = pop();
      call(callable, arguments);
      break;
    }
    case 0x92: {
      pop();  // keyword arguments; data that they would make is none that is known
      const PickleId arguments = pop(), callable = pop();
      call(callable, arguments);
      break;
    }
    case 'b': build(); break;
    case 'Q': {
      const PickleId id = pop();
      if (!failed_) push(add_container(Kind::PersistentId, std::array{id}));
      break;
    }

    case 0x80:
      if (const unsigned version = in_.u8(); version > kNewestProtocol)
        corrupt(
            fmt::format("pickle protocol {}, the newest known is {}", version, kNewestProtocol));
      break;
    case 0x95:
      if (const uint64_t frame = in_.u64(); frame > in_.remaining())
        corrupt(fmt::format("a frame of {} bytes, but {} are left", format_grouped(frame),
                            format_grouped(in_.remaining())));
      break;
    // A number that stands for a class in some registry of the writer's process.
    case 0x82:
    case 0x83:
    case 0x84: {
      const uint32_t code = opcode == 0x82 ? in_.u8() : opcode == 0x83 ? in_.u16() : in_.u32();
      push(forced_global("copyreg", fmt::format("<extension {}>", code), GlobalVerdict::Dangerous));
      break;
    }
    case 0x97:
    case 0x98: corrupt("the pickle's buffers are kept outside of it"); break;
    default:
      if (!step_text(opcode) && in_.ok())
        corrupt(fmt::format("byte {:#04x} at {} is no instruction of a pickle", opcode,
                            format_grouped(in_.position() - 1)));
  }
  return true;
}

}  // namespace stkit
