// The page's searchable, sortable table. Its data is JSON, which the page's script shows.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "stkit/json.h"
#include "stkit/tensor.h"

namespace stkit::html {

// Rows that a page holds: some 2 MB, which browsers open at once.
inline constexpr size_t kMostRows = 20'000;
// Of a name in the table.
inline constexpr size_t kNameColumns = 200;

// Indices into a list that holds every item once, in the order in which they came.
template <class Key>
class Numbering {
 public:
  size_t operator()(const Key& key) {
    const auto [place, fresh] = numbers_.try_emplace(key, items_.size());
    if (fresh) items_.push_back(key);
    return place->second;
  }
  const std::vector<Key>& items() const { return items_; }

 private:
  std::map<Key, size_t> numbers_;
  std::vector<Key> items_;
};

// The data is {"columns": [...], "rows": [[...], ...], "dtypes": [...], "files": [...]}. Rows have
// a value a column: those of kind text, shape, count, bytes, real and fault as they are (null where
// there is none), those of kind dtype and file as indices. The second column is what the page's
// choice of types goes by.
void append_column(JsonWriter& json, std::string_view title, std::string_view kind);
void append_shape(JsonWriter& json, Shape shape);

// The table's section. `note` is HTML, `command` prints the same as text.
std::string table_section(std::string_view note, std::string_view command, std::string json);

}  // namespace stkit::html
