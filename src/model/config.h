// config.json, whatever a family of models calls its fields.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/json_reader.h"
#include "stkit/inspect.h"
#include "stkit/model.h"

namespace stkit {

// The parsed config.json: an object, or null when there is none that can be used.
const JsonValue* config(const Model& model);

// The field at the top, or in the configuration of the language model that a larger one wraps
// (text_config, llm_config, ...). Null when neither has it, or has it as null.
const JsonValue* config_field(const JsonValue& config, std::string_view key);

// The first of several names for one number that is there.
std::optional<uint64_t> config_number(const JsonValue& config,
                                      std::span<const std::string_view> names);

// kv_heads default to heads, as in every family that has both.
ConfigSummary summarise_config(const JsonValue& config);

}  // namespace stkit
