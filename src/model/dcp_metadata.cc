#include "model/dcp_metadata.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <utility>

#include "base/utf8.h"
#include "formats/finding_log.h"
#include "formats/safetensors_reader.h"
#include "formats/torch_file.h"
#include "io/safe_name.h"
#include "stkit/text.h"

namespace stkit {
namespace {

using Sizes = std::vector<uint64_t>;

class MetadataReader {
 public:
  MetadataReader(std::span<const std::byte> bytes, const std::string& path)
      : p_(Pickle::read(bytes)), path_(path), log_(path, kMaxFindingsOfAKind) {}

  DcpMetadata read() {
    report_globals(p_, path_, metadata_.findings);
    if (!p_.status())
      log_.add(p_.status().error().code == ErrorCode::OutOfMemory ? Check::PickleTooLarge
                                                                  : Check::BadPickle,
               {}, [&] { return p_.status().error().message; });
    else
      read_root();
    std::ranges::move(log_.take(), std::back_inserter(metadata_.findings));
    return std::move(metadata_);
  }

 private:
  struct Stored {
    uint32_t file;
    uint64_t offset_bytes, length_bytes;
  };

  template <class... Parts>
  void bad(std::string_view tensor, fmt::format_string<Parts...> format, Parts&&... parts) {
    complete_ = false;
    log_.add(Check::BadDcpMetadata, tensor,
             [&] { return fmt::format(format, std::forward<Parts>(parts)...); });
  }

  // An attribute of an object that a dataclass was pickled as.
  std::optional<PickleId> field(PickleId object, std::string_view name) const {
    if (!p_.is(object, PickleKind::Call)) return std::nullopt;
    const auto state = p_.state(object);
    const auto found = state ? p_.find(*state, name) : std::nullopt;
    return found && !p_.is(*found, PickleKind::None) ? found : std::nullopt;
  }

  std::span<const PickleId> dict_of(std::string_view name) const {
    const auto found = field(p_.root(), name);
    return found && p_.is(*found, PickleKind::Dict) ? p_.children(*found)
                                                    : std::span<const PickleId>();
  }

  std::optional<Sizes> sizes(std::optional<PickleId> id) const {
    if (!id || !p_.is(*id, PickleKind::Tuple)) return std::nullopt;
    Sizes numbers;
    for (const PickleId child : p_.children(*id)) {
      const auto number = p_.unsigned_integer(child);
      if (!number) return std::nullopt;
      numbers.push_back(*number);
    }
    return numbers;
  }

  void read_root() {
    if (!field(p_.root(), "state_dict_metadata") || !field(p_.root(), "storage_data")) {
      bad({}, "the pickle is no Metadata object with state_dict_metadata and storage_data");
      return;
    }
    read_paths();
    read_storage();
    const auto entries = dict_of("state_dict_metadata");
    for (size_t i = 0; i + 1 < entries.size(); i += 2) read_entry(entries[i], entries[i + 1]);
    metadata_.usable = complete_;
  }

  // Writers of their own leave it out or put something else there.
  void read_paths() {
    const auto entries = dict_of("planner_data");
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      if (!p_.is(entries[i], PickleKind::String) || !p_.is(entries[i + 1], PickleKind::Tuple))
        continue;
      std::vector<std::string> path;
      for (const PickleId part : p_.children(entries[i + 1]))
        path.push_back(p_.is(part, PickleKind::Int) ? fmt::format("{}", p_.integer(part))
                                                    : std::string(p_.text(part)));
      if (!path.empty()) paths_.insert_or_assign(p_.text(entries[i]), std::move(path));
    }
  }

  void read_storage() {
    const auto entries = dict_of("storage_data");
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      const PickleId key = entries[i], value = entries[i + 1];
      const auto name = field(key, "fqn");
      const auto file = field(value, "relative_path");
      const auto offset = field(value, "offset"), length = field(value, "length");
      const bool sound = name && file && offset && length && p_.unsigned_integer(*offset) &&
                         p_.unsigned_integer(*length) && p_.is(*name, PickleKind::String) &&
                         p_.is(*file, PickleKind::String);
      if (!sound) {
        bad({}, "entry {} of storage_data is malformed", i / 2);
        continue;
      }
      if (const auto transforms = field(value, "transform_descriptors");
          transforms && !p_.children(*transforms).empty()) {
        complete_ = false;
        log_.add(Check::UnsupportedPart, p_.text(*name), [&] {
          return fmt::format("{} is stored transformed (compressed or encrypted)",
                             quoted_name(p_.text(*name)));
        });
        continue;
      }
      const std::optional<uint32_t> place = file_of(p_.text(*file));
      if (!place) continue;
      storage_.insert_or_assign(
          std::pair(p_.text(*name), sizes(field(key, "offset")).value_or(Sizes())),
          Stored{*place, *p_.unsigned_integer(*offset), *p_.unsigned_integer(*length)});
    }
  }

  std::optional<uint32_t> file_of(std::string_view name) {
    const auto known = files_.find(name);
    if (known != files_.end()) return known->second;
    if (!check_relative_name(name)) {
      bad({}, "the file name {} leads out of the folder", quoted_name(name));
      return std::nullopt;
    }
    const auto place = static_cast<uint32_t>(metadata_.files.size());
    metadata_.files.emplace_back(name);
    files_.emplace(name, place);
    return place;
  }

  void read_entry(PickleId key, PickleId value) {
    const std::string_view name = p_.text(key);
    if (!p_.is(key, PickleKind::String) || name.empty() || !is_utf8(name))
      return bad({}, "a name in state_dict_metadata is no text");
    const auto known = paths_.find(name);
    std::vector<std::string> path =
        known == paths_.end() ? std::vector{std::string(name)} : known->second;
    const PickleGlobal* const kind = p_.called(value);
    if (kind != nullptr && kind->name == "BytesStorageMetadata") {
      metadata_.objects.push_back(std::move(path));
      return;
    }
    DcpTensor tensor{.name = std::string(name), .path = std::move(path)};
    const auto shape = sizes(field(value, "size"));
    const auto chunks = field(value, "chunks");
    if (!shape || !element_count(*shape) || !chunks || !p_.is(*chunks, PickleKind::List))
      return bad(name, "tensor {} has no size and chunks", quoted_name(name));
    tensor.shape = *shape;
    read_type(value, tensor);
    for (const PickleId chunk : p_.children(*chunks))
      if (!read_chunk(chunk, tensor)) return;
    metadata_.tensors.push_back(std::move(tensor));
  }

  // TensorProperties keeps a tuple instead of attributes: dtype, layout, requires_grad, ...
  void read_type(PickleId value, DcpTensor& tensor) const {
    const auto properties = field(value, "properties");
    const auto state =
        properties && p_.is(*properties, PickleKind::Call) ? p_.state(*properties) : std::nullopt;
    const auto parts = state ? p_.children(*state) : std::span<const PickleId>();
    if (parts.empty() || !p_.is(parts[0], PickleKind::Global)) return;
    tensor.type_name = p_.global(parts[0]).full_name();
    tensor.type = find_torch_dtype(p_.global(parts[0]).name);
  }

  bool read_chunk(PickleId id, DcpTensor& tensor) {
    const auto origin = sizes(field(id, "offsets")), size = sizes(field(id, "sizes"));
    const size_t rank = tensor.shape.size();
    if (!origin || !size || origin->size() != rank || size->size() != rank) {
      bad(tensor.name, "a chunk of tensor {} has no place in it", quoted_name(tensor.name));
      return false;
    }
    DcpChunk chunk{.origin = *origin, .size = *size};
    const auto stored = storage_.find({tensor.name, *origin});
    if (stored == storage_.end()) {
      bad(tensor.name, "a chunk of tensor {} is stored in no file", quoted_name(tensor.name));
      return false;
    }
    chunk.file = stored->second.file;
    chunk.offset_bytes = stored->second.offset_bytes;
    chunk.length_bytes = stored->second.length_bytes;
    tensor.chunks.push_back(std::move(chunk));
    return true;
  }

  const Pickle p_;
  const std::string& path_;
  FindingLog log_;
  DcpMetadata metadata_;
  bool complete_ = true;
  std::map<std::string_view, std::vector<std::string>> paths_;
  std::map<std::pair<std::string_view, Sizes>, Stored> storage_;
  std::map<std::string_view, uint32_t> files_;
};

}  // namespace

DcpMetadata read_dcp_metadata(std::span<const std::byte> pickle, const std::string& path) {
  return MetadataReader(pickle, path).read();
}

}  // namespace stkit
