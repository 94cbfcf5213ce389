#include "model/dcp_scan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "formats/finding_log.h"
#include "io/file_window.h"
#include "model/assembled.h"
#include "model/box_coverage.h"
#include "model/dcp_choice.h"
#include "model/dcp_metadata.h"
#include "model/listing.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr std::string_view kMetadataName = ".metadata";
constexpr size_t kMaxBadChunks = 100;

class DcpScan {
 public:
  DcpScan(std::shared_ptr<const Folder> folder, std::string prefix, const OpenOptions& options)
      : prefix_(std::move(prefix)), options_(options) {
    contents_.folder = std::move(folder);
    contents_.format = FileFormat::Dcp;
  }

  Result<ModelContents> run() {
    STKIT_ASSIGN(listing_, contents_.folder->list(without_slash(std::string_view(prefix_))));
    STKIT_TRY(read_metadata());
    STKIT_TRY(list_files());
    if (!metadata_.usable || !files_there_) return std::move(contents_);
    const auto choice = choose_dcp_tensors(metadata_, options_.key);
    if (!choice) {
      report(choice.error().check, choice.error().message);
      return std::move(contents_);
    }
    note(*choice);
    for (const DcpChoice::Entry& entry : choice->entries) plan(entry);
    STKIT_TRY(read_chunks());
    if (!failed_) join_chunks();
    return std::move(contents_);
  }

 private:
  struct Chunk {
    size_t tensor;  // index into tensors_
    const DcpChunk* place;
    std::optional<TorchTensor> content;
  };

  void report(Check check, std::string message, std::string tensor = {}) {
    contents_.findings.push_back({.check = check,
                                  .path = metadata_path_,
                                  .tensor = std::move(tensor),
                                  .message = std::move(message)});
  }

  Result<void> read_metadata() {
    const std::string name = prefix_ + std::string(kMetadataName);
    metadata_path_ = contents_.folder->path_of(name);
    if (find_entry(listing_, name) == nullptr) {
      report(Check::UnfinishedSave,
             "the folder has .distcp files, but no .metadata, which is written last");
      return {};
    }
    STKIT_ASSIGN(const auto file, contents_.folder->open(name));
    if (file->size_bytes() > options_.max_header_bytes) {
      report(Check::PickleTooLarge, fmt::format("the file takes {} bytes, the limit is {}",
                                                format_grouped(file->size_bytes()),
                                                format_grouped(options_.max_header_bytes)));
      return {};
    }
    std::vector<std::byte> bytes(static_cast<size_t>(file->size_bytes()));
    STKIT_TRY(file->read_at(0, bytes));
    metadata_ = read_dcp_metadata(bytes, metadata_path_);
    std::ranges::move(metadata_.findings, std::back_inserter(contents_.findings));
    return {};
  }

  // Companions are those of the folder that the user named.
  Result<void> list_files() {
    std::vector<FolderEntry> weights;
    for (const FolderEntry& entry : listing_)
      if (entry.kind == EntryKind::File && base_name(entry.name).ends_with(".distcp"))
        weights.push_back(entry);
    files_there_ = true;
    std::set<std::string_view> there;
    for (const FolderEntry& entry : weights) there.insert(entry.name);
    for (const std::string& name : metadata_.files)
      if (!there.contains(prefix_ + name)) {
        report(Check::MissingPart, fmt::format("the file {} is missing", quoted_name(name)));
        files_there_ = false;
      }
    STKIT_ASSIGN(const std::vector<FolderEntry> beside, contents_.folder->list());
    list_assembled_files(weights, beside, contents_);
    if (!files_there_) return {};
    for (const std::string& name : metadata_.files)
      places_.push_back(assembled_file(contents_, prefix_ + name));
    return {};
  }

  void note(const DcpChoice& choice) {
    if (!choice.prefixes.empty())
      report(Check::WrapperPrefix, fmt::format("names are given without {}", choice.prefixes));
    if (choice.skipped > 0)
      report(Check::SkippedValues,
             fmt::format("{} {} not of the model, first {}", format_grouped(choice.skipped),
                         choice.skipped == 1 ? "value is" : "values are",
                         quoted_name(choice.first_skipped)));
  }

  void plan(const DcpChoice::Entry& entry) {
    const DcpTensor& from = metadata_.tensors[entry.tensor];
    if (from.type == nullptr || !from.type->dtype) {
      failed_ = true;
      return report(Check::UnreadableTensor,
                    fmt::format("tensor {}: safetensors has no dtype for {}",
                                quoted_name(entry.name), quoted_name(from.type_name)),
                    entry.name);
    }
    AssembledTensor tensor{entry.name, *from.type->dtype, from.shape, {}};
    tensor.boxes.shape = from.shape;
    tensor.boxes.unit_bytes = info(tensor.dtype).block_bytes;
    // What torch counts as one value is a whole block of the dtype, see TorchTensor.
    if (const auto values = info(tensor.dtype).block_elements; values > 1 && !from.shape.empty())
      tensor.shape.back() *= values;
    for (const DcpChunk& chunk : from.chunks) chunks_.push_back({tensors_.size(), &chunk, {}});
    tensors_.push_back(std::move(tensor));
  }

  // Findings come in the order of the chunks, whatever the threads do.
  Result<void> read_chunks() {
    std::ranges::stable_sort(chunks_, {}, [](const Chunk& chunk) {
      return std::pair(chunk.place->file, chunk.place->offset_bytes);
    });
    std::vector<std::vector<Finding>> findings(chunks_.size());
    STKIT_TRY(parallel_for(chunks_.size(), thread_count({}), nullptr, [&](size_t i, unsigned) {
      return read_chunk(chunks_[i], findings[i]);
    }));
    std::set<std::pair<std::string, std::string>> seen;  // each file names the same few classes
    size_t bad = 0;
    for (std::vector<Finding>& of_chunk : findings)
      for (Finding& finding : of_chunk) {
        const bool is_error = finding.severity() == Severity::Error;
        failed_ = failed_ || is_error;
        if (is_error && ++bad > kMaxBadChunks) continue;
        if (is_error || seen.emplace(finding.path, finding.message).second)
          contents_.findings.push_back(std::move(finding));
      }
    return {};
  }

  Result<void> read_chunk(Chunk& chunk, std::vector<Finding>& findings) {
    const DcpChunk& place = *chunk.place;
    const AssembledTensor& tensor = tensors_[chunk.tensor];
    STKIT_ASSIGN(const auto file, contents_.pool->open(places_[place.file]));
    const auto bad = [&](Check check, std::string message) {
      findings.push_back(
          {.check = check,
           .path = file->label(),
           .tensor = tensor.name,
           .message = fmt::format("the chunk of {} at byte {} {}", quoted_name(tensor.name),
                                  format_grouped(place.offset_bytes), message)});
    };
    if (place.offset_bytes > file->size_bytes() ||
        place.length_bytes > file->size_bytes() - place.offset_bytes) {
      bad(Check::BadPart,
          fmt::format("takes {} bytes, but the file ends at byte {}",
                      format_grouped(place.length_bytes), format_grouped(file->size_bytes())));
      return {};
    }
    const FileWindow window(file, place.offset_bytes, place.length_bytes);
    STKIT_ASSIGN(TorchFile torch, TorchFile::read(window, options_.max_header_bytes));
    findings = torch.take_findings();
    if (!torch.has_object()) return {};
    const PickleId root = torch.pickle().root();
    if (!torch.is_tensor(root)) {
      bad(Check::BadPart, "is no tensor");
      return {};
    }
    auto content = torch.tensor(root);
    if (!content) {
      bad(content.error().check, fmt::format("cannot be read: {}", content.error().message));
      return {};
    }
    content->offset_bytes += place.offset_bytes;
    std::vector<uint64_t> stored = content->shape;
    if (const auto values = info(content->dtype).block_elements; values > 1 && !stored.empty())
      stored.back() /= values;
    if (content->dtype != tensor.dtype || stored != place.size)
      bad(Check::BadPart,
          fmt::format("is {} [{}], but should be {} [{}]", name(content->dtype),
                      fmt::join(stored, ", "), name(tensor.dtype), fmt::join(place.size, ", ")));
    else
      chunk.content = std::move(*content);
    return {};
  }

  void join_chunks() {
    std::vector<std::optional<uint8_t>> swaps(tensors_.size());
    for (Chunk& chunk : chunks_) {
      BoxedTensor& boxes = tensors_[chunk.tensor].boxes;
      auto& swap = swaps[chunk.tensor];
      if (!swap) swap = chunk.content->swap_bytes;
      if (*swap != chunk.content->swap_bytes)
        return report(Check::BadPart, "chunks of one tensor have different byte orders",
                      tensors_[chunk.tensor].name);
      boxes.swap_bytes = *swap;
      boxes.boxes.push_back({places_[chunk.place->file], chunk.content->offset_bytes,
                             chunk.place->origin, chunk.place->size, chunk.content->strides});
    }
    for (AssembledTensor& tensor : tensors_)
      if (auto whole = settle_boxes(tensor.boxes); !whole)
        report(Check::IncompleteTensor,
               fmt::format("tensor {}: {}", quoted_name(tensor.name), whole.error()), tensor.name);
    take_assembled_tensors(std::move(tensors_), places_.empty() ? 0 : places_.front(), contents_);
  }

  const std::string prefix_;
  const OpenOptions& options_;
  std::vector<FolderEntry> listing_;
  std::string metadata_path_;
  DcpMetadata metadata_;
  std::vector<uint32_t> places_;  // of metadata_.files among the model's
  bool files_there_ = false;
  bool failed_ = false;
  std::vector<AssembledTensor> tensors_;
  std::vector<Chunk> chunks_;
  ModelContents contents_;
};

}  // namespace

Result<ModelContents> scan_dcp(std::shared_ptr<const Folder> folder, const std::string& prefix,
                               const OpenOptions& options) {
  return DcpScan(std::move(folder), prefix, options).run();
}

}  // namespace stkit
