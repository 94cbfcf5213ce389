// The input is an index; the folder around it holds two shards of three tensors and a subfolder.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "model/profile.h"
#include "stkit/model.h"

namespace stkit {
namespace {

std::string shard(std::string_view header, size_t data_bytes) {
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(header.size());
  return bytes + std::string(header) + std::string(data_bytes, '\1');
}

class FuzzFolder final : public Folder {
 public:
  explicit FuzzFolder(std::string_view index)
      : files_{
            {"1.safetensors", shard(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2)},
            {"2.safetensors", shard(R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                    R"("c":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                                    2)},
            {"model.safetensors.index.json", std::string(index)},
            {"sub/3.safetensors", shard("{}", 0)}} {}

  const std::string& label() const override { return label_; }
  std::string path_of(std::string_view name) const override {
    return label_ + "/" + std::string(name);
  }
  Result<std::vector<FolderEntry>> list(std::string_view subfolder) const override {
    if (subfolder == "sub") return std::vector{entry(files_[3])};
    if (!subfolder.empty()) return fail(ErrorCode::NotFound, "no such folder");
    std::vector entries{entry(files_[0]), entry(files_[1]), entry(files_[2])};
    entries.push_back({"pipe.safetensors", EntryKind::Other, 0, "is a FIFO"});
    entries.push_back({"sub", EntryKind::Folder, 0, {}});
    return entries;
  }
  Result<std::unique_ptr<RandomAccessFile>> open(std::string_view name) const override {
    for (const File& file : files_)
      if (file.name == name)
        return open_memory_file(path_of(name), std::as_bytes(std::span(file.bytes)));
    std::abort();  // a name that is not in any listing must never be opened
  }

 private:
  struct File {
    std::string name;
    std::string bytes;
  };
  static FolderEntry entry(const File& file) {
    return {file.name, EntryKind::File, file.bytes.size(), {}};
  }

  std::string label_ = "folder";
  File files_[4];
};

// What holds for every index, however broken.
void check(const Model& model) {
  size_t counted = 0;
  for (const ModelFile& file : model.files()) counted += file.tensor_count;
  if (counted != model.tensors().size() || counted > 3) std::abort();
  for (const TensorInfo& tensor : model.tensors())
    if (model.find(tensor.name) != &tensor) std::abort();
  for (const Finding& finding : model.findings())
    if (finding.message.empty()) std::abort();
}

}  // namespace
}  // namespace stkit

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view index(reinterpret_cast<const char*>(data), size);
  const auto model = stkit::Model::scan(std::make_shared<stkit::FuzzFolder>(index));
  if (model) {
    stkit::check(*model);
    stkit::make_profile(*model);
  }
  return 0;
}
