#include "gguf_export/model_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

namespace stkit::gguf_export {
namespace {

std::unexpected<Error> missing(const KeyRow& row) {
  std::string fields;
  for (const std::string_view field : row.fields)
    if (!field.empty()) fields += fields.empty() ? std::string(field) : fmt::format(", {}", field);
  return fail(
      ErrorCode::Corrupt,
      fmt::format("config.json has no number for the key {} (fields: {})", row.key, fields));
}

Result<GgufValue> typed(const KeyRow& row, double number) {
  switch (row.type) {
    case GgufType::F32: return static_cast<float>(number);
    case GgufType::Bool: return number != 0;
    default: break;
  }
  if (!(number >= 0 && number <= std::numeric_limits<uint32_t>::max()) ||
      number != static_cast<double>(static_cast<uint32_t>(number)))
    return fail(
        ErrorCode::Corrupt,
        fmt::format("config.json gives {} for the key {}, which is a whole number of 32 bits",
                    number, row.key));
  return static_cast<uint32_t>(number);
}

// One number a layer, where a model's layers differ.
Result<bool> add_list(const KeyRow& row, const HyperParameters& config, MetadataBuilder& out) {
  for (const std::string_view field : row.fields) {
    const JsonValue* value = field.empty() ? nullptr : config.field(field);
    if (value == nullptr) continue;
    if (value->type() != JsonType::Array) return false;
    std::vector<int32_t> numbers;
    for (const JsonValue& element : value->elements()) {
      const auto number = element.as_uint();
      if (!number || *number > std::numeric_limits<int32_t>::max())
        return fail(ErrorCode::Corrupt,
                    fmt::format("config.json: {} holds what is no number of 31 bits", field));
      numbers.push_back(static_cast<int32_t>(*number));
    }
    out.set_numbers<int32_t>(out.arch_key(row.key), numbers);
    return true;
  }
  return false;
}

std::optional<double> number_of(const KeyRow& row, const HyperParameters& config) {
  if (row.compute != nullptr) return row.compute(config);
  for (const std::string_view field : row.fields)
    if (!field.empty())
      if (const auto number = config.number(field)) return number;
  return std::nullopt;
}

Result<void> add(const KeyRow& row, const HyperParameters& config, MetadataBuilder& out) {
  STKIT_ASSIGN(const bool is_list, add_list(row, config, out));
  if (is_list) return {};
  const std::optional<double> number = number_of(row, config);
  if (!number) return row.required ? Result<void>(missing(row)) : Result<void>();
  STKIT_ASSIGN(const GgufValue value, typed(row, *number));
  out.set(out.arch_key(row.key), value);
  return {};
}

}  // namespace

Result<void> add_model_keys(const Architecture& architecture, const HyperParameters& config,
                            MetadataBuilder& out) {
  std::vector<const KeyRow*> rows;
  for (const auto& span : architecture.keys)
    for (const KeyRow& row : span) {
      const auto same = std::ranges::find(rows, row.key, [](const KeyRow* r) { return r->key; });
      if (same != rows.end())
        *same = &row;
      else
        rows.push_back(&row);
    }
  for (const KeyRow* row : rows) STKIT_TRY(add(*row, config, out));
  if (architecture.more_keys != nullptr) architecture.more_keys(config, out);
  return {};
}

}  // namespace stkit::gguf_export
