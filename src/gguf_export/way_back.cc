#include "gguf_export/way_back.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "formats/finding_log.h"
#include "gguf_export/name_template.h"

namespace stkit::gguf_export {
namespace {

using Sizes = std::vector<uint64_t>;

constexpr std::string_view kHead = "output";

// What halves, interleaves or cuts off is put together again from elsewhere, or not at all.
bool has_way_back(Arrange how) {
  switch (how) {
    case Arrange::AsIs:
    case Arrange::RotaryPairsQ:
    case Arrange::RotaryPairsK:
    case Arrange::Transpose:
    case Arrange::Stack:
    case Arrange::HeadsToQkv:
    case Arrange::KeyHalf:
    case Arrange::ValueHalf: return true;
    default: return false;
  }
}

std::string without_ending(std::string_view text) {
  return std::string(text.substr(0, text.size() - ending_of(text).size()));
}

uint64_t product(std::span<const uint64_t> sizes) {
  uint64_t all = 1;
  for (const uint64_t size : sizes) all *= size;
  return all;
}

// All of `view`, from an element on.
TensorBox box_of(const Sizes& view, Sizes strides, uint64_t first = 0) {
  return {.offset_bytes = first,
          .origin = Sizes(view.size()),
          .size = view,
          .strides = std::move(strides)};
}

}  // namespace

WayBack::WayBack(const Architecture& architecture, std::span<const GgufEntry> metadata)
    : architecture_(architecture), metadata_(metadata) {
  for (const auto& rows : architecture.rows)
    for (const TensorRow& row : rows) {
      if (row.to.empty() || !has_way_back(row.arrange)) continue;
      const auto [known, is_first] = rows_.emplace(row.to, &row);
      // Earlier rows come first, but within one table two equal ones are names of different
      // releases, which nothing tells apart. A head is a head.
      const TensorRow* const other = known->second;
      const bool same_table = other >= rows.data() && other < rows.data() + rows.size();
      if (!is_first && same_table && row.to != kHead && other->arrange == row.arrange)
        known->second = nullptr;
    }
}

const TensorRow* WayBack::find_row(std::string_view to) const {
  const auto found = rows_.find(to);
  return found == rows_.end() ? nullptr : found->second;
}

Result<std::vector<PublishedPart>> WayBack::parts_of(const TensorInfo& tensor) const {
  if (std::ranges::find(architecture_.generated, tensor.name, &GeneratedTensor::name) !=
      architecture_.generated.end())
    return std::vector<PublishedPart>();
  const NameTemplate whole = template_of(tensor.name);
  std::string_view ending = ending_of(tensor.name);
  const TensorRow* row = find_row(without_ending(whole.text));
  if (row == nullptr) {
    ending = {};
    row = find_row(whole.text);
  }
  if (row == nullptr)
    return fail(ErrorCode::Unsupported,
                fmt::format("tensor {} is none whose name in a model of the architecture {} is "
                            "known",
                            quoted_name(tensor.name), architecture_.name));
  STKIT_ASSIGN(std::vector<PublishedPart> parts, rearranged(*row, tensor, whole.numbers, ending));
  if (tensor.name.ends_with("norm.weight"))
    for (PublishedPart& part : parts) part.shift = -architecture_.norm_shift;
  return parts;
}

// The head lies beside the model that has a prefix; classes that are that model have none.
std::string WayBack::published_name(const TensorRow& row, std::span<const uint64_t> numbers,
                                    std::string_view ending) const {
  std::string name(row.from);
  for (const uint64_t number : numbers)
    if (const size_t at = name.find("{}"); at != name.npos)
      name.replace(at, 2, std::to_string(number));
  name += ending;
  const std::string_view kind = architecture_.classes.front();
  const bool is_body = kind.ends_with("Model") && !kind.ends_with("LMHeadModel");
  if (is_body || row.to == kHead || architecture_.prefixes.empty()) return name;
  return std::string(architecture_.prefixes.back()) + name;
}

// Some architectures have a number for each layer.
std::optional<uint64_t> WayBack::number(std::string_view key, uint64_t layer) const {
  const std::string whole = fmt::format("{}.{}", architecture_.name, key);
  const GgufValue* value = find(metadata_, whole);
  if (value == nullptr) return std::nullopt;
  if (const GgufArray* array = as_array(value, GgufType::I32))
    return layer < array->size() && array->number<int32_t>(layer) >= 0
               ? std::optional(static_cast<uint64_t>(array->number<int32_t>(layer)))
               : std::nullopt;
  if (const GgufArray* array = as_array(value, GgufType::U32))
    return layer < array->size() ? std::optional<uint64_t>(array->number<uint32_t>(layer))
                                 : std::nullopt;
  return as_uint(value);
}

Result<std::vector<PublishedPart>> WayBack::rearranged(const TensorRow& row,
                                                       const TensorInfo& tensor,
                                                       std::span<const uint64_t> numbers,
                                                       std::string_view ending) const {
  const Sizes shape(tensor.shape.begin(), tensor.shape.end());
  const uint64_t layer = numbers.empty() ? 0 : numbers.front();
  const uint64_t heads = number("attention.head_count", layer).value_or(0);
  const uint64_t kv_heads = number("attention.head_count_kv", layer).value_or(heads);
  const uint64_t rows = shape.empty() ? 1 : shape.front();
  const uint64_t columns = shape.empty() ? 1 : product(std::span(shape).subspan(1));
  const auto wrong = [&](std::string_view wanted) {
    return fail(ErrorCode::Unsupported,
                fmt::format("tensor {} has the shape [{}], which is not {}",
                            quoted_name(tensor.name), fmt::join(shape, ", "), wanted));
  };
  const auto one = [&](Sizes published, Sizes view, std::vector<TensorBox> boxes) {
    return std::vector<PublishedPart>{{published_name(row, numbers, ending), std::move(published),
                                       std::move(view), std::move(boxes)}};
  };

  switch (row.arrange) {
    case Arrange::RotaryPairsQ:
    case Arrange::RotaryPairsK: {
      const uint64_t count = row.arrange == Arrange::RotaryPairsQ ? heads : kv_heads;
      if (shape.size() > 2 || count == 0 || rows % (2 * count) != 0)
        return wrong(fmt::format("rows of {} heads with two halves each", count));
      const uint64_t half = rows / count / 2;
      const Sizes view{count, 2, half, columns};
      return one(shape, view, {box_of(view, {2 * half * columns, columns, 2 * columns, 1})});
    }
    case Arrange::Transpose: {
      if (shape.size() < 2) return wrong("of two dimensions");
      Sizes turned = shape;
      std::swap(turned[turned.size() - 2], turned.back());
      const uint64_t a = shape[shape.size() - 2], b = shape.back();
      const Sizes view{product(shape) / std::max<uint64_t>(a * b, 1), b, a};
      return one(std::move(turned), view, {box_of(view, {a * b, 1, b})});
    }
    case Arrange::Stack: {
      if (shape.size() < 2) return wrong("a stack");
      const Sizes member(shape.begin() + 1, shape.end());
      std::vector<PublishedPart> members;
      for (uint64_t i = 0; i < rows; ++i) {
        const uint64_t both[] = {layer, i};
        members.push_back({published_name(row, both, ending),
                           member,
                           {columns},
                           {box_of({columns}, {1}, i * columns)}});
      }
      return members;
    }
    case Arrange::HeadsToQkv: {
      if (shape.size() > 2 || heads == 0 || rows % (3 * heads) != 0)
        return wrong(fmt::format("queries, keys and values of {} heads", heads));
      const uint64_t dim = rows / heads / 3;
      const Sizes view{heads, 3, dim * columns};
      return one(shape, view, {box_of(view, {dim * columns, heads * dim * columns, 1})});
    }
    // Rows [head][key, value] x rank; the keys lie transposed.
    case Arrange::KeyHalf:
    case Arrange::ValueHalf: {
      const auto key_rows = number("attention.key_length_mla", layer);
      const auto rotated = number("rope.dimension_count", layer);
      const auto value_rows = number("attention.value_length_mla", layer);
      const bool is_key = row.arrange == Arrange::KeyHalf;
      if (shape.size() != 3 || !key_rows || !rotated || !value_rows || *key_rows <= *rotated ||
          shape[is_key ? 2 : 1] != (is_key ? *key_rows - *rotated : *value_rows))
        return wrong("keys or values of every head");
      const uint64_t keys = *key_rows - *rotated, all = keys + *value_rows;
      const uint64_t rank = shape[is_key ? 1 : 2];
      TensorBox box{.origin = {0, is_key ? 0 : keys, 0},
                    .size = {rows, is_key ? keys : *value_rows, rank}};
      box.strides = is_key ? Sizes{rank * keys, 1, keys} : Sizes{rank * *value_rows, rank, 1};
      return one({rows * all, rank}, {rows, all, rank}, {std::move(box)});
    }
    default: return one(shape, {product(shape)}, {box_of({product(shape)}, {1})});
  }
}

}  // namespace stkit::gguf_export
