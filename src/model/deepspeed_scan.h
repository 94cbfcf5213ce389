// A DeepSpeed ZeRO checkpoint as one model.
#pragma once

#include <memory>
#include <string>

#include "model/model_contents.h"

namespace stkit {

// Reads the pickles of all ranks, never a weight. `subfolder` is where the checkpoint or its tag's
// folder lies: "" or with a slash. See Model::scan.
Result<ModelContents> scan_deepspeed(std::shared_ptr<const Folder> folder, std::string subfolder,
                                     const OpenOptions& options);

}  // namespace stkit
