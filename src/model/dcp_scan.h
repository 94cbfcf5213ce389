// A torch.distributed checkpoint as one model.
//
//   .metadata        names, shapes and where each chunk is; written last
//   __<rank>_<n>.distcp
#pragma once

#include <memory>
#include <string>

#include "model/model_contents.h"

namespace stkit {

// Reads the metadata and the pickle of every chunk of the model's tensors, never a weight. `prefix`
// is the folder where they lie: "" or with a slash. See Model::scan.
Result<ModelContents> scan_dcp(std::shared_ptr<const Folder> folder, const std::string& prefix,
                               const OpenOptions& options);

}  // namespace stkit
