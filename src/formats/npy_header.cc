#include "formats/npy_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "base/byte_reader.h"
#include "base/checked_math.h"
#include "formats/finding_log.h"
#include "stkit/tensor.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr uint64_t kPrefixBytes = 8;  // with the version
// NumPy itself reads no more than 10,000 unless told to; only structured types need as much.
constexpr uint64_t kMaxTextBytes = uint64_t{64} << 10;
constexpr size_t kMaxDimensions = 64;  // NumPy 2; 32 before

struct NpyType {
  std::string_view code;  // without the byte order
  DType dtype;
  uint8_t number_bytes;  // what byte order applies to; 0: it has none
};

constexpr NpyType kTypes[] = {
    {"b1", DType::BOOL, 0}, {"i1", DType::I8, 0},  {"u1", DType::U8, 0},  {"i2", DType::I16, 2},
    {"u2", DType::U16, 2},  {"i4", DType::I32, 4}, {"u4", DType::U32, 4}, {"i8", DType::I64, 8},
    {"u8", DType::U64, 8},  {"f2", DType::F16, 2}, {"f4", DType::F32, 4}, {"f8", DType::F64, 8},
    {"c8", DType::C64, 4},
};
// What ml_dtypes' bfloat16 is saved as; no other type of two bytes becomes a void.
constexpr std::string_view kTwoBytes = "V2";

NpyHeader problem(Check check, std::string message) {
  return std::unexpected(NpyProblem{check, std::move(message), 0, false});
}
NpyHeader bad(std::string message) { return problem(Check::BadNpy, std::move(message)); }

struct Fields {
  std::string_view descr;
  bool structured = false;
  bool fortran_order = false;
  std::vector<uint64_t> shape;
};

// The few literals of Python that a header consists of.
class LiteralParser {
 public:
  explicit LiteralParser(std::string_view text) : rest_(text) {}

  std::optional<Fields> parse() {
    Fields fields;
    bool seen[3] = {};
    if (!take('{')) return std::nullopt;
    while (!take('}')) {
      const auto key = string();
      if (!key || !take(':')) return std::nullopt;
      const size_t which = *key == "descr"           ? 0
                           : *key == "fortran_order" ? 1
                           : *key == "shape"         ? 2
                                                     : 3;
      if (which == 3 || std::exchange(seen[which], true)) return std::nullopt;
      if (which == 0 && !descr(fields)) return std::nullopt;
      if (fields.structured) return fields;  // whatever follows: it is refused
      if (which == 1 && !boolean(fields.fortran_order)) return std::nullopt;
      if (which == 2 && !tuple(fields.shape)) return std::nullopt;
      if (take(',')) continue;
      if (!take('}')) return std::nullopt;
      break;
    }
    skip_spaces();
    if (!rest_.empty() || !std::ranges::all_of(seen, std::identity())) return std::nullopt;
    return fields;
  }

 private:
  void skip_spaces() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
  }
  bool take(char wanted) {
    skip_spaces();
    if (!rest_.starts_with(wanted)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take_word(std::string_view word) {
    skip_spaces();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  // Python 2 and 3 write these without escapes.
  std::optional<std::string_view> string() {
    skip_spaces();
    if (rest_.empty() || (rest_.front() != '\'' && rest_.front() != '"')) return std::nullopt;
    const size_t end = rest_.find(rest_.front(), 1);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text.find('\\') == std::string_view::npos ? std::optional(text) : std::nullopt;
  }

  // A list is of named fields, a tuple a type with a shape of its own.
  bool descr(Fields& fields) {
    skip_spaces();
    if (rest_.starts_with('[') || rest_.starts_with('(')) {
      fields.structured = true;
      return true;
    }
    const auto text = string();
    fields.descr = text.value_or(std::string_view());
    return text.has_value();
  }

  bool boolean(bool& value) {
    value = take_word("True");
    return value || take_word("False");
  }

  bool tuple(std::vector<uint64_t>& values) {
    if (!take('(')) return false;
    while (!take(')')) {
      skip_spaces();
      uint64_t value = 0;
      const char* const end = rest_.data() + rest_.size();
      const auto [next, error] = std::from_chars(rest_.data(), end, value);
      if (error != std::errc() || values.size() == kMaxDimensions) return false;
      rest_.remove_prefix(static_cast<size_t>(next - rest_.data()));
      take('L');  // a long of Python 2
      values.push_back(value);
      const bool comma = take(',');
      if (!comma && values.size() < 2) return false;  // (3) is no tuple
      if (comma) continue;
      return take(')');
    }
    return true;
  }

  std::string_view rest_;
};

// How far apart neighbours are in each dimension.
std::vector<uint64_t> strides_of(Shape shape, bool fortran_order) {
  std::vector<uint64_t> strides(shape.size());
  uint64_t step = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    const size_t dimension = fortran_order ? i : shape.size() - 1 - i;
    strides[dimension] = step;
    step *= std::max<uint64_t>(shape[dimension], 1);
  }
  return strides;
}

NpyHeader unreadable(std::string_view descr) {
  const std::string_view code = descr.substr(descr.empty() ? 0 : 1);
  if (descr == "O" || code.starts_with('O')) {
    NpyProblem pickled{Check::NpyDType, "its elements are Python objects, kept as a pickle"};
    pickled.is_pickle = true;
    return std::unexpected(std::move(pickled));
  }
  if (code.starts_with('U') || code.starts_with('S'))
    return problem(Check::NpySkipped, "its elements are text");
  return problem(Check::NpyDType,
                 fmt::format("its elements are of type '{}'", printable(descr, 40)));
}

NpyHeader interpret(Fields fields, uint64_t content_bytes, uint64_t header_bytes) {
  if (fields.structured) return problem(Check::NpyDType, "its elements are records of fields");
  constexpr std::string_view kOrders = "<>=|";
  const bool has_order =
      !fields.descr.empty() && kOrders.find(fields.descr.front()) != kOrders.npos;
  const char order = has_order ? fields.descr.front() : '\0';
  const std::string_view code = fields.descr.substr(has_order ? 1 : 0);
  const auto* type = std::ranges::find(kTypes, code, &NpyType::code);
  NpyArray array;
  array.is_void = code == kTwoBytes;
  if (!has_order || (type == std::end(kTypes) && !array.is_void)) return unreadable(fields.descr);
  array.dtype = array.is_void ? DType::BF16 : type->dtype;
  // A type of several bytes always says in which order they are.
  const uint8_t number_bytes = array.is_void ? 0 : type->number_bytes;
  if (order == '|' && number_bytes > 0)
    return bad(fmt::format("type '{}' has no byte order", printable(fields.descr, 40)));
  if (order == '>') array.swap_bytes = number_bytes;

  const auto elements = element_count(fields.shape);
  const auto size = elements ? storage_bytes(array.dtype, *elements) : Result<uint64_t>(elements);
  if (!size)
    return bad(
        fmt::format("shape [{}] is larger than 64 bits hold", fmt::join(fields.shape, ", ")));
  array.strides = strides_of(fields.shape, fields.fortran_order);
  array.shape = std::move(fields.shape);
  array.header_bytes = header_bytes;
  array.size_bytes = *size;
  if (array.size_bytes > content_bytes - header_bytes)
    return problem(
        Check::NpySize,
        fmt::format("{} of shape [{}] takes {} bytes, but {} follow its header", name(array.dtype),
                    fmt::join(array.shape, ", "), format_grouped(array.size_bytes),
                    format_grouped(content_bytes - header_bytes)));
  return array;
}

}  // namespace

Result<NpyHeader> read_npy_header(uint64_t content_bytes, ReadAt read_at) {
  std::array<std::byte, kPrefixBytes + 4> prefix;
  if (content_bytes < prefix.size())
    return bad(fmt::format("{} bytes are too few for an array", content_bytes));
  STKIT_TRY(read_at(0, prefix));
  ByteReader in(prefix);
  if (in.text(kMagic.size()) != kMagic) return bad("it does not begin like a NumPy array");
  const uint8_t major = in.u8(), minor = in.u8();
  if (major < 1 || major > 3 || minor != 0)
    return bad(fmt::format("format version {}.{} is none of 1.0, 2.0 and 3.0", major, minor));
  const uint64_t text_bytes = major == 1 ? in.u16() : in.u32();
  const uint64_t text_offset = kPrefixBytes + (major == 1 ? 2 : 4);
  if (text_bytes > kMaxTextBytes || text_bytes > content_bytes - text_offset)
    return bad(fmt::format("a header of {} bytes, {} follow and {} is the most that is read",
                           format_grouped(text_bytes), format_grouped(content_bytes - text_offset),
                           format_grouped(kMaxTextBytes)));
  std::string text(static_cast<size_t>(text_bytes), '\0');
  STKIT_TRY(read_at(text_offset, std::as_writable_bytes(std::span(text))));
  const uint64_t header_bytes = text_offset + text_bytes;

  std::optional<Fields> fields = LiteralParser(text).parse();
  if (!fields)
    return bad(fmt::format("its header is not a dict of descr, fortran_order and shape: {}",
                           quoted_name(text)));
  NpyHeader header = interpret(*std::move(fields), content_bytes, header_bytes);
  if (!header) header.error().header_bytes = header_bytes;
  return header;
}

}  // namespace stkit
