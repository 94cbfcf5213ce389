#include "model/gguf_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "formats/finding_log.h"
#include "formats/gguf_reader.h"
#include "model/listing.h"
#include "model/shard_name.h"
#include "model/weight_choice.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr std::string_view kSuffix = ".gguf";
// Beside a model: what it sees images with, and how much its columns matter.
constexpr std::string_view kSecondary = "{*mmproj*,*imatrix*}.gguf";

bool is_gguf_name(const FolderEntry& entry) {
  const std::string_view base = base_name(entry.name);
  return entry.kind == EntryKind::File && base.ends_with(kSuffix) && !base.starts_with('.');
}

Result<bool> has_gguf_content(const Folder& folder, std::string_view name) {
  STKIT_ASSIGN(const std::unique_ptr<RandomAccessFile> file, folder.open(name));
  std::array<char, 4> magic{};
  if (file->size_bytes() < magic.size()) return false;
  STKIT_TRY(file->read_at(0, std::as_writable_bytes(std::span(magic))));
  return std::string_view(magic.data(), magic.size()) == "GGUF";
}

// Files that are one model by their names: the parts of a split, or one file alone.
std::map<std::string, std::vector<FolderEntry>> group(std::span<const FolderEntry> entries) {
  std::map<std::string, std::vector<FolderEntry>> models;
  for (const FolderEntry& entry : entries) {
    const auto shard = parse_shard_name(base_name(entry.name));
    models[shard ? set_pattern(*shard) : std::string(base_name(entry.name))].push_back(entry);
  }
  return models;
}

class GgufScan {
 public:
  GgufScan(std::shared_ptr<const Folder> folder, std::string_view selected,
           const OpenOptions& options)
      : folder_(std::move(folder)), selected_(selected), options_(options) {}

  Result<bool> choose_files() {
    contents_.subfolder = folder_prefix(selected_);
    if (!selected_.empty()) {
      STKIT_ASSIGN(const bool is_gguf, has_gguf_content(*folder_, selected_));
      if (!is_gguf) return false;
    }
    STKIT_ASSIGN(const std::vector<FolderEntry> listing,
                 folder_->list(without_slash(contents_.subfolder)));
    return selected_.empty() ? choose_of_folder(listing) : choose_selected(listing);
  }

  Result<ModelContents> read() {
    contents_.format = FileFormat::Gguf;
    contents_.folder = folder_;
    std::vector<std::string> names;
    for (const FolderEntry& entry : files_) {
      contents_.files.push_back({.name = entry.name,
                                 .path = folder_->path_of(entry.name),
                                 .size_bytes = entry.size_bytes,
                                 .role = FileRole::Weights});
      names.push_back(entry.name);
    }
    contents_.pool = std::make_unique<FilePool>(folder_, std::move(names));
    for (uint32_t i = 0; i < files_.size(); ++i) STKIT_TRY(read_part(i));
    check_parts();
    index_names();
    return std::move(contents_);
  }

 private:
  bool choose_of_folder(const std::vector<FolderEntry>& listing) {
    std::vector<FolderEntry> all, primary;
    if (options_.format && options_.format != FileFormat::Gguf) return false;
    for (const FolderEntry& entry : listing) {
      if (!options_.format && (is_weights_name(entry.name) || is_index_name(entry.name)))
        return false;
      if (!is_gguf_name(entry)) continue;
      all.push_back(entry);
      if (!glob_match(kSecondary, base_name(entry.name))) primary.push_back(entry);
    }
    if (all.empty()) return false;
    const auto models = group(primary.empty() ? all : primary);
    files_ = models.begin()->second;
    if (models.size() == 1) return true;
    std::vector<std::string> names;
    for (const auto& [name, files] : models) names.push_back(name);
    contents_.findings.push_back(
        {.check = Check::AmbiguousModel,
         .path = folder_->label(),
         .message = fmt::format("the folder holds several models: {}", list_names(names)),
         .hint =
             fmt::format("name the one that is meant: {}", folder_->path_of(files_.front().name))});
    return true;
  }

  // Any part stands for the whole of a split.
  bool choose_selected(const std::vector<FolderEntry>& listing) {
    contents_.selected_weights = base_name(selected_);
    const auto wanted = parse_shard_name(base_name(selected_));
    for (const FolderEntry& entry : listing) {
      const auto shard = parse_shard_name(base_name(entry.name));
      const bool same_set = wanted && shard && shard->set_key() == wanted->set_key();
      if (entry.kind == EntryKind::File && (entry.name == selected_ || same_set))
        files_.push_back(entry);
    }
    return true;
  }

  Result<void> read_part(uint32_t index) {
    STKIT_ASSIGN(const std::shared_ptr<const RandomAccessFile> file, contents_.pool->open(index));
    STKIT_ASSIGN(GgufHeader header, read_gguf_header(*file, options_.max_header_bytes, index));
    ModelFile& part = contents_.files[index];
    part.tensor_count = header.tensors.size();
    // Padding is the format's, too: all that is no tensor, in a sound file.
    uint64_t tensor_bytes = 0;
    for (const TensorInfo& tensor : header.tensors) tensor_bytes += tensor.size_bytes;
    part.header_bytes = header.sound() ? part.size_bytes - tensor_bytes : header.header_bytes;
    splits_.push_back(header.split());
    if (index == 0)
      for (const GgufEntry& entry : header.metadata) take_entry(entry);
    std::ranges::copy(header.tensors, std::back_inserter(contents_.tensors));
    std::ranges::move(header.findings, std::back_inserter(contents_.findings));
    contents_.storage.push_back(std::move(header.storage));
    return {};
  }

  void take_entry(const GgufEntry& entry) {
    if (entry.key.starts_with("split.")) return;
    contents_.gguf_metadata.push_back(entry);
    contents_.metadata.emplace(entry.key, gguf_text(entry.value));
  }

  static std::string gguf_text(const GgufValue& value) {
    return std::visit(
        []<class T>(const T& v) -> std::string {
          if constexpr (std::is_same_v<T, GgufArray>)
            return fmt::format("[{} x {}]", format_grouped(v.size()), name(v.element));
          else
            return fmt::format("{}", v);
        },
        value);
  }

  void report(Check check, const std::string& path, std::string message) {
    contents_.findings.push_back({.check = check, .path = path, .message = std::move(message)});
  }

  // Every part is there, in its place, and they have as many tensors as they say.
  void check_parts() {
    const bool is_split = files_.size() > 1 || (splits_[0] && splits_[0]->count > 1);
    if (!is_split) return;
    for (size_t i = 0; i < files_.size(); ++i) {
      const ModelFile& file = contents_.files[i];
      const auto shard = parse_shard_name(base_name(file.name));
      const uint64_t number = shard ? shard->number - uint64_t{1} : i;
      if (!splits_[i] || splits_[i]->number != number)
        report(Check::GgufSplit, file.path,
               splits_[i] ? fmt::format("split.no is {}, but by its name it is part {}",
                                        splits_[i]->number, number)
                          : "it is named as a part of a split model, but does not say which");
    }
    if (!splits_[0]) return;
    const std::string& path = contents_.files[0].path;
    if (splits_[0]->count != files_.size())
      report(Check::IncompleteSet, path,
             fmt::format("the model has {} parts, {} of them are here", splits_[0]->count,
                         files_.size()));
    else if (splits_[0]->tensors != contents_.tensors.size())
      report(Check::GgufSplit, path,
             fmt::format("split.tensors.count is {}, but the parts hold {} tensors",
                         format_grouped(splits_[0]->tensors),
                         format_grouped(contents_.tensors.size())));
  }

  void index_names() {
    contents_.names = NameIndex(static_cast<uint32_t>(contents_.tensors.size()),
                                [&](uint32_t i) { return contents_.tensors[i].name; });
    const auto slots = contents_.names.slots();
    for (size_t i = 1; i < slots.size(); ++i) {
      const TensorInfo& first = contents_.tensors[slots[i - 1].position];
      const TensorInfo& second = contents_.tensors[slots[i].position];
      if (first.name == second.name)
        report(Check::GgufDuplicateTensor, contents_.files[second.file].path,
               fmt::format("tensor {} is in {}, too", quoted_name(second.name),
                           quoted_name(base_name(contents_.files[first.file].name))));
    }
  }

  std::shared_ptr<const Folder> folder_;
  std::string selected_;
  OpenOptions options_;
  std::vector<FolderEntry> files_;  // sorted by name, which is by number
  std::vector<std::optional<GgufSplit>> splits_;
  ModelContents contents_;
};

}  // namespace

Result<std::optional<ModelContents>> scan_gguf_model(std::shared_ptr<const Folder> folder,
                                                     std::string_view selected,
                                                     const OpenOptions& options) {
  GgufScan scan(std::move(folder), selected, options);
  STKIT_ASSIGN(const bool is_gguf, scan.choose_files());
  if (!is_gguf) return std::optional<ModelContents>();
  STKIT_ASSIGN(ModelContents contents, scan.read());
  return std::optional(std::move(contents));
}

ConfigSummary summarise_gguf(const ModelContents& contents) {
  const std::span<const GgufEntry> metadata = contents.gguf_metadata;
  const std::string architecture(
      as_string(find(metadata, "general.architecture")).value_or("unknown"));
  const auto number = [&](std::string_view key) {
    return as_uint(find(metadata, architecture + std::string(key))).value_or(0);
  };
  const GgufArray* tokens = as_array(find(metadata, "tokenizer.ggml.tokens"), GgufType::String);
  return {.layers = number(".block_count"),
          .hidden_size = number(".embedding_length"),
          .heads = number(".attention.head_count"),
          .kv_heads = number(".attention.head_count_kv"),
          .vocab_size = tokens != nullptr ? tokens->size() : number(".vocab_size"),
          .context_length = number(".context_length"),
          .experts = number(".expert_count")};
}

}  // namespace stkit
