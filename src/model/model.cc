#include "stkit/model.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "model/gguf_model.h"
#include "model/model_contents.h"
#include "model/open_reference.h"
#include "model/scan.h"
#include "model/text_file.h"

namespace stkit {
namespace {

// The first error there is, with the number of the others.
Result<void> first_error(std::span<const Finding> findings) {
  const auto is_error = [](const Finding& finding) {
    return finding.severity() == Severity::Error;
  };
  const auto first = std::ranges::find_if(findings, is_error);
  if (first == findings.end()) return {};
  const auto errors = static_cast<size_t>(std::ranges::count_if(findings, is_error));
  return fail(to_error(*first, errors - 1));
}

Result<Model> only_sound(Result<Model> model) {
  if (!model) return model;
  STKIT_TRY(first_error(model->findings()));
  return model;
}

}  // namespace

struct Model::Rep {
  ModelContents contents;
};

Model::Model(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

const ModelContents& ModelAccess::contents(const Model& model) { return model.rep_->contents; }
ModelContents ModelAccess::take(Model model) { return std::move(model.rep_->contents); }
Model ModelAccess::make(ModelContents contents) {
  return Model(std::make_unique<Model::Rep>(std::move(contents)));
}

Result<Model> Model::open(std::string_view reference, const OpenOptions& options) {
  return only_sound(scan(reference, options));
}

Result<Model> Model::open(std::shared_ptr<const Folder> folder, std::string_view name,
                          const OpenOptions& options) {
  return only_sound(scan(std::move(folder), name, options));
}

Result<Model> Model::scan(std::string_view reference, const OpenOptions& options) {
  STKIT_ASSIGN(OpenedReference opened, open_reference(reference, options.remote));
  STKIT_ASSIGN(Model model, scan(std::move(opened.folder), opened.selected, options));
  ModelContents& contents = model.rep_->contents;
  contents.reference = reference;
  contents.folder_name = std::move(opened.folder_name);
  return model;
}

Result<Model> Model::scan(std::shared_ptr<const Folder> folder, std::string_view name,
                          const OpenOptions& options) {
  const std::string label = folder->label();
  std::string reference = name.empty() ? label : folder->path_of(name);
  STKIT_ASSIGN(std::optional<ModelContents> contents, scan_gguf_model(folder, name, options));
  if (!contents) {
    STKIT_ASSIGN(contents, scan_model(std::move(folder), name, options));
  }
  if (options.format && contents->format != *options.format)
    return fail(ErrorCode::Unsupported,
                fmt::format("is of the kind {}, not {}", stkit::name(contents->format),
                            stkit::name(*options.format)),
                "leave --from out to take what is there", std::move(reference));
  contents->reference = std::move(reference);
  contents->folder_name = folder_display_name(label);
  return Model(std::make_unique<Rep>(std::move(*contents)));
}

const std::string& Model::reference() const { return rep_->contents.reference; }

std::string Model::name() const {
  const ModelContents& contents = rep_->contents;
  return contents.selected_weights.empty() ? contents.folder_name : contents.selected_weights;
}

FileFormat Model::format() const { return rep_->contents.format; }
const Folder& Model::folder() const { return *rep_->contents.folder; }
std::span<const ModelFile> Model::files() const { return rep_->contents.files; }
std::span<const TensorInfo> Model::tensors() const { return rep_->contents.tensors; }
std::span<const Finding> Model::findings() const { return rep_->contents.findings; }

const TensorInfo* Model::find(std::string_view tensor) const {
  const ModelContents& contents = rep_->contents;
  const auto position =
      contents.names.find(tensor, [&](uint32_t i) { return contents.tensors[i].name; });
  return position ? &contents.tensors[*position] : nullptr;
}

const std::map<std::string, std::string, std::less<>>& Model::metadata() const {
  return rep_->contents.metadata;
}

std::span<const std::string> Model::metadata_conflicts() const {
  return rep_->contents.metadata_conflicts;
}

Result<std::string> Model::read_companion(std::string_view name) const {
  const ModelContents& contents = rep_->contents;
  const std::string whole = contents.subfolder + std::string(name);
  const auto file = std::ranges::find(contents.files, whole, &ModelFile::name);
  if (file == contents.files.end() || file->role == FileRole::Weights)
    return fail(ErrorCode::NotFound, "the model has no such file", {},
                contents.folder->path_of(whole));
  return read_text_file(*contents.folder, whole);
}

Result<void> Model::read(const TensorInfo& tensor, uint64_t first_element, uint64_t count,
                         std::span<std::byte> out) const {
  STKIT_CHECK(first_element <= tensor.element_count &&
              count <= tensor.element_count - first_element);
  STKIT_ASSIGN(const uint64_t skipped, storage_bytes(tensor.dtype, first_element));
  STKIT_ASSIGN(const uint64_t wanted, storage_bytes(tensor.dtype, count));
  STKIT_CHECK(wanted == out.size());
  if (!tensor.contiguous) {
    const auto boxes = rep_->contents.boxed.find({tensor.file, tensor.name});
    STKIT_CHECK(boxes != rep_->contents.boxed.end());
    return read_boxes(boxes->second, skipped / boxes->second.unit_bytes, out,
                      [&](uint32_t file) { return open_file(file); });
  }
  STKIT_ASSIGN(const std::shared_ptr<const RandomAccessFile> file, open_file(tensor.file));
  return file->read_at(tensor.offset_bytes + skipped, out);
}

Result<std::shared_ptr<const RandomAccessFile>> Model::open_file(uint32_t file) const {
  return rep_->contents.pool->open(file);
}

Result<void> Model::check_unchanged() const { return rep_->contents.pool->check_unchanged(); }

std::string_view name(FileFormat format) {
  constexpr std::string_view kNames[] = {"safetensors", "gguf", "pytorch",
                                         "deepspeed",   "dcp",  "npz"};
  return kNames[static_cast<size_t>(format)];
}

std::string_view name(FileRole role) {
  constexpr std::string_view kNames[] = {"weights",   "index", "config",   "tokenizer",
                                         "processor", "code",  "document", "other"};
  return kNames[static_cast<size_t>(role)];
}

}  // namespace stkit
