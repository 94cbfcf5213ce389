// Commands that look at one model or at several.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "session.h"
#include "stkit/error.h"
#include "stkit/json.h"

namespace stkit::cli {

// Looks at one model: writes its JSON document, once all work is done, or text to the session's
// output. Returns the exit code.
using LookAt = std::function<Result<int>(const std::string& model, JsonWriter& json)>;

// One model: its result is the command's. Several, or `-` for a list on standard input: each in
// turn, a JSON array; those that fail are reported and the rest goes on, with exit code 1.
Result<int> for_each_model(Session& session, const std::vector<std::string>& typed,
                           const LookAt& look_at);

}  // namespace stkit::cli
