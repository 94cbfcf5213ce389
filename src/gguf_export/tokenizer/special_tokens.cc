#include "gguf_export/tokenizer/special_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace stkit::gguf_export {
namespace {

enum Role : uint8_t { kBos, kEos, kUnk, kSep, kPad, kCls, kMask, kEot, kEom };
constexpr size_t kRoles = 9;

struct RoleRow {
  std::string_view field;  // of configurations: "bos_token", "bos_token_id", "add_bos_token"
  std::string_view key;    // of GGUF; empty: it has none
};
constexpr std::array<RoleRow, kRoles> kRoleRows = {{{"bos", "bos"},
                                                    {"eos", "eos"},
                                                    {"unk", "unknown"},
                                                    {"sep", "seperator"},  // sic
                                                    {"pad", "padding"},
                                                    {"cls", ""},
                                                    {"mask", "mask"},
                                                    {"eot", "eot"},
                                                    {"eom", "eom"}}};
constexpr Role kFlagged[] = {kBos, kEos, kSep};

std::string_view text_field(const JsonValue* object, std::string_view key) {
  const JsonValue* value = object == nullptr ? nullptr : object->find(key);
  return value == nullptr ? std::string_view() : value->as_string().value_or("");
}

// "<s>", or {"content": "<s>"}
std::string token_text(const JsonValue* config, std::string_view field) {
  const JsonValue* value =
      config == nullptr ? nullptr : config->find(fmt::format("{}_token", field));
  if (value == nullptr) return {};
  if (const auto text = value->as_string()) return std::string(*text);
  return std::string(text_field(value, "content"));
}

// The id of the special token that a template has at a place; empty where there is the text.
std::string special_at(const JsonValue& item) {
  return std::string(text_field(item.find("SpecialToken"), "id"));
}
std::string sequence_at(const JsonValue& item) {
  return std::string(text_field(item.find("Sequence"), "id"));
}

// What the post-processor of tokenizer.json and tokenizer_config.json say together.
class SpecialTokens {
 public:
  explicit SpecialTokens(const TokenizerFiles& files)
      : tokenizer_(files.tokenizer ? &*files.tokenizer : nullptr),
        config_(files.tokenizer_config ? &*files.tokenizer_config : nullptr) {
    for (size_t role = 0; role < kRoles; ++role)
      text_[role] = token_text(config_, kRoleRows[role].field);
    if (tokenizer_ == nullptr) return;
    if (text_[kBos].empty()) text_[kBos] = text_[kCls];
    if (text_[kEos].empty()) text_[kEos] = text_[kSep];
    const JsonValue& processor = tokenizer_->post_processor;
    if (const JsonValue* several = processor.find("processors"))
      for (const JsonValue& one : several->elements()) read_processor(one);
    else
      read_processor(processor);
  }

  void add_keys(const JsonValue* model_config, uint64_t count, MetadataBuilder& out) const {
    for (size_t role = 0; role < kRoles; ++role) {
      if (kRoleRows[role].key.empty()) continue;
      auto id = tokenizer_ == nullptr ? std::nullopt : tokenizer_->added_id(text_[role]);
      if (!id || text_[role].empty()) id = id_field(model_config, kRoleRows[role].field);
      if (id && *id < count)
        out.set(fmt::format("tokenizer.ggml.{}_token_id", kRoleRows[role].key),
                static_cast<uint32_t>(*id));
    }
    for (const Role role : kFlagged) {
      std::optional<bool> flag = added_[role];
      const std::string field = fmt::format("add_{}_token", kRoleRows[role].field);
      if (const JsonValue* value = config_ == nullptr ? nullptr : config_->find(field);
          value != nullptr && !flag)
        flag = value->as_bool();
      if (flag) out.set("tokenizer.ggml." + field, *flag);
    }
  }

 private:
  static std::optional<uint64_t> id_field(const JsonValue* config, std::string_view field) {
    if (config == nullptr) return std::nullopt;
    const std::string name = fmt::format("{}_token_id", field);
    for (const JsonValue* object : {config, config->find("text_config")})
      if (object != nullptr)
        if (const JsonValue* value = object->find(name); value != nullptr && value->as_uint())
          return value->as_uint();
    return std::nullopt;
  }

  void read_processor(const JsonValue& processor) {
    const std::string_view type = text_field(&processor, "type");
    if (type == "ByteLevel") {
      for (const Role role : {kBos, kEos})
        if (!added_[role]) added_[role] = false;
    } else if (type == "RobertaProcessing") {
      added_[kBos] = added_[kEos] = added_[kSep] = true;
      if (text_[kCls].empty()) text_[kCls] = first_of(processor, "cls");
      if (text_[kSep].empty()) text_[kSep] = first_of(processor, "sep");
    } else if (type == "TemplateProcessing") {
      read_template(processor);
    }
  }

  // ["<s>", 0]
  static std::string first_of(const JsonValue& processor, std::string_view key) {
    const JsonValue* pair = processor.find(key);
    if (pair == nullptr || pair->elements().empty()) return {};
    return std::string(pair->elements().front().as_string().value_or(""));
  }

  static std::span<const JsonValue> items_of(const JsonValue& processor, std::string_view key) {
    const JsonValue* items = processor.find(key);
    return items == nullptr ? std::span<const JsonValue>() : items->elements();
  }

  void read_template(const JsonValue& processor) {
    const auto single = items_of(processor, "single");
    std::string first, last;
    if (single.size() > 1) {
      first = special_at(single.front());
      last = special_at(single.back());
    }
    if (!first.empty()) {
      if (first != text_[kBos] && first != text_[kCls]) {
        if (text_[kBos].empty()) text_[kBos] = first;
        if (text_[kCls].empty()) text_[kCls] = first;
      }
      added_[kBos] = first == text_[kBos] || first == text_[kCls];
    }
    if (!last.empty()) {
      // A text that ends with something else than the end of the text: that is the end of a turn.
      if (last != text_[kEos]) {
        const Role other = text_[kEot].empty() ? kEot : kEom;
        text_[other] = text_[kEos];
        text_[kEos] = last;
      }
      added_[kEos] = true;
    }
    read_pair(items_of(processor, "pair"), first, last);
  }

  // What stands between two texts, when there is anything.
  void read_pair(std::span<const JsonValue> items, const std::string& first,
                 const std::string& last) {
    if (items.empty()) return;
    if (!first.empty() && special_at(items.front()) == first) items = items.subspan(1);
    const bool ends = !items.empty() && !last.empty() && special_at(items.back()) == last;
    if (ends) items = items.first(items.size() - 1);
    if (items.size() < 3 || sequence_at(items.front()) != "A" || sequence_at(items.back()) != "B")
      return;
    items = items.subspan(1, items.size() - 2);
    const auto separates = [&](const JsonValue& item) {
      const std::string token = special_at(item);
      return !token.empty() && (token == text_[kSep] || token == text_[kEos]);
    };
    const bool add = (separates(items.front()) && last.empty()) ||
                     (items.size() == 2 && separates(items.back()));
    added_[kSep] = add;
    if (add && text_[kSep].empty()) text_[kSep] = text_[kEos];
  }

  const TokenizerJson* tokenizer_;
  const JsonValue* config_;
  std::array<std::string, kRoles> text_;
  std::array<std::optional<bool>, kRoles> added_;
};

void add_normalizer_keys(const JsonValue& normalizer, MetadataBuilder& out) {
  constexpr std::string_view kLowercase = "tokenizer.ggml.normalizer.lowercase";
  constexpr std::string_view kStripAccents = "tokenizer.ggml.normalizer.strip_accents";
  const std::string_view type = text_field(&normalizer, "type");
  if (type == "Lowercase") out.set(kLowercase, true);
  if (type == "StripAccents") out.set(kStripAccents, true);
  if (type == "BertNormalizer") {
    const JsonValue* lowercase = normalizer.find("lowercase");
    if (lowercase != nullptr && lowercase->as_bool()) out.set(kLowercase, *lowercase->as_bool());
    const JsonValue* strip = normalizer.find("strip_accents");
    if (strip != nullptr && strip->as_bool()) out.set(kStripAccents, *strip->as_bool());
  }
  if (type == "Sequence")
    if (const JsonValue* inner = normalizer.find("normalizers"))
      for (const JsonValue& one : inner->elements()) add_normalizer_keys(one, out);
}

}  // namespace

void add_special_token_keys(const TokenizerFiles& files, uint64_t count, MetadataBuilder& out) {
  SpecialTokens(files).add_keys(files.config ? &*files.config : nullptr, count, out);
  if (files.tokenizer) add_normalizer_keys(files.tokenizer->normalizer, out);
}

}  // namespace stkit::gguf_export
