#include "stkit/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/parallel.h"
#include "hub/bundle_plan.h"
#include "hub/connect.h"
#include "stkit/dtype.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr std::string_view kFormats[] = {"safetensors", "gguf", "all"};
// What the program calls them, and the Hub.
constexpr std::string_view kOrders[] = {"downloads", "likes", "modified"};
constexpr std::string_view kHubOrders[] = {"downloads", "likes", "lastModified"};

// The Hub counts requests; a few at once hide the way there and back.
constexpr unsigned kAtOnce = 8;

Result<size_t> place_of(std::string_view typed, std::span<const std::string_view> known,
                        std::string_view what) {
  const auto found = std::ranges::find(known, typed);
  if (found == known.end())
    return fail(ErrorCode::Usage, fmt::format("no {} '{}'", what, printable(typed, 40)));
  return static_cast<size_t>(found - known.begin());
}

std::string_view format_name(WeightFormat format) {
  switch (format) {
    case WeightFormat::Safetensors: return "safetensors";
    case WeightFormat::Gguf: return "gguf";
    case WeightFormat::PyTorch: return "pytorch";
    default: return "";
  }
}

// Exact, but for a repository that keeps its weights twice. Nothing where a dtype is unknown.
std::optional<uint64_t> bytes_of(const std::map<std::string, uint64_t>& dtypes) {
  uint64_t bytes = 0;
  for (const auto& [name, elements] : dtypes) {
    const std::optional<DType> dtype = parse_dtype(name);
    if (!dtype) return std::nullopt;
    const auto size = storage_bytes(*dtype, elements);
    if (!size || __builtin_add_overflow(bytes, *size, &bytes)) return std::nullopt;
  }
  return dtypes.empty() ? std::nullopt : std::optional(bytes);
}

FoundModel found_model(SearchHit hit, WeightFormat asked) {
  FoundModel model;
  std::ranges::sort(hit.files, {}, &RepoFile::path);
  const auto [format, paths] = weights_by_name({hit.id, {}, {}, std::move(hit.files)}, asked);
  model.format = format_name(format);
  model.weight_files = paths.size();
  if (format == WeightFormat::Safetensors) {
    model.dtypes = {hit.dtypes.begin(), hit.dtypes.end()};
    model.weight_bytes = bytes_of(model.dtypes);
  }
  if (hit.parameters > 0) model.parameter_count = hit.parameters;
  model.id = std::move(hit.id);
  model.downloads = hit.downloads;
  model.likes = hit.likes;
  model.last_modified = std::move(hit.last_modified);
  model.gated = std::move(hit.gated);
  return model;
}

// From the list of its files. A repository that does not show it stays without a size.
Result<void> measure(FoundModel& model, HubApi& api, WeightFormat asked,
                     const CancelToken* cancel) {
  if (cancel != nullptr) STKIT_TRY(cancel->check());
  auto files = api.files_with_sizes(model.id, cancel);
  if (!files) {
    const bool closed =
        files.error().code == ErrorCode::AccessDenied || files.error().code == ErrorCode::NotFound;
    return closed ? Result<void>() : fail(std::move(files).error());
  }
  std::map<std::string, uint64_t> sizes;
  for (const RepoFile& file : *files) sizes.emplace(file.path, file.size_bytes);
  const auto [format, paths] = weights_by_name({model.id, {}, {}, *std::move(files)}, asked);
  uint64_t bytes = 0;
  for (const std::string& path : paths)
    if (__builtin_add_overflow(bytes, sizes[path], &bytes)) return {};
  model.weight_bytes = bytes;
  return {};
}

}  // namespace

std::span<const std::string_view> search_formats() { return kFormats; }
std::span<const std::string_view> search_orders() { return kOrders; }

Result<std::vector<FoundModel>> search(const SearchOptions& options, const RunOptions& run) {
  STKIT_ASSIGN(const size_t format, place_of(options.format, kFormats, "format"));
  STKIT_ASSIGN(const size_t order, place_of(options.sort, kOrders, "order"));
  if (options.hub.offline)
    return fail(ErrorCode::Network, "searching needs the network",
                "leave out --offline, and unset HF_HUB_OFFLINE");
  constexpr WeightFormat kAsked[] = {WeightFormat::Safetensors, WeightFormat::Gguf,
                                     WeightFormat::Auto};
  const WeightFormat asked = kAsked[format];
  STKIT_ASSIGN(const auto hub, connect_hub(options.hub));
  STKIT_ASSIGN(std::vector<SearchHit> hits,
               hub->api.search({options.query,
                                std::string(asked == WeightFormat::Auto ? std::string_view()
                                                                        : kFormats[format]),
                                std::string(kHubOrders[order]), options.limit},
                               run.cancel));
  std::vector<FoundModel> models;
  for (SearchHit& hit : hits) models.push_back(found_model(std::move(hit), asked));
  std::vector<FoundModel*> unmeasured;
  for (FoundModel& model : models)
    if (model.weight_files > 0 && !model.weight_bytes) unmeasured.push_back(&model);
  STKIT_TRY(parallel_for(unmeasured.size(), kAtOnce, run.cancel, [&](size_t i, unsigned) {
    return measure(*unmeasured[i], hub->api, asked, run.cancel);
  }));
  return models;
}

void write_json(JsonWriter& json, const SearchOptions& options,
                std::span<const FoundModel> models) {
  const auto number = [&](std::string_view key, std::optional<uint64_t> value) {
    json.key(key);
    value ? json.value(*value) : json.null();
  };
  json.begin_object().field("query", options.query).field("format", options.format);
  json.field("sort", options.sort).key("models").begin_array();
  for (const FoundModel& model : models) {
    json.begin_object().field("id", model.id).key("file_format");
    model.format.empty() ? json.null() : json.value(model.format);
    json.field("shard_count", model.weight_files);
    number("total_bytes", model.weight_bytes);
    number("parameter_count", model.parameter_count);
    json.key("dtypes").begin_object();
    for (const auto& [dtype, elements] : model.dtypes) json.field(dtype, elements);
    json.end_object().field("downloads", model.downloads).field("likes", model.likes);
    json.field("last_modified", model.last_modified).field("gated", !model.gated.empty());
    json.key("gated_by");
    model.gated.empty() ? json.null() : json.value(model.gated);
    json.end_object();
  }
  json.end_array().end_object();
}

}  // namespace stkit
