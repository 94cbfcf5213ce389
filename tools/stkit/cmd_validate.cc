#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <vector>

#include "command.h"
#include "model_list.h"
#include "options.h"
#include "render_validate.h"
#include "session.h"
#include "stkit/hub.h"
#include "stkit/text.h"
#include "stkit/validate.h"
#include "text_file.h"

namespace stkit::cli {
namespace {

constexpr std::string_view kFormats[] = {"text", "json", "github"};
constexpr std::string_view kHub = "hub";     // --checksums without a list
constexpr std::string_view kToOutput = "-";  // --write-checksums without a FILE

struct Options {
  std::vector<std::string> models;
  ValidateOptions validate;
  std::string loader, against, checksums, write_checksums, explain, format = "text";
  bool strict = false, list_checks = false, force = false;
};

std::string github_workspace() {
  const char* folder = std::getenv("GITHUB_WORKSPACE");
  return folder == nullptr ? std::string() : std::string(folder);
}

Result<int> list_checks(Session& session) {
  if (!session.json()) {
    render_check_list(session.out(), session.terminal());
    return 0;
  }
  std::string text;
  JsonWriter json(text, 2);
  json.begin_array();
  for (const CheckInfo& check : checks()) write_json(json, check);
  json.end_array();
  session.out().write(text + "\n");
  return 0;
}

Result<int> explain(const std::string& id, Session& session) {
  const std::optional<Check> check = find_check(id);
  if (!check) {
    std::vector<std::string_view> names;
    for (const CheckInfo& row : checks()) names.insert(names.end(), {row.id, row.slug});
    const std::string_view meant = nearest(id, names);
    return fail(ErrorCode::Usage, fmt::format("no check '{}'", id),
                meant.empty() ? "list all with: stkit validate --list-checks"
                              : fmt::format("did you mean '{}'?", meant));
  }
  if (!session.json()) {
    render_check(session.out(), session.terminal(), info(*check));
    return 0;
  }
  std::string text;
  JsonWriter json(text, 2);
  write_json(json, info(*check));
  session.out().write(text + "\n");
  return 0;
}

Result<int> write_checksums(const Options& options, const std::string& reference, Session& session,
                            JsonWriter& json) {
  STKIT_ASSIGN(const Model model, Model::open(reference, options.validate.open));
  const bool to_file = options.write_checksums != kToOutput;
  if (to_file) STKIT_TRY(check_not_input(model, options.write_checksums));
  STKIT_ASSIGN(const std::string list, checksum_list(model, session.run_options()));
  if (to_file) STKIT_TRY(write_text_file(options.write_checksums, list, options.force));
  if (session.json())
    json.begin_object()
        .field("path", reference)
        .field("checksums", list)
        .field("output", options.write_checksums)
        .end_object();
  else
    session.out().write(
        options.write_checksums == kToOutput ? list : printable(options.write_checksums) + "\n");
  return 0;
}

Result<int> validate_one(const Options& options, const std::string& reference, Session& session,
                         JsonWriter& json) {
  if (!options.write_checksums.empty()) return write_checksums(options, reference, session, json);
  STKIT_ASSIGN(const ValidateReport report,
               validate(reference, options.validate, session.run_options()));
  if (session.json())
    write_json(json, report, options.strict);
  else if (options.format == "github")
    render_annotations(session.out(), report, github_workspace());
  else
    render_findings(session.out(), session.terminal(), reference, report, options.strict);
  return report.ok(options.strict) ? 0 : 1;
}

Result<int> run_validate(Options& options, Session& session) {
  if (options.format == "json") session.set_json(true);
  if (options.list_checks) return list_checks(session);
  if (!options.explain.empty()) return explain(options.explain, session);
  options.validate.open.remote = hub_references(session.hub_options());
  options.validate.loader = parse_loader(options.loader);
  if (!options.against.empty()) options.validate.against = options.against;
  if (options.checksums == kHub)
    options.validate.hub_checksums = {{}, session.hub_options()};
  else if (options.checksums.starts_with("hf://"))
    options.validate.hub_checksums = {options.checksums, session.hub_options()};
  else if (!options.checksums.empty())
    options.validate.checksums = options.checksums;
  return for_each_model(session, options.models, [&](const std::string& model, JsonWriter& json) {
    return validate_one(options, model, session, json);
  });
}

}  // namespace

Action add_validate(CLI::App& command) {
  const auto options = std::make_shared<Options>();
  Options& o = *options;
  add_models(command, o.models);
  command.add_flag("--deep", o.validate.deep, "Read the weights: NaN, Inf, zeros, unwritten ends");
  add_text(command, "--against", o.against, "MODEL",
           "Prove that another model holds the same tensors");
  add_text(command, "--checksums", o.checksums, "FILE",
           "Compare with a list as sha256sum writes it; hub: with the Hub's digests");
  add_optional_text(command, "--write-checksums", o.write_checksums, std::string(kToOutput), "FILE",
                    "Make such a list, on stdout or as FILE");
  add_choice(command, "--for", o.loader, loader_names(),
             "Check what this loader needs or trips over");
  command.add_flag("--strict", o.strict, "Warnings count as errors");
  add_choice(command, "--format", o.format, kFormats,
             "How findings are printed; github: annotations");
  command.add_flag("--list-checks", o.list_checks, "List all rules");
  add_text(command, "--explain", o.explain, "ID", "Explain one rule, as in ST021 or truncated");
  command.add_flag("--force", o.force, "Replace FILE when it exists");
  add_open_options(command, o.validate.open);
  return [options](Session& session) { return run_validate(*options, session); };
}

}  // namespace stkit::cli
