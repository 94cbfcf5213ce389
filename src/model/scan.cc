#include "model/scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/parallel.h"
#include "base/python_json.h"
#include "formats/safetensors_reader.h"
#include "model/bundle.h"
#include "model/companions.h"
#include "model/cross_check.h"
#include "model/deepspeed_files.h"
#include "model/deepspeed_scan.h"
#include "model/distributed_scan.h"
#include "model/listing.h"
#include "model/npz_weights.h"
#include "model/text_file.h"
#include "model/torch_weights.h"

namespace stkit {
namespace {

ModelFile model_file(const Folder& folder, const FolderEntry& entry, FileRole role) {
  return {.name = entry.name,
          .path = folder.path_of(entry.name),
          .size_bytes = entry.size_bytes,
          .role = role};
}

void add_companions(const Folder& folder, const Bundle& bundle, std::vector<ModelFile>& files) {
  const auto add = [&](const FolderEntry& entry) {
    if (find_entry(bundle.weights, entry.name) != nullptr) return;
    if (const auto role = companion_role(entry)) files.push_back(model_file(folder, entry, *role));
  };
  for (const FolderEntry& entry : bundle.listing) {
    if (entry.kind != EntryKind::Folder) {
      add(entry);
    } else if (is_companion_folder(base_name(entry.name))) {
      if (const auto inside = folder.list(entry.name)) std::ranges::for_each(*inside, add);
    }
  }
}

std::vector<ModelFile> list_files(const Folder& folder, const Bundle& bundle) {
  std::vector<ModelFile> files;
  for (const FolderEntry& entry : bundle.weights)
    files.push_back(model_file(folder, entry, FileRole::Weights));
  if (const FolderEntry* index = find_entry(bundle.listing, bundle.index_name))
    files.push_back(model_file(folder, *index, FileRole::Index));
  if (bundle.has_companions) add_companions(folder, bundle, files);
  std::ranges::sort(files, {}, &ModelFile::name);
  return files;
}

// Damage to the data's extent leaves all entries of a header readable.
bool entries_are_complete(const SafetensorsHeader& header) {
  return std::ranges::all_of(header.findings, [](const Finding& finding) {
    return finding.severity() != Severity::Error || finding.check == Check::Truncated ||
           finding.check == Check::TrailingBytes || finding.check == Check::DataHole ||
           finding.check == Check::TensorsOverlap;
  });
}

WeightsHeader to_weights_header(SafetensorsHeader header) {
  WeightsHeader weights;
  weights.complete = entries_are_complete(header);
  weights.storage = std::move(header.storage);
  weights.tensors = std::move(header.tensors);
  weights.metadata = std::move(header.metadata);
  weights.header_bytes = header.header_bytes;
  weights.findings = std::move(header.findings);
  return weights;
}

Result<WeightsHeader> read_header(const ModelContents& contents, const RandomAccessFile& file,
                                  uint32_t file_index, const OpenOptions& options) {
  if (contents.format == FileFormat::PyTorch) return read_torch_weights(file, file_index, options);
  if (contents.format == FileFormat::Npz) {
    const auto reopen = [pool = contents.pool.get(), file_index] { return pool->open(file_index); };
    return read_npz_weights(file, file_index, reopen, options);
  }
  STKIT_ASSIGN(SafetensorsHeader header,
               read_safetensors_header(file, options.max_header_bytes, file_index));
  return to_weights_header(std::move(header));
}

Result<std::vector<WeightsHeader>> read_headers(const ModelContents& contents,
                                                std::span<const uint32_t> weight_files,
                                                const OpenOptions& options) {
  std::vector<WeightsHeader> headers(weight_files.size());
  const auto read_one = [&](size_t i, unsigned) -> Result<void> {
    STKIT_ASSIGN(const std::shared_ptr<const RandomAccessFile> file,
                 contents.pool->open(weight_files[i]));
    STKIT_ASSIGN(headers[i], read_header(contents, *file, weight_files[i], options));
    return {};
  };
  const unsigned readers = std::max(usable_cores(), contents.folder->useful_readers());
  STKIT_TRY(parallel_for(headers.size(), readers, nullptr, read_one));
  return headers;
}

void merge_metadata(const WeightsHeader& header, ModelContents& contents,
                    std::set<std::string>& conflicts) {
  for (const auto& [key, value] : header.metadata) {
    const auto [known, added] = contents.metadata.emplace(key, value);
    if (!added && known->second != value) conflicts.insert(key);
  }
}

void merge_headers(std::vector<WeightsHeader> headers, std::span<const uint32_t> weight_files,
                   ModelContents& contents) {
  size_t count = 0;
  for (const WeightsHeader& header : headers) count += header.tensors.size();
  if (headers.size() == 1)
    contents.tensors = std::move(headers.front().tensors);
  else
    contents.tensors.reserve(count);

  std::set<std::string> conflicts;
  for (size_t i = 0; i < headers.size(); ++i) {
    WeightsHeader& header = headers[i];
    ModelFile& file = contents.files[weight_files[i]];
    file.header_bytes = header.header_bytes;
    merge_metadata(header, contents, conflicts);
    std::ranges::move(header.findings, std::back_inserter(contents.findings));
    if (headers.size() > 1) std::ranges::copy(header.tensors, std::back_inserter(contents.tensors));
    contents.boxed.merge(header.boxed);
    contents.storage.push_back(std::move(header.storage));
  }
  contents.metadata_conflicts.assign(conflicts.begin(), conflicts.end());
  contents.names =
      NameIndex(static_cast<uint32_t>(count), [&](uint32_t i) { return contents.tensors[i].name; });
}

// Gathered weights in safetensors come first: they are what the checkpoint was saved for.
bool is_deepspeed_checkpoint(const Folder& folder, std::optional<FileFormat> wanted) {
  const auto listing = folder.list();
  if (!listing || !is_deepspeed_folder(*listing)) return false;
  if (wanted) return wanted == FileFormat::DeepSpeed;
  return std::ranges::none_of(*listing, [](const FolderEntry& entry) {
    return is_weights_name(entry.name) || is_index_name(entry.name);
  });
}

void read_config(ModelContents& contents) {
  const auto file =
      std::ranges::find(contents.files, contents.subfolder + "config.json", &ModelFile::name);
  if (file == contents.files.end()) return;
  const auto report = [&](std::string message) {
    contents.findings.push_back(
        {.check = Check::BadConfig, .path = file->path, .message = std::move(message)});
  };
  const Result<std::string> text = read_text_file(*contents.folder, file->name);
  if (!text) return report(text.error().message);
  Result<JsonValue> config = JsonValue::parse(*text);
  // What Python writes beyond JSON is no defect of the model; without it there is a message to
  // give.
  if (!config)
    if (auto python = JsonValue::parse(strict_json(*text))) config = std::move(python);
  if (!config) return report(config.error().message);
  if (config->type() != JsonType::Object)
    return report(fmt::format("config.json is of type {}, not object", name(config->type())));
  contents.config = std::move(*config);
}

}  // namespace

Result<ModelContents> scan_model(std::shared_ptr<const Folder> folder, std::string_view selected,
                                 const OpenOptions& options) {
  if (selected.empty() && is_deepspeed_checkpoint(*folder, options.format)) {
    STKIT_ASSIGN(ModelContents contents, scan_deepspeed(std::move(folder), {}, options));
    read_config(contents);
    return contents;
  }
  STKIT_ASSIGN(std::optional<ModelContents> parts, scan_distributed(folder, selected, options));
  if (parts) {
    read_config(*parts);
    return std::move(*parts);
  }
  STKIT_ASSIGN(Bundle bundle, find_bundle(*folder, selected, options));

  ModelContents contents;
  contents.folder = folder;
  contents.format = bundle.format;
  contents.subfolder = bundle.subfolder;
  contents.findings = std::move(bundle.findings);
  if (bundle.is_selected_file) contents.selected_weights = base_name(selected);
  contents.files = list_files(*folder, bundle);
  std::vector<std::string> names;
  std::vector<uint32_t> weight_files;  // in the order of bundle.weights
  for (uint32_t i = 0; i < contents.files.size(); ++i) {
    names.push_back(contents.files[i].name);
    if (contents.files[i].role == FileRole::Weights) weight_files.push_back(i);
  }
  contents.pool = std::make_unique<FilePool>(folder, std::move(names));

  STKIT_ASSIGN(std::vector<WeightsHeader> headers, read_headers(contents, weight_files, options));
  std::vector<ScannedFile> scanned;
  for (size_t i = 0; i < headers.size(); ++i)
    scanned.push_back({weight_files[i], headers[i].complete});
  merge_headers(std::move(headers), weight_files, contents);

  read_config(contents);
  if (bundle.index)
    apply_index(*folder, bundle, scanned, contents.files, contents.tensors, contents.names,
                contents.findings);
  else
    check_without_index(*folder, bundle, contents.files, contents.tensors, contents.names,
                        contents.config.has_value(), contents.findings);
  for (const TensorInfo& tensor : contents.tensors) ++contents.files[tensor.file].tensor_count;
  return contents;
}

}  // namespace stkit
