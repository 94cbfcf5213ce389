#include "model/assembled.h"

#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>

#include "model/companions.h"
#include "model/listing.h"

namespace stkit {

void list_assembled_files(std::span<const FolderEntry> weights, std::span<const FolderEntry> beside,
                          ModelContents& contents) {
  const auto add = [&](const FolderEntry& entry, FileRole role) {
    contents.files.push_back({.name = entry.name,
                              .path = contents.folder->path_of(entry.name),
                              .size_bytes = entry.size_bytes,
                              .role = role});
  };
  for (const FolderEntry& entry : weights) add(entry, FileRole::Weights);
  for (const FolderEntry& entry : beside)
    if (entry.kind == EntryKind::File && !is_weights_name(entry.name, FileFormat::PyTorch) &&
        !is_weights_name(entry.name))
      if (const auto role = companion_role(entry)) add(entry, *role);
  std::ranges::sort(contents.files, {}, &ModelFile::name);
  std::vector<std::string> names;
  for (const ModelFile& file : contents.files) names.push_back(file.name);
  contents.pool = std::make_unique<FilePool>(contents.folder, std::move(names));
}

uint32_t assembled_file(const ModelContents& contents, std::string_view name) {
  const auto found = std::ranges::lower_bound(contents.files, name, {}, &ModelFile::name);
  return static_cast<uint32_t>(found - contents.files.begin());
}

void take_assembled_tensors(std::vector<AssembledTensor> tensors, uint32_t file_of_empty,
                            ModelContents& contents) {
  contents.storage.emplace_back();
  Arena& storage = contents.storage.back();
  for (AssembledTensor& from : tensors) {
    TensorInfo tensor;
    tensor.name = storage.copy(from.name);
    tensor.shape = storage.copy(std::span<const uint64_t>(from.shape));
    tensor.element_count = element_count(from.shape).value_or(0);
    tensor.size_bytes = storage_bytes(from.dtype, tensor.element_count).value_or(0);
    tensor.dtype = from.dtype;
    if (!from.boxes.boxes.empty()) {
      tensor.file = from.boxes.boxes.front().file;
      tensor.offset_bytes = from.boxes.boxes.front().offset_bytes;
    } else {
      tensor.file = file_of_empty;
    }
    tensor.contiguous = from.boxes.boxes.empty() || is_contiguous(from.boxes);
    if (!tensor.contiguous)
      contents.boxed.emplace(std::pair(tensor.file, tensor.name), std::move(from.boxes));
    contents.tensors.push_back(tensor);
  }
  std::ranges::sort(contents.tensors, {}, [](const TensorInfo& tensor) {
    return std::tuple(tensor.file, tensor.offset_bytes, tensor.size_bytes, tensor.name);
  });
  for (const TensorInfo& tensor : contents.tensors) ++contents.files[tensor.file].tensor_count;
  contents.names = NameIndex(static_cast<uint32_t>(contents.tensors.size()),
                             [&](uint32_t i) { return contents.tensors[i].name; });
}

}  // namespace stkit
