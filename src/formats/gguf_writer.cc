#include "formats/gguf_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "base/checked_math.h"
#include "formats/finding_log.h"
#include "formats/ggml_types.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr uint32_t kVersion = 3;
constexpr uint64_t kFixedBytes = 4 + 4 + 8 + 8;  // magic, version, counts

// What the reader would report as an error. What it only warns of, such as a token that is not
// UTF-8, may be in the input of a tool that has to keep it.
Result<void> refuse(const GgufProblems& problems) {
  for (const GgufProblem& problem : problems)
    if (info(problem.check).severity == Severity::Error)
      return fail(ErrorCode::Unsupported, problem.message);
  return {};
}

class Encoder {
 public:
  explicit Encoder(std::string& out) : out_(out) {}

  template <class T>
    requires std::is_arithmetic_v<T>
  void number(T value) {
    static_assert(std::endian::native == std::endian::little, "files here are little-endian");
    const size_t at = out_.size();
    out_.resize(at + sizeof(T));
    std::memcpy(out_.data() + at, &value, sizeof(T));
  }
  void text(std::string_view text) {
    number(uint64_t{text.size()});
    out_ += text;
  }
  void entry(const GgufEntry& entry) {
    text(entry.key);
    number(static_cast<uint32_t>(type_of(entry.value)));
    std::visit([this](const auto& value) { this->value(value); }, entry.value);
  }

 private:
  template <class T>
    requires std::is_arithmetic_v<T>
  void value(T v) {
    number(v);
  }
  void value(std::string_view v) { text(v); }
  void value(const GgufArray& array) {
    number(static_cast<uint32_t>(array.element));
    number(uint64_t{array.size()});
    for (const std::string_view string : array.strings) text(string);
    out_.append(reinterpret_cast<const char*>(array.numbers.data()), array.numbers.size());
  }

  std::string& out_;
};

// A tensor as the header describes it.
struct PlannedTensor {
  uint32_t spec;
  const TensorSpec* source;
  uint32_t type;
  std::vector<uint64_t> shape;  // outermost first, never empty
  uint64_t size_bytes;

  uint64_t info_bytes() const { return 8 + source->name.size() + 4 + 8 * shape.size() + 4 + 8; }
};

Result<PlannedTensor> plan_tensor(const TensorSpec& spec, uint32_t index) {
  const auto type = ggml_id(spec.dtype);
  if (!type)
    return fail(ErrorCode::Unsupported,
                fmt::format("tensor {} has type {}, which GGUF does not have",
                            quoted_name(spec.name), name(spec.dtype)),
                "cast it to another type");
  PlannedTensor tensor{index, &spec, *type, spec.shape, 0};
  if (tensor.shape.empty()) tensor.shape = {1};
  GgufProblems problems;
  check_gguf_tensor_name(spec.name, problems);
  const auto extent = gguf_extent(spec.name, spec.dtype, tensor.shape, problems);
  STKIT_TRY(refuse(problems));
  tensor.size_bytes = extent.value().bytes;
  return tensor;
}

Result<std::vector<PlannedTensor>> plan_tensors(std::span<const TensorSpec> specs) {
  if (specs.size() > std::numeric_limits<int32_t>::max())
    return fail(ErrorCode::Unsupported, "more than 2^31 tensors");
  std::vector<std::string_view> names;
  names.reserve(specs.size());
  std::vector<PlannedTensor> tensors;
  tensors.reserve(specs.size());
  for (const TensorSpec& spec : specs) {
    names.push_back(spec.name);
    STKIT_ASSIGN(PlannedTensor tensor, plan_tensor(spec, static_cast<uint32_t>(tensors.size())));
    tensors.push_back(std::move(tensor));
  }
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice != names.end())
    return fail(ErrorCode::Unsupported,
                fmt::format("two tensors have the name {}", quoted_name(*twice)),
                "rename or leave out one of them");
  return tensors;
}

Result<void> check_array_size(const GgufEntry& entry) {
  const auto* const array = std::get_if<GgufArray>(&entry.value);
  const auto* const text = std::get_if<std::string_view>(&entry.value);
  const uint64_t length = array != nullptr ? array->size() : text != nullptr ? text->size() : 0;
  if (length <= kGgufMaxLength) return {};
  return fail(
      ErrorCode::Unsupported,
      fmt::format("the value of {} has length {}; loaders take at most {}", quoted_name(entry.key),
                  format_grouped(length), format_grouped(kGgufMaxLength)));
}

Result<void> check_metadata(std::span<const GgufEntry> metadata, uint64_t tensors) {
  if (metadata.size() > kGgufMaxKeys)
    return fail(ErrorCode::Unsupported,
                fmt::format("{} metadata keys are more than the {} that are supported",
                            format_grouped(metadata.size()), format_grouped(kGgufMaxKeys)));
  GgufProblems problems;
  for (const GgufEntry& entry : metadata) {
    check_gguf_entry(entry, problems);
    if (const auto* const array = std::get_if<GgufArray>(&entry.value);
        array != nullptr && array->element == GgufType::Array)
      return fail(ErrorCode::Unsupported, fmt::format("{} is an array of arrays, which no loader "
                                                      "reads",
                                                      quoted_name(entry.key)));
    STKIT_TRY(check_array_size(entry));
  }
  check_gguf_metadata(metadata, tensors, problems);
  STKIT_TRY(refuse(problems));
  const auto repeated = repeated_gguf_keys(metadata);
  if (repeated.empty()) return {};
  return fail(ErrorCode::Unsupported,
              fmt::format("metadata key {} occurs more than once", quoted_name(repeated.front())));
}

// `metadata` with general.alignment where it must be said.
Result<std::vector<GgufEntry>> with_alignment(std::span<const GgufEntry> metadata,
                                              uint32_t alignment) {
  if (!is_gguf_alignment(alignment))
    return fail(ErrorCode::Usage,
                fmt::format("an alignment of {} is not a power of two up to {}",
                            format_grouped(alignment), format_grouped(kGgufMaxAlignment)));
  std::vector<GgufEntry> entries(metadata.begin(), metadata.end());
  const bool present = find(metadata, kGgufAlignmentKey) != nullptr;
  if (!present && alignment != kGgufDefaultAlignment)
    entries.push_back({kGgufAlignmentKey, alignment});
  if (gguf_alignment(entries) != alignment)
    return fail(ErrorCode::Usage,
                fmt::format("general.alignment is {}, but the file is planned for {}",
                            gguf_alignment(entries), alignment));
  return entries;
}

Error too_large() {
  return {ErrorCode::Unsupported, "the tensors together take more than 2^63 bytes", {}, {}};
}

constexpr uint64_t kMaxFileBytes = std::numeric_limits<int64_t>::max();

Result<uint64_t> padded(uint64_t bytes, uint32_t alignment) {
  const auto rounded = checked_round_up(bytes, uint64_t{alignment});
  if (!rounded || *rounded > kMaxFileBytes) return fail(too_large());
  return *rounded;
}

void write_info(Encoder& out, const PlannedTensor& tensor, uint64_t offset) {
  out.text(tensor.source->name);
  out.number(static_cast<uint32_t>(tensor.shape.size()));
  for (size_t i = tensor.shape.size(); i-- > 0;) out.number(tensor.shape[i]);
  out.number(tensor.type);
  out.number(offset);
}

// One file. Its metadata and tensors are known to be right.
Result<GgufLayout> lay_out(std::span<const GgufEntry> metadata,
                           std::span<const PlannedTensor> tensors, uint32_t alignment) {
  GgufLayout layout;
  layout.header = "GGUF";
  Encoder out(layout.header);
  out.number(kVersion);
  out.number(uint64_t{tensors.size()});
  out.number(uint64_t{metadata.size()});
  for (const GgufEntry& entry : metadata) out.entry(entry);
  uint64_t end = 0;
  for (const PlannedTensor& tensor : tensors) {
    write_info(out, tensor, end);
    layout.entries.push_back({tensor.spec, end, tensor.size_bytes});
    const auto next = checked_add(end, tensor.size_bytes);
    if (!next) return fail(too_large());
    STKIT_ASSIGN(end, padded(*next, alignment));
  }
  STKIT_ASSIGN(const uint64_t data_start, padded(layout.header.size(), alignment));
  layout.header.resize(static_cast<size_t>(data_start), '\0');
  STKIT_ASSIGN(layout.file_bytes, padded(data_start + end, alignment));
  for (GgufLayout::Entry& entry : layout.entries) {
    entry.offset_bytes += data_start;
    const uint64_t behind = entry.offset_bytes + entry.size_bytes;
    if (const uint64_t rest = behind % alignment; rest != 0)
      layout.padding.push_back({0, behind, alignment - rest});
  }
  return layout;
}

// The bytes of a file while tensors are added to it.
class PartSize {
 public:
  PartSize(std::span<const GgufEntry> metadata, uint32_t alignment) : alignment_(alignment) {
    std::string encoded;
    Encoder out(encoded);
    for (const GgufEntry& entry : metadata) out.entry(entry);
    header_bytes_ = kFixedBytes + encoded.size();
  }
  // Of a file with `tensor` added.
  Result<uint64_t> with(const PlannedTensor& tensor) const {
    STKIT_ASSIGN(const uint64_t header, padded(header_bytes_ + tensor.info_bytes(), alignment_));
    STKIT_ASSIGN(const uint64_t data, padded(tensor.size_bytes, alignment_));
    return padded(data_bytes_ + data + header, alignment_);
  }
  Result<void> add(const PlannedTensor& tensor) {
    header_bytes_ += tensor.info_bytes();
    STKIT_ASSIGN(const uint64_t data, padded(tensor.size_bytes, alignment_));
    STKIT_ASSIGN(data_bytes_, padded(data_bytes_ + data, alignment_));
    return {};
  }

 private:
  uint32_t alignment_;
  uint64_t header_bytes_ = 0;
  uint64_t data_bytes_ = 0;
};

std::vector<GgufEntry> part_metadata(std::span<const GgufEntry> metadata, GgufSplit split,
                                     uint32_t alignment) {
  std::vector<GgufEntry> entries;
  if (split.number == 0)
    entries.assign(metadata.begin(), metadata.end());
  else if (alignment != kGgufDefaultAlignment)
    entries.push_back({kGgufAlignmentKey, alignment});
  entries.push_back({kGgufSplitNumberKey, split.number});
  entries.push_back({kGgufSplitCountKey, split.count});
  entries.push_back({kGgufSplitTensorsKey, static_cast<int32_t>(split.tensors)});
  return entries;
}

// Where each part begins: greedily, as many tensors in a part as fit.
Result<std::vector<size_t>> part_starts(std::span<const GgufEntry> metadata,
                                        std::span<const PlannedTensor> tensors,
                                        uint64_t max_part_bytes, uint32_t alignment) {
  std::vector<size_t> starts = {0};
  PartSize part(part_metadata(metadata, {0, 1, 0}, alignment), alignment);
  for (size_t i = 0; i < tensors.size(); ++i) {
    STKIT_ASSIGN(const uint64_t bytes, part.with(tensors[i]));
    if (bytes > max_part_bytes && i > starts.back()) {
      starts.push_back(i);
      part = PartSize(part_metadata(metadata, {1, 2, 0}, alignment), alignment);
    }
    STKIT_TRY(part.add(tensors[i]));
  }
  return starts;
}

}  // namespace

Result<GgufLayout> plan_gguf(std::span<const GgufEntry> metadata, std::span<const TensorSpec> specs,
                             uint32_t alignment) {
  STKIT_TRY(check_metadata(metadata, specs.size()));
  STKIT_ASSIGN(const std::vector<GgufEntry> entries, with_alignment(metadata, alignment));
  STKIT_ASSIGN(const std::vector<PlannedTensor> tensors, plan_tensors(specs));
  return lay_out(entries, tensors, alignment);
}

Result<std::vector<GgufLayout>> plan_split_gguf(std::span<const GgufEntry> metadata,
                                                std::span<const TensorSpec> specs,
                                                uint64_t max_part_bytes, uint32_t alignment) {
  for (const std::string_view key : {kGgufSplitNumberKey, kGgufSplitCountKey, kGgufSplitTensorsKey})
    if (find(metadata, key) != nullptr)
      return fail(ErrorCode::Unsupported,
                  fmt::format("the metadata is that of a part already: it has {}", key));
  std::vector<GgufLayout> parts(1);
  STKIT_ASSIGN(parts[0], plan_gguf(metadata, specs, alignment));
  if (parts[0].file_bytes <= max_part_bytes) return parts;

  STKIT_ASSIGN(const std::vector<GgufEntry> entries, with_alignment(metadata, alignment));
  STKIT_ASSIGN(const std::vector<PlannedTensor> tensors, plan_tensors(specs));
  STKIT_ASSIGN(const std::vector<size_t> starts,
               part_starts(entries, tensors, max_part_bytes, alignment));
  const size_t count = starts.size();
  if (count == 1) return parts;
  if (count > std::numeric_limits<uint16_t>::max())
    return fail(ErrorCode::Unsupported,
                fmt::format("{} parts are more than the 65,535 that the format can count",
                            format_grouped(count)),
                "allow larger parts");
  parts.clear();
  for (size_t i = 0; i < count; ++i) {
    const size_t end = i + 1 < count ? starts[i + 1] : tensors.size();
    const GgufSplit split{static_cast<uint16_t>(i), static_cast<uint16_t>(count), tensors.size()};
    STKIT_ASSIGN(GgufLayout part,
                 lay_out(part_metadata(entries, split, alignment),
                         std::span(tensors).subspan(starts[i], end - starts[i]), alignment));
    parts.push_back(std::move(part));
  }
  return parts;
}

std::string gguf_part_name(std::string_view prefix, size_t part, size_t count) {
  return fmt::format("{}-{:05}-of-{:05}.gguf", prefix, part + 1, count);
}

}  // namespace stkit
