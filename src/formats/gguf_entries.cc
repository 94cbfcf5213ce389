#include "formats/gguf_entries.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <utility>

#include "formats/ggml_types.h"
#include "formats/gguf_rules.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// The shortest that there are, broken ones included: an empty key with a value of one byte, an
// empty name without dimensions.
constexpr uint64_t kMinEntryBytes = 8 + 4 + 1;
constexpr uint64_t kMinInfoBytes = 8 + 4 + 4 + 8;
constexpr uint64_t kMinStringBytes = 8;

class EntryReader {
 public:
  EntryReader(FileCursor& cursor, uint32_t file_index, Arena& storage, FindingLog& log)
      : cursor_(cursor), file_index_(file_index), storage_(storage), log_(log) {}

  bool read_metadata(uint64_t keys) {
    if (keys > kGgufMaxKeys) {
      log_.add(Check::GgufHeaderTooLarge, {}, [&] {
        return fmt::format("the header has {} metadata keys; at most {} are supported",
                           format_grouped(keys), format_grouped(kGgufMaxKeys));
      });
      return false;
    }
    entries_.metadata.reserve(static_cast<size_t>(keys));
    for (uint64_t i = 0; i < keys; ++i)
      if (!read_entry(i)) return false;
    return true;
  }

  bool read_infos(uint64_t tensors) {
    entries_.tensors.reserve(static_cast<size_t>(tensors));
    for (uint64_t i = 0; i < tensors; ++i)
      if (!read_info(i)) return false;
    return true;
  }

  GgufEntries take() { return std::move(entries_); }

 private:
  // --- metadata ---

  bool read_entry(uint64_t index) {
    GgufEntry entry{cursor_.text(cursor_.number<uint64_t>(), storage_), {}};
    const auto type = cursor_.number<uint32_t>();
    if (!cursor_.ok())
      return ended([&] { return fmt::format("metadata key {}", format_grouped(index)); });
    if (!read_value(entry.key, type, entry.value)) return false;
    problems_.clear();
    check_gguf_entry(entry, problems_);
    log_problems({});
    entries_.metadata.push_back(entry);
    return true;
  }

  bool read_value(std::string_view key, uint32_t type, GgufValue& value) {
    if (type >= kGgufTypeCount) return unknown_type(key, "value", type);
    switch (static_cast<GgufType>(type)) {
      case GgufType::Array: {
        GgufArray array;
        if (!read_array(key, array)) return false;
        value = array;
        return true;
      }
      case GgufType::String: value = read_string(); break;
      case GgufType::U8: value = cursor_.number<uint8_t>(); break;
      case GgufType::I8: value = cursor_.number<int8_t>(); break;
      case GgufType::U16: value = cursor_.number<uint16_t>(); break;
      case GgufType::I16: value = cursor_.number<int16_t>(); break;
      case GgufType::U32: value = cursor_.number<uint32_t>(); break;
      case GgufType::I32: value = cursor_.number<int32_t>(); break;
      case GgufType::F32: value = cursor_.number<float>(); break;
      case GgufType::U64: value = cursor_.number<uint64_t>(); break;
      case GgufType::I64: value = cursor_.number<int64_t>(); break;
      case GgufType::F64: value = cursor_.number<double>(); break;
      case GgufType::Bool: value = read_bool(key); break;
    }
    return cursor_.ok() || ended([&] { return "the value of " + quoted_name(key); });
  }

  bool read_bool(std::string_view key) {
    const auto byte = cursor_.number<uint8_t>();
    if (byte > 1)
      log_.add(Check::GgufBadValue, {}, [&] {
        return fmt::format("the boolean {} is {}, not 0 or 1", quoted_name(key), byte);
      });
    return byte != 0;
  }

  std::string_view read_string() { return cursor_.text(cursor_.number<uint64_t>(), storage_); }

  bool read_array(std::string_view key, GgufArray& array) {
    const auto element = cursor_.number<uint32_t>();
    const auto count = cursor_.number<uint64_t>();
    if (element >= kGgufTypeCount) return unknown_type(key, "array", element);
    array.element = static_cast<GgufType>(element);
    if (array.element == GgufType::Array) {
      log_.add(Check::GgufValueType, {}, [&] {
        return fmt::format("{} is an array of arrays, which no loader reads", quoted_name(key));
      });
      return false;
    }
    const bool strings = array.element == GgufType::String;
    const uint64_t bytes_each = strings ? kMinStringBytes : size_bytes(array.element);
    if (cursor_.expect(count, bytes_each)) {
      if (count > kGgufMaxLength) return too_long(key, count);
      if (strings)
        read_strings(count, array);
      else
        array.numbers = cursor_.bytes(count * bytes_each, storage_);
    }
    return cursor_.ok() || ended([&] { return "the array " + quoted_name(key); });
  }

  bool too_long(std::string_view key, uint64_t count) {
    log_.add(Check::GgufHeaderTooLarge, {}, [&] {
      return fmt::format("{} is an array of {} elements; loaders take at most {}", quoted_name(key),
                         format_grouped(count), format_grouped(kGgufMaxLength));
    });
    return false;
  }

  void read_strings(uint64_t count, GgufArray& array) {
    auto* const strings = cursor_.room<std::string_view>(count, storage_);
    if (strings == nullptr) return;
    array.strings = {strings, static_cast<size_t>(count)};
    for (uint64_t i = 0; i < count && cursor_.ok(); ++i) strings[i] = read_string();
  }

  bool unknown_type(std::string_view key, std::string_view what, uint32_t type) {
    log_.add(Check::GgufValueType, {}, [&] {
      return fmt::format("the {} of {} has type {}; the last known one is {}", what,
                         quoted_name(key), type, kGgufTypeCount - 1);
    });
    return false;
  }

  // --- tensors ---

  bool read_info(uint64_t index) {
    const std::string_view name = read_string();
    const auto rank = cursor_.number<uint32_t>();
    if (cursor_.ok() && rank > kGgufMaxRank) {
      log_.add(Check::GgufBadShape, name, [&] {
        return fmt::format("tensor {} has {} dimensions, not 1 to {}", quoted_name(name),
                           format_grouped(rank), kGgufMaxRank);
      });
      return false;
    }
    std::array<uint64_t, kGgufMaxRank> dimensions{};
    const std::span shape = std::span(dimensions).first(rank);
    for (uint32_t i = rank; i-- > 0;) shape[i] = cursor_.number<uint64_t>();
    const auto type = cursor_.number<uint32_t>();
    const auto offset = cursor_.number<uint64_t>();
    if (!cursor_.ok())
      return ended([&] { return fmt::format("tensor info {}", format_grouped(index)); });
    add_tensor(name, shape, type, offset);
    return true;
  }

  void add_tensor(std::string_view name, Shape shape, uint32_t type, uint64_t offset) {
    problems_.clear();
    check_gguf_tensor_name(name, problems_);
    const auto dtype = dtype_of_ggml(type);
    std::optional<GgufExtent> extent;
    if (dtype)
      extent = gguf_extent(name, *dtype, shape, problems_);
    else
      problems_.push_back(
          {Check::GgufTensorType, fmt::format("tensor {} is of {}", quoted_name(name),
                                              describe_unusable_ggml_type(type))});
    // Room for the header, so that no end in the file overflows.
    constexpr uint64_t kMaxEnd = std::numeric_limits<uint64_t>::max() / 4;
    if (extent && (offset > kMaxEnd || extent->bytes > kMaxEnd - offset)) {
      problems_.push_back(
          {Check::GgufTruncated,
           fmt::format("tensor {} of {} bytes lies at byte {} of the data, beyond any file",
                       quoted_name(name), format_grouped(extent->bytes), format_grouped(offset))});
      extent.reset();
    }
    log_problems(name);
    if (!extent) {
      ++entries_.unplaced;
      return;
    }
    TensorInfo tensor;
    tensor.name = name;
    tensor.shape = storage_.copy(shape);
    tensor.element_count = extent->elements;
    tensor.size_bytes = extent->bytes;
    tensor.offset_bytes = offset;
    tensor.file = file_index_;
    tensor.dtype = *dtype;
    entries_.tensors.push_back(tensor);
  }

  void log_problems(std::string_view tensor) {
    for (GgufProblem& problem : problems_)
      log_.add(problem.check, tensor, [&] { return std::move(problem.message); });
  }

  template <class What>
  bool ended(What what) {
    if (cursor_.state() != FileCursor::State::Failed) report_gguf_end(cursor_, what(), log_);
    return false;
  }

  FileCursor& cursor_;
  uint32_t file_index_;
  Arena& storage_;
  FindingLog& log_;
  GgufEntries entries_;
  GgufProblems problems_;
};

}  // namespace

void report_gguf_end(const FileCursor& cursor, std::string_view what, FindingLog& log) {
  const bool past_end = cursor.state() == FileCursor::State::PastEnd;
  log.add(past_end ? Check::GgufHeaderPastEnd : Check::GgufHeaderTooLarge, {}, [&] {
    const uint64_t left = past_end ? cursor.file_bytes() - cursor.position() : cursor.remaining();
    return fmt::format("{} takes at least {} bytes from byte {} of the file on, but {} {}", what,
                       format_grouped(cursor.wanted_bytes()), format_grouped(cursor.position()),
                       past_end ? "the file has only" : "the limit for headers leaves",
                       format_grouped(left));
  });
}

Result<GgufEntries> read_gguf_entries(FileCursor& cursor, uint64_t keys, uint64_t tensors,
                                      uint32_t file_index, Arena& storage, FindingLog& log) {
  EntryReader reader(cursor, file_index, storage, log);
  bool complete = false;
  if (!cursor.expect(keys, kMinEntryBytes))
    report_gguf_end(cursor, fmt::format("metadata of {} keys", format_grouped(keys)), log);
  else if (!cursor.expect(tensors, kMinInfoBytes))
    report_gguf_end(cursor, fmt::format("a list of {} tensors", format_grouped(tensors)), log);
  else
    complete = reader.read_metadata(keys) && reader.read_infos(tensors);
  if (cursor.state() == FileCursor::State::Failed) return fail(cursor.error());
  GgufEntries entries = reader.take();
  entries.complete = complete;
  return entries;
}

}  // namespace stkit
