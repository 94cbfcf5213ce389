// What a scan of a model's headers yields: everything that is known without reading weights.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/arena.h"
#include "base/json_reader.h"
#include "formats/gguf_value.h"
#include "io/file_pool.h"
#include "model/name_index.h"
#include "model/weights_header.h"
#include "stkit/finding.h"
#include "stkit/io.h"
#include "stkit/model.h"
#include "stkit/tensor.h"

namespace stkit {

struct ModelContents {
  std::string reference;
  std::string folder_name;       // the repository's in a Hub snapshot
  std::string selected_weights;  // the one weight file that was asked for, if it was
  std::shared_ptr<const Folder> folder;
  std::string subfolder;  // "" or "unet/", where the selected file lies

  FileFormat format = FileFormat::Safetensors;
  std::vector<ModelFile> files;  // sorted by name
  std::vector<Arena> storage;    // of the tensors' names and shapes
  std::vector<TensorInfo> tensors;
  BoxedTensors boxed;  // of those that are not contiguous
  NameIndex names;     // of tensors
  std::map<std::string, std::string, std::less<>> metadata;
  std::vector<std::string> metadata_conflicts;
  std::vector<GgufEntry> gguf_metadata;  // of GGUF files, with its types; without split.*
  std::optional<JsonValue> config;       // config.json, when it is an object
  std::vector<Finding> findings;
  std::unique_ptr<FilePool> pool;
};

// The way of the other model sources and of src/ops to what the public class does not show.
struct ModelAccess {
  static const ModelContents& contents(const Model& model);
  // For another view of the same files.
  static ModelContents take(Model model);
  static Model make(ModelContents contents);
};

}  // namespace stkit
