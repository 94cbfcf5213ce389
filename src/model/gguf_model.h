// GGUF files, one or the parts of a split, as a model.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "model/model_contents.h"
#include "stkit/inspect.h"

namespace stkit {

// Nothing when `selected`, or the folder where nothing is selected, is no GGUF: then it is for the
// other formats. A folder's own safetensors files come before its GGUF files.
Result<std::optional<ModelContents>> scan_gguf_model(std::shared_ptr<const Folder> folder,
                                                     std::string_view selected,
                                                     const OpenOptions& options);

// The numbers of the model that the metadata tells.
ConfigSummary summarise_gguf(const ModelContents& contents);

}  // namespace stkit
