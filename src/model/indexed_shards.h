// From the file names in an index to files of the folder.
#pragma once

#include <string>

#include "model/bundle.h"

namespace stkit {

// Makes `index` the rule of the bundle and the shards that it names its weights, with a finding for
// each that is missing, is no file, or lies outside of the folder. An index that is not usable only
// leaves its findings.
Result<void> take_index(const Folder& folder, std::string name, ShardIndex index, Bundle& bundle);

}  // namespace stkit
