#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "command.h"
#include "log.h"
#include "options.h"
#include "session.h"
#include "stkit/search.h"
#include "stkit/text.h"
#include "table.h"

namespace stkit::cli {
namespace {

constexpr uint64_t kMostModels = 1000;
constexpr int kAnswerIsNo = 1;

struct Options {
  SearchOptions search;
  uint64_t limit = 20;
};

// "BF16, F32", those with the most elements first.
std::string dtype_list(const FoundModel& model) {
  std::vector<std::pair<uint64_t, std::string_view>> dtypes;
  for (const auto& [dtype, elements] : model.dtypes) dtypes.emplace_back(elements, dtype);
  std::ranges::sort(dtypes, std::greater<>());
  std::string list;
  for (const auto& [elements, dtype] : dtypes)
    list += fmt::format("{}{}", list.empty() ? "" : ", ", dtype);
  return list;
}

void render_models(Session& session, const SearchOptions& options,
                   const std::vector<FoundModel>& models) {
  const bool dated = options.sort == "modified";
  std::vector<Column> columns = {{.title = "model", .elastic = true},
                                 {.title = "format"},
                                 {.title = "files", .right = true},
                                 {.title = "size", .right = true},
                                 {.title = "types"},
                                 {.title = "downloads", .right = true},
                                 {.title = "likes", .right = true}};
  if (dated) columns.push_back({.title = "modified"});
  columns.push_back({});  // whether it is gated
  write_table(
      session.out(), session.terminal(), columns, models.size(),
      [&](size_t i, std::vector<std::string>& cells) {
        const FoundModel& model = models[i];
        const bool any = model.weight_files > 0;
        cells = {model.id,
                 model.format,
                 any ? format_grouped(model.weight_files) : "",
                 any && model.weight_bytes ? format_bytes(*model.weight_bytes) : "",
                 dtype_list(model),
                 format_count(model.downloads),
                 format_count(model.likes)};
        if (dated)
          cells.push_back(model.last_modified.substr(0, std::string_view("2026-11-21").size()));
        cells.push_back(model.gated.empty() ? "" : "gated");
      },
      0);
}

Result<int> run_search(Options& options, Session& session) {
  SearchOptions& search_options = options.search;
  search_options.limit = static_cast<unsigned>(options.limit);
  search_options.hub = session.hub_options();
  STKIT_ASSIGN(const std::vector<FoundModel> models, search(search_options, session.run_options()));
  if (session.json()) {
    std::string text;
    JsonWriter json(text, session.terminal().is_terminal ? 2 : 0);
    write_json(json, search_options, models);
    session.out().write(text + "\n");
  } else if (models.empty()) {
    log_warning("no model of this kind has such a name; --format all looks at every kind");
  } else {
    render_models(session, search_options, models);
  }
  return models.empty() ? kAnswerIsNo : 0;
}

}  // namespace

Action add_search(CLI::App& command) {
  const auto options = std::make_shared<Options>();
  Options& o = *options;
  command.add_option("QUERY", o.search.query, "Words of the name")->type_name("QUERY")->required();
  add_choice(command, "--format", o.search.format, search_formats(),
             "Models that have such weights (safetensors)");
  add_choice(command, "--sort", o.search.sort, search_orders(),
             "What comes first: the most, or the latest (downloads)");
  add_count(command, "--limit", o.limit, kMostModels, "How many, at most (20)");
  return [options](Session& session) { return run_search(*options, session); };
}

}  // namespace stkit::cli
