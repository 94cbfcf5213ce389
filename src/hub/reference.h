// What people write for a repository of the Hub.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "hub/url.h"
#include "stkit/error.h"

namespace stkit {

struct HubReference {
  std::string repo;      // "org/name", or "name" for a few old ones
  std::string revision;  // branch, tag or commit; "main" when none is named
  std::string path;      // a file or folder of it; empty for all
};

// "ORG/NAME" or an old "NAME": letters, digits, '-', '_' and '.', nothing that could be a path.
bool is_repo_id(std::string_view text);
bool is_commit_id(std::string_view text);

// "ORG/NAME", "ORG/NAME@REV", "hf://[models/]ORG/NAME[@REV][/PATH]", or an address on the Hub
// itself as copied from a browser: "https://hub/ORG/NAME[/tree|blob|resolve/REV[/PATH]]".
Result<HubReference> parse_hub_reference(std::string_view text, const Url& endpoint);

}  // namespace stkit
