// The front matter of a model card (README.md): what stands between its first two lines of `---`.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace stkit::gguf_export {

// What the cards of the Hub are made of: keys at the margin with a value on their line, a list
// beneath it, or a list in brackets. Other YAML (nested mappings, folded text) is passed over.
class ModelCard {
 public:
  static ModelCard parse(std::string_view markdown);

  // All values of a key; empty without.
  const std::vector<std::string>& values(std::string_view key) const;
  // The only value of a key; empty without, or when there are several.
  std::string_view value(std::string_view key) const;

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> keys_;
};

}  // namespace stkit::gguf_export
