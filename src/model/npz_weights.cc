#include "model/npz_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "formats/finding_log.h"
#include "formats/npy_header.h"
#include "formats/safetensors_reader.h"
#include "formats/tensor_names.h"
#include "formats/torch_file.h"
#include "formats/zip_reader.h"
#include "model/listing.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr std::string_view kSuffix = ".npy";
// Of a pickle of objects, which is looked at only for what it names.
constexpr uint64_t kMaxPickleBytes = uint64_t{16} << 20;

// Where the bytes of one .npy file are.
struct Content {
  uint64_t offset_bytes = 0;  // in the file that they are read from
  uint64_t size_bytes = 0;
  std::shared_ptr<const RandomAccessFile> inflated;  // null: from the weight file itself
};

class NpzWeights {
 public:
  NpzWeights(const RandomAccessFile& file, uint32_t file_index, InflatedEntries::OpenArchive reopen,
             const OpenOptions& options)
      : file_(file),
        file_index_(file_index),
        max_directory_bytes_(options.max_header_bytes),
        inflated_(file.label(), std::move(reopen)),
        log_(file.label(), kMaxFindingsOfAKind) {}

  Result<WeightsHeader> read() {
    std::array<std::byte, 4> magic{};
    if (file_.size_bytes() >= magic.size()) STKIT_TRY(file_.read_at(0, magic));
    if (magic == std::array{std::byte{'P'}, std::byte{'K'}, std::byte{3}, std::byte{4}}) {
      STKIT_TRY(read_archive());
    } else {
      std::string_view name = base_name(file_.label());
      if (name.ends_with(kSuffix)) name.remove_suffix(kSuffix.size());
      STKIT_TRY(add(name, {0, file_.size_bytes(), nullptr}));
    }
    if (header_.tensors.empty() && complete_)
      log_.add(Check::NoArrays, {}, [] { return "the file holds no array of numbers"; });
    std::ranges::sort(header_.tensors, {}, [&](const TensorInfo& tensor) {
      return std::pair(tensor.offset_bytes, tensor.name);
    });
    header_.complete = complete_;
    std::ranges::move(log_.take(), std::back_inserter(header_.findings));
    return std::move(header_);
  }

 private:
  Result<void> read_archive() {
    STKIT_ASSIGN(ZipDirectory directory, read_zip_directory(file_, max_directory_bytes_));
    if (!directory.sound()) {
      complete_ = false;
      header_.findings = std::move(directory.findings);
      return {};
    }
    header_.header_bytes = file_.size_bytes() - directory.data_end;
    for (const ZipEntry& entry : directory.entries) STKIT_TRY(add_member(entry));
    return {};
  }

  Result<void> add_member(const ZipEntry& entry) {
    if (!entry.name.ends_with(kSuffix)) {
      skip(entry.name, "it is no .npy file");
      return {};
    }
    const std::string_view name = entry.name.substr(0, entry.name.size() - kSuffix.size());
    if (entry.method == ZipMethod::Stored)
      return add(name, {entry.data_offset, entry.size_bytes, nullptr});
    if (!InflatedEntries::is_possible_size(entry)) {
      report(Check::BadZip, name,
             fmt::format("{} compressed bytes cannot be {} bytes",
                         format_grouped(entry.stored_bytes), format_grouped(entry.size_bytes)));
      return {};
    }
    Content content{0, entry.size_bytes, inflated_.open(entry)};
    Result<void> added = add(name, content, entry.data_offset);
    if (added || added.error().code != ErrorCode::Corrupt) return added;
    report(Check::BadZip, name, added.error().message);
    return {};
  }

  // `place` orders compressed members among the others.
  Result<void> add(std::string_view name, const Content& content, uint64_t place = 0) {
    const RandomAccessFile& from = content.inflated == nullptr ? file_ : *content.inflated;
    const auto read_at = [&](uint64_t offset, std::span<std::byte> out) {
      return from.read_at(content.offset_bytes + offset, out);
    };
    STKIT_ASSIGN(NpyHeader array, read_npy_header(content.size_bytes, read_at));
    if (!array) {
      if (array.error().check == Check::NpySkipped) {
        skip(name, array.error().message);
        return {};
      }
      report(array.error().check, name, array.error().message);
      if (array.error().is_pickle)
        STKIT_TRY(list_globals(content.size_bytes, array.error().header_bytes, read_at));
      return {};
    }
    if (!is_utf8(name)) {
      report(Check::BadNpy, name, "its name is not UTF-8, as tensor names are");
      return {};
    }
    note(name, *array, content);
    add_tensor(name, *array, content, place);
    return {};
  }

  void note(std::string_view name, const NpyArray& array, const Content& content) {
    if (is_odd_tensor_name(name))
      log_.add(Check::OddTensorName, name,
               [&] { return fmt::format("tensor name {}", quoted_name(name)); });
    if (array.is_void)
      log_.add(Check::NpyVoid, name, [&] {
        return fmt::format("array {} has elements of two bytes without a type, taken for bfloat16",
                           quoted_name(name));
      });
    const uint64_t used = array.header_bytes + array.size_bytes;
    if (used < content.size_bytes)
      log_.add(Check::NpyTrailingBytes, name, [&] {
        return fmt::format("{} bytes follow the elements of array {}",
                           format_grouped(content.size_bytes - used), quoted_name(name));
      });
  }

  void add_tensor(std::string_view name, const NpyArray& array, const Content& content,
                  uint64_t place) {
    const DTypeInfo& type = info(array.dtype);
    const uint64_t offset = content.offset_bytes + array.header_bytes;
    BoxedTensor boxes = strided_tensor(content.inflated == nullptr ? file_index_ : 0, offset,
                                       array.shape, array.strides, type.block_bytes);
    boxes.swap_bytes = array.swap_bytes;
    if (content.inflated != nullptr) boxes.sources = {content.inflated};

    TensorInfo tensor;
    tensor.name = header_.storage.copy(name);
    tensor.shape = header_.storage.copy(std::span<const uint64_t>(array.shape));
    tensor.element_count = array.size_bytes / type.block_bytes;
    tensor.size_bytes = array.size_bytes;
    tensor.offset_bytes = content.inflated == nullptr ? offset : place;
    tensor.file = file_index_;
    tensor.dtype = array.dtype;
    tensor.contiguous = content.inflated == nullptr && is_contiguous(boxes);
    header_.header_bytes += array.header_bytes;
    if (!tensor.contiguous)
      header_.boxed.emplace(std::pair(file_index_, tensor.name), std::move(boxes));
    header_.tensors.push_back(tensor);
  }

  // What reading the objects with Python would call. Nothing of it is run.
  Result<void> list_globals(uint64_t content_bytes, uint64_t header_bytes, ReadAt read_at) {
    std::vector<std::byte> bytes(
        static_cast<size_t>(std::min(content_bytes - header_bytes, kMaxPickleBytes)));
    STKIT_TRY(read_at(header_bytes, bytes));
    report_globals(Pickle::read(bytes), file_.label(), header_.findings);
    return {};
  }

  void report(Check check, std::string_view name, const std::string& message) {
    complete_ = false;
    log_.add(check, name, [&] { return fmt::format("array {}: {}", quoted_name(name), message); });
  }
  void skip(std::string_view name, const std::string& message) {
    log_.add(Check::NpySkipped, name,
             [&] { return fmt::format("{} is left out: {}", quoted_name(name), message); });
  }

  const RandomAccessFile& file_;
  const uint32_t file_index_;
  const uint64_t max_directory_bytes_;
  const InflatedEntries inflated_;
  FindingLog log_;
  WeightsHeader header_;
  bool complete_ = true;
};

}  // namespace

Result<WeightsHeader> read_npz_weights(const RandomAccessFile& file, uint32_t file_index,
                                       InflatedEntries::OpenArchive reopen,
                                       const OpenOptions& options) {
  return NpzWeights(file, file_index, std::move(reopen), options).read();
}

}  // namespace stkit
