#include "gguf_export/arrange.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "formats/finding_log.h"

namespace stkit::gguf_export {
namespace {

std::string text_of(Shape shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

// A tensor as matrices of rows of elements: [matrices, rows, columns]; a vector has rows of one.
struct Matrices {
  uint64_t count = 1, rows = 1, columns = 1;
};

Matrices matrices_of(Shape shape) {
  Matrices m;
  if (shape.size() == 1) m.rows = shape[0];
  if (shape.size() < 2) return m;
  m.rows = shape[shape.size() - 2];
  m.columns = shape.back();
  for (const uint64_t dimension : shape.first(shape.size() - 2)) m.count *= dimension;
  return m;
}

class Arranger {
 public:
  Arranger(const TensorInfo& tensor, uint32_t index, const HyperParameters& config)
      : tensor_(tensor),
        index_(index),
        config_(config),
        shape_(tensor.shape.begin(), tensor.shape.end()),
        m_(matrices_of(tensor.shape)) {}

  Result<Arranged> as_is() const {
    return Arranged{shape_, {run_of(index_, 0, tensor_.element_count)}};
  }

  Result<Arranged> rotary_pairs(std::optional<uint64_t> heads) const {
    if (!heads || *heads == 0 || m_.count != 1 || m_.rows % (*heads * 2) != 0)
      return wrong(fmt::format("rows of {} heads with two halves each", heads.value_or(0)));
    const uint64_t half = m_.rows / *heads / 2;
    return Arranged{shape_, {box({{*heads, 2 * half}, {half, 1}, {2, half}})}};
  }

  Result<Arranged> transpose() const {
    if (shape_.size() < 2) return wrong("two dimensions");
    return Arranged{swapped(shape_), {columns(0, m_.columns, 1)}};
  }

  Result<Arranged> half(uint64_t which) const {
    if (m_.rows % 2 != 0) return wrong("two halves of rows");
    const uint64_t rows = m_.rows / 2;
    Box box = box_of(index_, which * rows * m_.columns,
                     {{m_.count, m_.rows * m_.columns}, {rows * m_.columns, 1}});
    return Arranged{with_rows(rows), {box}};
  }

  Result<Arranged> every_other_row(uint64_t first) const {
    // A row of biases is a matrix's column of one element each.
    if (tensor_.shape.size() == 2 && tensor_.name.ends_with("bias"))
      return every_other_element(first);
    if (m_.rows % 2 != 0) return wrong("an even number of rows");
    Box box = box_of(index_, first * m_.columns,
                     {{m_.count * m_.rows / 2, 2 * m_.columns}, {m_.columns, 1}});
    return Arranged{with_rows(m_.rows / 2), {box}};
  }

  Result<Arranged> every_other_column(uint64_t first) const {
    if (shape_.size() < 2 || m_.columns % 2 != 0) return wrong("an even number of columns");
    std::vector<uint64_t> shape = swapped(shape_);
    shape[shape.size() - 2] /= 2;
    return Arranged{shape, {columns(first, m_.columns / 2, 2)}};
  }

  // [head][q, k, v][rows of a head]
  Result<Arranged> heads_to_qkv(std::optional<uint64_t> heads) const {
    if (!heads || *heads == 0 || m_.count != 1 || m_.rows % (*heads * 3) != 0)
      return wrong(fmt::format("queries, keys and values of {} heads", heads.value_or(0)));
    const uint64_t dim = m_.rows / *heads / 3;
    return Arranged{shape_, {box({{3, dim}, {*heads, 3 * dim}, {dim, 1}})}};
  }

  // [group][queries of the group, one key, one value][rows of a head]
  Result<Arranged> groups_to_qkv(std::optional<uint64_t> heads,
                                 std::optional<uint64_t> groups) const {
    if (!heads || !groups || *groups == 0 || *heads % *groups != 0 || m_.count != 1 ||
        m_.rows % (*heads + 2 * *groups) != 0)
      return wrong(fmt::format("{} heads in {} groups", heads.value_or(0), groups.value_or(0)));
    const uint64_t dim = m_.rows / (*heads + 2 * *groups);
    const uint64_t queries = *heads / *groups, group_rows = (queries + 2) * dim;
    const auto part = [&](uint64_t first, uint64_t rows) {
      return box_of(index_, first * m_.columns,
                    {{*groups, group_rows * m_.columns}, {rows * m_.columns, 1}});
    };
    return Arranged{
        shape_, {part(0, queries * dim), part(queries * dim, dim), part((queries + 1) * dim, dim)}};
  }

  // [head][key rows, value rows] x rank
  Result<Arranged> key_or_value(bool key) const {
    const auto heads = config_.kv_heads();
    const auto keys = config_.count("qk_nope_head_dim"), values = config_.count("v_head_dim");
    if (!heads || !keys || !values || shape_.size() != 2 || m_.rows != *heads * (*keys + *values))
      return wrong("keys and values of every head");
    const uint64_t head = (*keys + *values) * m_.columns;
    if (key)
      return Arranged{{*heads, m_.columns, *keys},
                      {box_of(index_, 0, {{*heads, head}, {m_.columns, 1}, {*keys, m_.columns}})}};
    return Arranged{
        {*heads, *values, m_.columns},
        {box_of(index_, *keys * m_.columns, {{*heads, head}, {*values * m_.columns, 1}})}};
  }

  Result<Arranged> after_padding() const {
    const uint64_t skipped = config_.count("pad_token_id").value_or(0) + 1;
    if (shape_.size() != 2 || m_.rows <= skipped)
      return wrong(fmt::format("more than {} rows", skipped));
    return Arranged{with_rows(m_.rows - skipped),
                    {run_of(index_, skipped * m_.columns, (m_.rows - skipped) * m_.columns)}};
  }

 private:
  std::unexpected<Error> wrong(const std::string& wanted) const {
    return fail(ErrorCode::Corrupt,
                fmt::format("tensor {} has the shape {}, which is not {} as config.json says",
                            quoted_name(tensor_.name), text_of(tensor_.shape), wanted));
  }

  // Axes that count rows; the elements of a row come last.
  Box box(std::initializer_list<Axis> rows) const {
    Box box{.tensor = index_};
    size_t at = Box::kMaxAxes - 1 - rows.size();
    for (const Axis& axis : rows) box.axes[at++] = {axis.count, axis.stride * m_.columns};
    box.axes[at] = {m_.columns, 1};
    return box;
  }

  // Columns first, first + step, ... of each matrix, as rows.
  Box columns(uint64_t first, uint64_t count, uint64_t step) const {
    return box_of(index_, first,
                  {{m_.count, m_.rows * m_.columns}, {count, step}, {m_.rows, m_.columns}});
  }

  Result<Arranged> every_other_element(uint64_t first) const {
    if (m_.columns % 2 != 0) return wrong("an even number of elements");
    std::vector<uint64_t> shape = shape_;
    shape.back() /= 2;
    return Arranged{shape, {box_of(index_, first, {{m_.count * m_.rows * m_.columns / 2, 2}})}};
  }

  static std::vector<uint64_t> swapped(std::vector<uint64_t> shape) {
    std::swap(shape[shape.size() - 2], shape.back());
    return shape;
  }

  std::vector<uint64_t> with_rows(uint64_t rows) const {
    std::vector<uint64_t> shape = shape_;
    (shape.size() < 2 ? shape.front() : shape[shape.size() - 2]) = rows;
    return shape;
  }

  const TensorInfo& tensor_;
  const uint32_t index_;
  const HyperParameters& config_;
  const std::vector<uint64_t> shape_;
  const Matrices m_;
};

}  // namespace

Result<Arranged> arrange(Arrange how, const TensorInfo& tensor, uint32_t index,
                         const HyperParameters& config) {
  const Arranger arranger(tensor, index, config);
  switch (how) {
    case Arrange::Packed:
    case Arrange::PackedEvenRows:
    case Arrange::PackedOddRows:
    case Arrange::AsIs:
    case Arrange::Stack: return arranger.as_is();
    case Arrange::RotaryPairsQ: return arranger.rotary_pairs(config.heads());
    case Arrange::RotaryPairsK: return arranger.rotary_pairs(config.kv_heads());
    case Arrange::Transpose: return arranger.transpose();
    case Arrange::FirstHalf: return arranger.half(0);
    case Arrange::SecondHalf: return arranger.half(1);
    case Arrange::HeadsToQkv: return arranger.heads_to_qkv(config.heads());
    case Arrange::GroupsToQkv: return arranger.groups_to_qkv(config.heads(), config.kv_heads());
    case Arrange::EvenRows: return arranger.every_other_row(0);
    case Arrange::OddRows: return arranger.every_other_row(1);
    case Arrange::EvenColumns: return arranger.every_other_column(0);
    case Arrange::OddColumns: return arranger.every_other_column(1);
    case Arrange::KeyHalf: return arranger.key_or_value(true);
    case Arrange::ValueHalf: return arranger.key_or_value(false);
    case Arrange::AfterPadding: return arranger.after_padding();
  }
  return arranger.as_is();
}

}  // namespace stkit::gguf_export
