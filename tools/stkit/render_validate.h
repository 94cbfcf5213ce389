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
// GitHub finds a file by its path below the folder that the repository is checked out in,
// `workspace`; empty: the current folder.
void render_annotations(Output& out, const ValidateReport& report, const std::string& workspace);
std::string path_in_workspace(const std::string& path, const std::string& workspace);

void render_check_list(Output& out, const Terminal& terminal);
void render_check(Output& out, const Terminal& terminal, const CheckInfo& check);
void write_json(JsonWriter& json, const CheckInfo& check);

}  // namespace stkit::cli
