#include "model/sharded_safetensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/checked_math.h"
#include "base/json_reader.h"
#include "base/parallel.h"
#include "formats/finding_log.h"
#include "formats/safetensors_reader.h"
#include "model/assembled.h"
#include "model/box_coverage.h"
#include "model/listing.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr std::string_view kNames = "shard-[0-9]*-model-[0-9]*-of-[0-9]*.safetensors";
constexpr std::string_view kPlaces = "DCP_SHARDING_INFO";
constexpr std::string_view kOrigin = "saved_offsets";

bool is_shard(const FolderEntry& entry) {
  return entry.kind == EntryKind::File && glob_match(kNames, base_name(entry.name));
}

// Where the parts in one file begin in their tensors.
using Origins = std::map<std::string, std::vector<uint64_t>, std::less<>>;

Result<Origins> parse_origins(std::string_view text) {
  STKIT_ASSIGN(const JsonValue root, JsonValue::parse(text));
  Origins origins;
  for (const auto& [name, place] : root.members()) {
    const JsonValue* const offsets = place.find(kOrigin);
    if (offsets == nullptr || offsets->type() != JsonType::Array)
      return fail(ErrorCode::Corrupt,
                  fmt::format("it has no {} of {}", kOrigin, quoted_name(name)));
    std::vector<uint64_t> origin;
    for (const JsonValue& offset : offsets->elements()) {
      const auto number = offset.as_uint();
      if (!number)
        return fail(ErrorCode::Corrupt,
                    fmt::format("the {} of {} are no numbers", kOrigin, quoted_name(name)));
      origin.push_back(*number);
    }
    origins.insert_or_assign(name, std::move(origin));
  }
  return origins;
}

class ShardsScan {
 public:
  ShardsScan(std::shared_ptr<const Folder> folder, std::string prefix, const OpenOptions& options)
      : prefix_(std::move(prefix)), options_(options) {
    contents_.folder = std::move(folder);
    contents_.format = FileFormat::Dcp;
  }

  Result<ModelContents> run() {
    STKIT_TRY(list_files());
    STKIT_TRY(read_headers());
    for (size_t i = 0; i < headers_.size(); ++i) take_header(i);
    if (!failed_) join_parts();
    return std::move(contents_);
  }

 private:
  void report(Check check, size_t shard, std::string message, std::string_view tensor = {}) {
    failed_ = failed_ || info(check).severity == Severity::Error;
    contents_.findings.push_back({.check = check,
                                  .path = contents_.files[places_[shard]].path,
                                  .tensor = std::string(tensor),
                                  .message = std::move(message)});
  }

  Result<void> list_files() {
    const Folder& folder = *contents_.folder;
    STKIT_ASSIGN(const std::vector<FolderEntry> listing,
                 folder.list(without_slash(std::string_view(prefix_))));
    std::vector<FolderEntry> weights;
    std::ranges::copy_if(listing, std::back_inserter(weights), is_shard);
    STKIT_ASSIGN(const std::vector<FolderEntry> beside, folder.list());
    list_assembled_files(weights, beside, contents_);
    for (const FolderEntry& entry : weights)
      places_.push_back(assembled_file(contents_, entry.name));
    return {};
  }

  Result<void> read_headers() {
    headers_.resize(places_.size());
    const unsigned readers = std::max(thread_count({}), contents_.folder->useful_readers());
    return parallel_for(places_.size(), readers, nullptr, [&](size_t i, unsigned) -> Result<void> {
      STKIT_ASSIGN(const auto file, contents_.pool->open(places_[i]));
      STKIT_ASSIGN(headers_[i],
                   read_safetensors_header(*file, options_.max_header_bytes, places_[i]));
      return {};
    });
  }

  void take_header(size_t shard) {
    SafetensorsHeader& header = headers_[shard];
    contents_.files[places_[shard]].header_bytes = header.header_bytes;
    failed_ = failed_ || !header.sound();
    std::ranges::move(header.findings, std::back_inserter(contents_.findings));
    const auto text =
        std::ranges::find(header.metadata, kPlaces, &std::pair<std::string, std::string>::first);
    if (text == header.metadata.end())
      return report(Check::BadDcpMetadata, shard,
                    fmt::format("the metadata lacks {}, which gives each part its place", kPlaces));
    const Result<Origins> origins = parse_origins(text->second);
    if (!origins)
      return report(Check::BadDcpMetadata, shard,
                    fmt::format("{}: {}", kPlaces, origins.error().message));
    for (const TensorInfo& part : header.tensors) add_part(shard, part, *origins);
    for (auto& [key, value] : header.metadata)
      if (!key.starts_with("DCP_")) contents_.metadata.emplace(std::move(key), std::move(value));
  }

  void add_part(size_t shard, const TensorInfo& part, const Origins& origins) {
    const auto found = origins.find(part.name);
    if (found == origins.end() || found->second.size() != part.shape.size())
      return report(Check::BadDcpMetadata, shard,
                    fmt::format("{} gives no place to {}", kPlaces, quoted_name(part.name)),
                    part.name);
    const std::vector<uint64_t>& origin = found->second;
    const auto [place, added] = known_.emplace(std::string(part.name), tensors_.size());
    if (added) {
      tensors_.push_back({std::string(part.name), part.dtype, {}, {}});
      tensors_.back().shape.resize(part.shape.size());
    }
    AssembledTensor& tensor = tensors_[place->second];
    if (part.dtype != tensor.dtype || part.shape.size() != tensor.shape.size())
      return report(Check::BadPart, shard,
                    fmt::format("the part of {} is {} with {} dimensions, others are {} with {}",
                                quoted_name(part.name), name(part.dtype), part.shape.size(),
                                name(tensor.dtype), tensor.shape.size()),
                    part.name);
    if (info(part.dtype).block_elements > 1)
      return report(
          Check::UnsupportedPart, shard,
          fmt::format("the part of {} is of packed {}", quoted_name(part.name), name(part.dtype)),
          part.name);
    TensorBox box{.file = places_[shard], .offset_bytes = part.offset_bytes, .origin = origin};
    box.size.assign(part.shape.begin(), part.shape.end());
    box.strides.resize(part.shape.size());
    uint64_t step = 1;
    for (size_t i = part.shape.size(); i-- > 0; step *= std::max<uint64_t>(part.shape[i], 1)) {
      box.strides[i] = step;
      const auto end = checked_add(origin[i], part.shape[i]);
      if (!end)
        return report(Check::BadDcpMetadata, shard,
                      fmt::format("the place of {} is beyond 2^64", quoted_name(part.name)),
                      part.name);
      tensor.shape[i] = std::max(tensor.shape[i], *end);
    }
    tensor.boxes.boxes.push_back(std::move(box));
  }

  // How large the whole is, only its parts tell.
  void join_parts() {
    for (AssembledTensor& tensor : tensors_) {
      tensor.boxes.shape = tensor.shape;
      tensor.boxes.unit_bytes = info(tensor.dtype).block_bytes;
      const auto fault = !element_count(tensor.shape)
                             ? std::unexpected(std::string("its shape is too large"))
                             : settle_boxes(tensor.boxes);
      if (fault) continue;
      contents_.findings.push_back(
          {.check = Check::IncompleteTensor,
           .path = contents_.folder->path_of(prefix_),
           .tensor = tensor.name,
           .message = fmt::format("tensor {}: {}", quoted_name(tensor.name), fault.error())});
    }
    take_assembled_tensors(std::move(tensors_), places_.front(), contents_);
  }

  const std::string prefix_;
  const OpenOptions& options_;
  std::vector<uint32_t> places_;  // of the shards among the model's files
  std::vector<SafetensorsHeader> headers_;
  std::map<std::string, size_t> known_;
  std::vector<AssembledTensor> tensors_;
  bool failed_ = false;
  ModelContents contents_;
};

}  // namespace

bool has_sharded_safetensors(std::span<const FolderEntry> listing) {
  return std::ranges::any_of(listing, is_shard);
}

Result<ModelContents> scan_sharded_safetensors(std::shared_ptr<const Folder> folder,
                                               const std::string& prefix,
                                               const OpenOptions& options) {
  return ShardsScan(std::move(folder), prefix, options).run();
}

}  // namespace stkit
