// A model: whatever a reference opens, seen as one set of tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stkit/error.h"
#include "stkit/finding.h"
#include "stkit/io.h"
#include "stkit/tensor.h"

namespace stkit {

enum class FileFormat : uint8_t { Safetensors, Gguf, PyTorch, DeepSpeed, Dcp, Npz };
std::string_view name(FileFormat format);  // as in JSON: "safetensors", "gguf", "pytorch", ...

enum class FileRole : uint8_t {
  Weights,
  Index,
  Config,
  Tokenizer,
  Processor,
  Code,
  Document,
  Other
};
std::string_view name(FileRole role);

struct ModelFile {
  std::string name;  // relative to the model's folder
  std::string path;  // for messages
  uint64_t size_bytes = 0;
  FileRole role = FileRole::Other;
  uint64_t tensor_count = 0;
  uint64_t header_bytes = 0;  // of a weight file: everything but the tensors, where it is sound
};

struct OpenOptions {
  // The safetensors library's own limit. A larger header needs as much memory three times over.
  uint64_t max_header_bytes = 100'000'000;
  // Of a PyTorch checkpoint: the path of the dict that is the model ("model.ema"), where it holds
  // several. Empty: the only one there is.
  // Of a DeepSpeed checkpoint, "module" means the 16-bit weights instead of the optimizer's.
  // Of a torch.distributed checkpoint the same, by the names that were saved.
  std::string key = {};
  std::string tag = {};  // of a DeepSpeed checkpoint; empty: what its file `latest` says
  // The kind to take where a folder holds several. Unsupported, if it holds none of it.
  std::optional<FileFormat> format = {};
  // For addresses, and for names like ORG/NAME when no such path exists. Without it both are
  // refused.
  ReferenceOpener remote = {};
};

// Thread-safe once opened. Holds a bounded number of file descriptors, however many shards.
class Model {
 public:
  // A path: a weight file, an index, a config.json, or a folder; or what options.remote opens. What
  // it is is found out by content. Fails on the first finding of severity Error, saying how many
  // more there are.
  static Result<Model> open(std::string_view reference, const OpenOptions& options = {});
  // The same for any folder (a Hub repository); `name` selects one file or index of it, if given.
  static Result<Model> open(std::shared_ptr<const Folder> folder, std::string_view name = {},
                            const OpenOptions& options = {});

  // Like open, but finds everything that is wrong instead of stopping: fails only when there is
  // nothing to look at. tensors() then holds what could be read.
  static Result<Model> scan(std::string_view reference, const OpenOptions& options = {});
  static Result<Model> scan(std::shared_ptr<const Folder> folder, std::string_view name = {},
                            const OpenOptions& options = {});

  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  const std::string& reference() const;  // as the user wrote it
  std::string name() const;              // the folder's or file's own name, for people
  FileFormat format() const;
  const Folder& folder() const;

  // All files of the bundle, sorted by name: weights, index, companions. Weight files that are not
  // part of this model are among findings(), not here.
  std::span<const ModelFile> files() const;

  // By file, then by offset.
  std::span<const TensorInfo> tensors() const;
  const TensorInfo* find(std::string_view tensor) const;  // null when there is none

  // `__metadata__` of the weight files, merged: a key that shards disagree on keeps the value of
  // the first of them, and is listed in metadata_conflicts().
  const std::map<std::string, std::string, std::less<>>& metadata() const;
  std::span<const std::string> metadata_conflicts() const;

  std::span<const Finding> findings() const;

  // The text of a companion file (at most 64 MiB); NotFound when the bundle has none.
  Result<std::string> read_companion(std::string_view name) const;

  // Elements [first, first + count) as stored: little-endian, row-major, packed.
  // REQUIRES: first and count are whole blocks of the dtype and inside the tensor, and out has
  // exactly their bytes.
  Result<void> read(const TensorInfo& tensor, uint64_t first_element, uint64_t count,
                    std::span<std::byte> out) const;

  // The file that holds a ByteRun; opened on demand, kept while the caller holds it.
  Result<std::shared_ptr<const RandomAccessFile>> open_file(uint32_t file) const;

  // Fails with InputChanged when a file that was read is no longer what it was.
  Result<void> check_unchanged() const;

 private:
  friend struct ModelAccess;  // for the library's own operations
  struct Rep;
  explicit Model(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

}  // namespace stkit
