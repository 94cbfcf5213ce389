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

std::string error_json(const Error& error, std::string_view model) {
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  if (!model.empty()) json.field("path", model);
  json.key("error").begin_object();
  json.field("code", info(error.code).name).field("exit", info(error.code).exit_code);
  json.field("path", error.path).field("message", error.message).field("hint", error.hint);
  json.end_object().end_object();
  return text;
}

int report_error(const Error& error, bool json, Output& out) {
  log_error(error_text(error));
  if (json) out.write(error_json(error) + "\n");
  return info(error.code).exit_code;
}

}  // namespace stkit::cli
