#include "model_list.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ranges>
#include <system_error>

#include "log.h"
#include "report.h"
#include "signals.h"

namespace stkit::cli {
namespace {

constexpr int kAnswerIsNo = 1;

// Not by std::cin, which would wait on when a signal asks to stop.
Result<std::string> read_input() {
  std::string text;
  for (char buffer[4096];;) {
    const ssize_t count = read(STDIN_FILENO, buffer, sizeof buffer);
    if (count == 0) return text;
    if (count > 0) {
      text.append(buffer, static_cast<size_t>(count));
    } else if (errno != EINTR) {
      return fail(ErrorCode::ReadFailed,
                  "cannot read the list of models: " + std::generic_category().message(errno), {},
                  "standard input");
    }
    STKIT_TRY(cancel_token().check());
  }
}

Result<std::vector<std::string>> read_references(const std::vector<std::string>& typed) {
  std::vector<std::string> models;
  for (const std::string& model : typed) {
    if (model != "-") {
      models.push_back(model);
      continue;
    }
    STKIT_ASSIGN(const std::string text, read_input());
    for (const auto line : std::views::split(text, '\n'))
      if (!line.empty()) models.emplace_back(line.begin(), line.end());
  }
  return models;
}

// Indented for people, compact for programs: a listing of a million tensors is large.
unsigned indent_for(const Session& session) { return session.terminal().is_terminal ? 2 : 0; }

// Large documents leave for stdout as they are written.
JsonWriter::Flush flush_to(Session& session) {
  return [&session](std::string& text) {
    session.out().write(text);
    text.clear();
  };
}

Result<int> look_at_one(Session& session, const std::string& model, const LookAt& look_at) {
  std::string text;
  JsonWriter json(text, indent_for(session), flush_to(session));
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

  STKIT_ASSIGN(const std::vector<std::string> models, read_references(typed));
  std::string text;
  JsonWriter json(text, indent_for(session), flush_to(session));
  json.begin_array();
  int exit_code = 0;
  for (const std::string& model : models) {
    if (!session.json()) session.out().separate();
    const Result<int> done = look_at(model, json);
    if (done) {
      exit_code = std::max(exit_code, *done);
      continue;
    }
    log_error(error_text(done.error()));
    json.raw(error_json(done.error(), model));
    exit_code = kAnswerIsNo;
    if (stopped(done.error())) {
      exit_code = info(done.error().code).exit_code;
      break;
    }
  }
  json.end_array();
  if (session.json()) session.out().write(text + "\n");
  return exit_code;
}

}  // namespace stkit::cli
