#include "formats/safetensors_entries.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <optional>

#include "base/json_reader.h"
#include "base/utf8.h"
#include "formats/tensor_names.h"
#include "stkit/dtype.h"
#include "stkit/text.h"

namespace stkit {
namespace {

enum Field : unsigned { kDType, kShape, kOffsets, kFieldCount };
constexpr std::string_view kFieldNames[kFieldCount] = {"dtype", "shape", "data_offsets"};

// The shortest entry there is: "":{"dtype":"U8","shape":[],"data_offsets":[0,0]},
constexpr size_t kMinEntryBytes = 49;

std::string known_dtypes() {
  std::vector<std::string_view> names;
  for (const DTypeInfo& row : dtypes())
    if (row.in_safetensors()) names.push_back(row.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

// Shapes repeat: a model of a million tensors has a few dozen of them.
class ShapePool {
 public:
  explicit ShapePool(Arena& storage) : storage_(storage) {}

  Shape intern(Shape shape) {
    size_t hash = shape.size();
    for (const uint64_t dimension : shape) hash = (hash ^ dimension) * 0x9E3779B97F4A7C15;
    Shape& slot = recent_[hash >> (64 - kBits)];
    if (!std::ranges::equal(slot, shape)) slot = storage_.copy(shape);
    return slot;
  }

 private:
  static constexpr unsigned kBits = 8;
  Arena& storage_;
  std::array<Shape, size_t{1} << kBits> recent_{};
};

class EntryReader {
 public:
  EntryReader(std::string_view text, uint32_t file_index, Arena& storage, FindingLog& log,
              SafetensorsEntries& entries)
      : text_(text),
        file_index_(file_index),
        storage_(storage),
        shapes_(storage),
        log_(log),
        entries_(entries) {}

  Result<void> read_root(JsonCursor root) {
    if (root.type() != JsonType::Object) {
      STKIT_TRY(root.skip());
      log_.add(Check::HeaderNotJson, {}, [] { return "the header is not a JSON object"; });
      return {};
    }
    // Room for any number of entries; pages that stay unused take no memory.
    entries_.tensors.reserve(text_.size() / kMinEntryBytes);
    return root.object([&](std::string_view key, JsonCursor value) {
      return key == "__metadata__" ? read_metadata(value) : read_entry(key, value);
    });
  }

 private:
  // --- one tensor ---

  Result<void> read_entry(std::string_view key, JsonCursor value) {
    name_ = kept(key);
    sound_ = true;
    seen_ = {};
    dtype_.reset();
    shape_.clear();
    if (is_odd_tensor_name(name_))
      log_.add(Check::OddTensorName, name_, [&] {
        return fmt::format("tensor {} has a name that is not fit for a file name",
                           quoted_name(name_));
      });
    switch (value.type()) {
      case JsonType::Object: STKIT_TRY(read_fields(value)); break;
      case JsonType::Array: STKIT_TRY(read_field_list(value)); break;
      default:
        STKIT_TRY(value.skip());
        problem(Check::BadTensorEntry, [&] {
          return fmt::format("the entry of tensor {} is not an object", quoted_name(name_));
        });
        entries_.broken.push_back({.name = name_});
        return {};
    }
    add_entry();
    return {};
  }

  Result<void> read_fields(JsonCursor value) {
    return value.object([&](std::string_view key, JsonCursor content) -> Result<void> {
      const auto* const row = std::ranges::find(kFieldNames, key);
      if (row == std::end(kFieldNames)) {
        log_.add(Check::UnknownField, name_, [&] {
          return fmt::format("the entry of tensor {} has the unknown field {}", quoted_name(name_),
                             quoted_name(key));
        });
        return content.skip();
      }
      return read_field(static_cast<Field>(row - kFieldNames), content);
    });
  }

  // [dtype, shape, data_offsets], as the Rust library's deserialiser happens to take.
  Result<void> read_field_list(JsonCursor value) {
    unsigned count = 0;
    STKIT_TRY(value.array([&](JsonCursor content) -> Result<void> {
      if (count >= kFieldCount) {
        ++count;
        return content.skip();
      }
      return read_field(static_cast<Field>(count++), content);
    }));
    if (count > kFieldCount)
      problem(Check::BadTensorEntry, [&] {
        return fmt::format("the entry of tensor {} is an array of {} values, not 3",
                           quoted_name(name_), count);
      });
    log_.add(Check::EntryAsArray, name_,
             [&] { return fmt::format("the entry of tensor {} is an array", quoted_name(name_)); });
    return {};
  }

  Result<void> read_field(Field field, JsonCursor content) {
    if (seen_[field]) {
      problem(Check::DuplicateField, [&] {
        return fmt::format("the entry of tensor {} has {} twice", quoted_name(name_),
                           kFieldNames[field]);
      });
      return content.skip();
    }
    seen_[field] = true;
    switch (field) {
      case kDType: return read_dtype(content);
      case kShape: return read_shape(content);
      default: return read_offsets(content);
    }
  }

  Result<void> read_dtype(JsonCursor content) {
    if (content.type() != JsonType::String) return wrong_type(kDType, content, "string");
    STKIT_ASSIGN(const std::string_view text, content.string());
    dtype_ = parse_dtype(text);
    if (dtype_ && info(*dtype_).in_safetensors()) return {};
    dtype_.reset();
    problem(Check::UnknownDType, [&] {
      return fmt::format("tensor {} has dtype {}, which is none of {}", quoted_name(name_),
                         quoted_name(text), known_dtypes());
    });
    return {};
  }

  Result<void> read_shape(JsonCursor content) {
    if (content.type() != JsonType::Array) return wrong_type(kShape, content, "array");
    size_t rank = 0;
    STKIT_TRY(content.array([&](JsonCursor element) -> Result<void> {
      if (++rank > kMaxRank) return element.skip();
      const auto dimension = element.uint();
      if (!dimension) return wrong_number(kShape, element, dimension.error());
      shape_.push_back(*dimension);
      return {};
    }));
    if (rank > kMaxRank)
      problem(Check::BadTensorEntry, [&] {
        return fmt::format("tensor {} has {} dimensions; at most {} are supported",
                           quoted_name(name_), format_grouped(rank), kMaxRank);
      });
    return {};
  }

  Result<void> read_offsets(JsonCursor content) {
    placed_ = false;
    if (content.type() != JsonType::Array) return wrong_type(kOffsets, content, "array");
    size_t count = 0;
    bool whole = true;
    STKIT_TRY(content.array([&](JsonCursor element) -> Result<void> {
      if (++count > 2) return element.skip();
      const auto offset = element.uint();
      if (!offset) {
        whole = false;
        return wrong_number(kOffsets, element, offset.error());
      }
      (count == 1 ? begin_ : end_) = *offset;
      return {};
    }));
    placed_ = whole && count == 2;
    if (count != 2)
      problem(Check::BadTensorEntry, [&] {
        return fmt::format("data_offsets of tensor {} has {} numbers, not 2", quoted_name(name_),
                           format_grouped(count));
      });
    return {};
  }

  Result<void> wrong_type(Field field, JsonCursor content, std::string_view wanted) {
    const JsonType found = content.type();
    STKIT_TRY(content.skip());
    problem(Check::BadTensorEntry, [&] {
      return fmt::format("{} of tensor {} is of type {}, not {}", kFieldNames[field],
                         quoted_name(name_), stkit::name(found), wanted);
    });
    return {};
  }

  Result<void> wrong_number(Field field, JsonCursor element, const Error& error) {
    STKIT_TRY(element.skip());
    problem(Check::BadTensorEntry, [&] {
      return fmt::format("{} of tensor {}: {} of the header", kFieldNames[field],
                         quoted_name(name_), error.message);
    });
    return {};
  }

  // Holds the three fields against each other and puts the entry where it belongs.
  void add_entry() {
    check_missing_fields();
    if (!seen_[kOffsets]) placed_ = false;
    if (placed_) check_place();
    TensorInfo tensor;
    if (sound_) check_size(tensor);
    if (sound_) {
      tensor.name = name_;
      tensor.shape = shapes_.intern(shape_);
      tensor.offset_bytes = begin_;
      tensor.file = file_index_;
      entries_.tensors.push_back(tensor);
    } else {
      entries_.broken.push_back({name_, begin_, end_, placed_});
    }
  }

  void check_place() {
    // Tensors count from the start of the file, so their ends there must fit, too.
    const uint64_t max_end = std::numeric_limits<uint64_t>::max() - text_.size() - 8;
    placed_ = begin_ <= end_ && end_ <= max_end;
    if (begin_ > end_)
      problem(Check::OffsetsReversed, [&] {
        return fmt::format("tensor {} begins at byte {} of the data, behind its end at byte {}",
                           quoted_name(name_), format_grouped(begin_), format_grouped(end_));
      });
    else if (end_ > max_end)
      problem(Check::Truncated, [&] {
        return fmt::format("tensor {} ends at byte {} of the data, beyond any file",
                           quoted_name(name_), format_grouped(end_));
      });
  }

  void check_missing_fields() {
    for (unsigned field = 0; field < kFieldCount; ++field)
      if (!seen_[field])
        problem(Check::BadTensorEntry, [&] {
          return fmt::format("the entry of tensor {} has no {}", quoted_name(name_),
                             kFieldNames[field]);
        });
  }

  void check_size(TensorInfo& tensor) {
    const auto count = element_count(shape_);
    const auto bytes = count ? storage_bytes(*dtype_, *count) : count;
    if (!bytes) {
      const bool remainder = count && *count % info(*dtype_).block_elements != 0;
      problem(remainder ? Check::SubByteRemainder : Check::ShapeOverflow, [&] {
        return fmt::format("tensor {}: {}", quoted_name(name_), bytes.error().message);
      });
      return;
    }
    tensor.dtype = *dtype_;
    tensor.element_count = *count;
    tensor.size_bytes = *bytes;
    if (*bytes != end_ - begin_)
      problem(Check::SizeMismatch, [&] {
        return fmt::format("tensor {} takes {} bytes ([{}] of {}), but its data_offsets span {}",
                           quoted_name(name_), format_grouped(*bytes), fmt::join(shape_, ","),
                           name(*dtype_), format_grouped(end_ - begin_));
      });
  }

  template <class Message>
  void problem(Check check, Message message) {
    sound_ = false;
    log_.add(check, name_, message);
  }

  // Views into the text last; unescaped ones belong to the parser.
  std::string_view kept(std::string_view name) {
    const std::less_equal<> not_behind;
    const bool in_text = not_behind(text_.data(), name.data()) &&
                         not_behind(name.data(), text_.data() + text_.size());
    return in_text ? name : storage_.copy(name);
  }

  Result<void> read_metadata(JsonCursor value) {
    if (metadata_seen_) {
      log_.add(Check::DuplicateField, {}, [] { return "the header has __metadata__ twice"; });
      return value.skip();
    }
    metadata_seen_ = true;
    return read_safetensors_metadata(value, log_, entries_);
  }

  std::string_view text_;
  uint32_t file_index_;
  Arena& storage_;
  ShapePool shapes_;
  FindingLog& log_;
  SafetensorsEntries& entries_;
  bool metadata_seen_ = false;

  // The entry that is being read.
  std::string_view name_;
  bool sound_ = true;
  std::array<bool, kFieldCount> seen_{};
  std::optional<DType> dtype_;
  std::vector<uint64_t> shape_;
  uint64_t begin_ = 0, end_ = 0;
  bool placed_ = false;  // begin_ and end_ are this entry's
};

}  // namespace

Result<void> read_safetensors_entries(std::string_view text, uint32_t file_index, Arena& storage,
                                      FindingLog& log, SafetensorsEntries& entries) {
  EntryReader reader(text, file_index, storage, log, entries);
  const auto result = read_json(text, [&](JsonCursor root) { return reader.read_root(root); });
  entries.complete = result.has_value();
  if (result || result.error().code != ErrorCode::Corrupt) return result;
  log.add(is_utf8(text) ? Check::HeaderNotJson : Check::HeaderNotUtf8, {},
          [&] { return fmt::format("the header is {}", result.error().message); });
  return {};
}

}  // namespace stkit
