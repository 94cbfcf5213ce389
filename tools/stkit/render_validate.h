// What validate found, for people and for GitHub's workflow logs.
#pragma once

#include <string>
#include <string_view>

#include "output.h"
#include "stkit/json.h"
#include "stkit/validate.h"
#include "terminal.h"

namespace stkit::cli {

void render_findings(Output& out, const Terminal& terminal, std::string_view reference,
                     const ValidateReport& report, bool strict);

// ::error file=model.safetensors,title=ST021 truncated::the file ends ...
void render_annotations(Output& out, const ValidateReport& report);

void render_check_list(Output& out, const Terminal& terminal);
void render_check(Output& out, const Terminal& terminal, const CheckInfo& check);
void write_json(JsonWriter& json, const CheckInfo& check);

}  // namespace stkit::cli
