#include "report.h"

#include "log.h"
#include "output.h"
#include "stkit/json.h"
#include "stkit/text.h"

namespace stkit::cli {

std::string error_text(const Error& error) {
  std::string text;
  if (!error.path.empty()) text += printable(error.path) + ": ";
  text += printable(error.message);
  if (!error.hint.empty()) text += "\n  hint: " + printable(error.hint);
  return text;
}

void write_error(JsonWriter& json, const Error& error) {
  json.begin_object().field("code", info(error.code).name);
  json.field("exit", info(error.code).exit_code).field("path", error.path);
  json.field("message", error.message).field("hint", error.hint).end_object();
}

std::string error_json(const Error& error, std::string_view model) {
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  if (!model.empty()) json.field("path", model);
  json.key("error");
  write_error(json, error);
  json.end_object();
  return text;
}

int report_error(const Error& error, bool json, Output& out) {
  log_error(error_text(error));
  if (json) out.write(error_json(error) + "\n");
  return info(error.code).exit_code;
}

}  // namespace stkit::cli
