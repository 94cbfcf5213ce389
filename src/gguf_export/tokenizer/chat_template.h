// How a conversation becomes text: Jinja templates, from all places where models keep them.
#pragma once

#include "base/json_reader.h"
#include "gguf_export/metadata_builder.h"
#include "stkit/model.h"

namespace stkit::gguf_export {

// tokenizer.chat_template and, where there are several, tokenizer.chat_template.NAME with their
// list. tokenizer_config.json first, then chat_template.jinja with additional_chat_templates/, then
// chat_template.json. `tokenizer_config` may be null.
void add_chat_template_keys(const Model& model, const JsonValue* tokenizer_config,
                            MetadataBuilder& out);

}  // namespace stkit::gguf_export
