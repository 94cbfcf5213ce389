#include "model_list.h"

#include <algorithm>
#include <iostream>

#include "log.h"
#include "report.h"
#include "signals.h"

namespace stkit::cli {
namespace {

constexpr int kAnswerIsNo = 1;

std::vector<std::string> read_references(const std::vector<std::string>& typed) {
  std::vector<std::string> models;
  for (const std::string& model : typed) {
    if (model != "-") {
      models.push_back(model);
      continue;
    }
    for (std::string line; std::getline(std::cin, line);)
      if (!line.empty()) models.push_back(line);
  }
  return models;
}

// Indented for people, compact for programs: a listing of a million tensors is large.
unsigned indent_for(const Session& session) { return session.terminal().is_terminal ? 2 : 0; }

Result<int> look_at_one(Session& session, const std::string& model, const LookAt& look_at) {
  std::string text;
  JsonWriter json(text, indent_for(session));
  STKIT_ASSIGN(const int exit_code, look_at(model, json));
  if (session.json()) session.out().write(text + "\n");
  return exit_code;
}

bool stopped(const Error& error) {
  return error.code == ErrorCode::Interrupted || error.code == ErrorCode::Terminated;
}

}  // namespace

Result<int> for_each_model(Session& session, const std::vector<std::string>& typed,
                           const LookAt& look_at) {
  if (typed.empty()) return fail(ErrorCode::Usage, "MODEL is missing", "name a file or a folder");
  const bool from_input = std::ranges::find(typed, "-") != typed.end();
  if (typed.size() == 1 && !from_input) return look_at_one(session, typed.front(), look_at);

  const std::vector<std::string> models = read_references(typed);
  std::string text;
  JsonWriter json(text, indent_for(session));
  json.begin_array();
  int exit_code = 0;
  bool first = true;
  for (const std::string& model : models) {
    STKIT_TRY(cancel_token().check());
    if (!session.json() && !std::exchange(first, false)) session.out().write("\n");
    Result<int> done = look_at(model, json);
    if (done) {
      exit_code = std::max(exit_code, *done);
      continue;
    }
    if (stopped(done.error())) return done;
    log_error(error_text(done.error()));
    json.raw(error_json(done.error()));
    exit_code = kAnswerIsNo;
  }
  json.end_array();
  if (session.json()) session.out().write(text + "\n");
  return exit_code;
}

}  // namespace stkit::cli
