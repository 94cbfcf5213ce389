#include "gguf_export/metadata_builder.h"

#include <algorithm>

namespace stkit::gguf_export {

void MetadataBuilder::set(std::string_view key, const GgufValue& number) { put(key, number); }

void MetadataBuilder::set_text(std::string_view key, std::string_view text) {
  put(key, storage_.copy(text));
}

void MetadataBuilder::set_texts(std::string_view key, std::span<const std::string_view> texts) {
  std::vector<std::string_view> copies;
  copies.reserve(texts.size());
  for (const std::string_view text : texts) copies.push_back(storage_.copy(text));
  put(key, gguf_array(storage_.copy(std::span<const std::string_view>(copies))));
}

void MetadataBuilder::set_flags(std::string_view key, std::span<const uint8_t> flags) {
  GgufArray array = gguf_array(storage_.copy(flags));
  array.element = GgufType::Bool;
  put(key, array);
}

void MetadataBuilder::remove(std::string_view key) {
  std::erase_if(entries_, [&](const GgufEntry& entry) { return entry.key == key; });
}

void MetadataBuilder::put(std::string_view key, const GgufValue& value) {
  const auto found = std::ranges::find(entries_, key, &GgufEntry::key);
  if (found != entries_.end())
    found->value = value;
  else
    entries_.push_back({storage_.copy(key), value});
}

}  // namespace stkit::gguf_export
