// search: which models the Hub has, and what their weights are.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stkit/error.h"
#include "stkit/hub.h"
#include "stkit/json.h"
#include "stkit/progress.h"

namespace stkit {

std::span<const std::string_view> search_formats();  // "safetensors", "gguf", "all"
std::span<const std::string_view> search_orders();   // "downloads", "likes", "modified"

struct SearchOptions {
  std::string query;                   // words of the name; empty for every model
  std::string format = "safetensors";  // of search_formats(): models that have such files
  std::string sort = "downloads";      // of search_orders(), the most or the latest first
  unsigned limit = 20;
  HubOptions hub = {};
};

struct FoundModel {
  std::string id;      // what inspect and download take
  std::string format;  // of the main weights: "safetensors", "gguf", "pytorch"; empty without any
  // Of the main weights. A repository of GGUF files holds one model many times: all are counted.
  uint64_t weight_files = 0;
  std::optional<uint64_t> weight_bytes = {};     // nothing where the Hub does not say
  std::map<std::string, uint64_t> dtypes = {};   // elements by dtype, as the Hub counts them
  std::optional<uint64_t> parameter_count = {};  // their sum
  uint64_t downloads = 0, likes = 0;             // downloads of the last 30 days
  std::string last_modified;                     // "2026-11-21T07:54:42.000Z"
  std::string gated;                             // empty, or who lets people in: "auto" or "manual"
};

// One request a hundred models; one more for each whose size the list does not tell.
Result<std::vector<FoundModel>> search(const SearchOptions& options, const RunOptions& run);

void write_json(JsonWriter& json, const SearchOptions& options, std::span<const FoundModel> models);

}  // namespace stkit
