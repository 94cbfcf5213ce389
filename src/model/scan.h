// Reads all headers of a model and checks them against each other and the index.
#pragma once

#include <memory>
#include <string_view>

#include "model/model_contents.h"

namespace stkit {

// See Model::scan. `reference` and `name` are for messages and people.
Result<ModelContents> scan_model(std::shared_ptr<const Folder> folder, std::string_view selected,
                                 const OpenOptions& options);

}  // namespace stkit
