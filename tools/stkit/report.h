// How an error leaves the program: a line of cause, a line of cure, an exit code.
#pragma once

#include <string>
#include <string_view>

#include "stkit/error.h"

namespace stkit {
class JsonWriter;
}

namespace stkit::cli {

class Output;

//   error: model.safetensors: the header ends at byte 96 of 80
//     hint: the file is truncated; download it again
std::string error_text(const Error& error);  // without "error: "

// {"code","exit","path","message","hint"}
void write_error(JsonWriter& json, const Error& error);

// {"error":{"code","exit","path","message","hint"}}; as one of several, {"path":MODEL,"error":...}
std::string error_json(const Error& error, std::string_view model = {});

// Says it on stderr (and as JSON on stdout, where that was asked for); returns the exit code.
int report_error(const Error& error, bool json, Output& out);

}  // namespace stkit::cli
