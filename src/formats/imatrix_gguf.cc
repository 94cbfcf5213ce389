#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "formats/gguf_reader.h"
#include "formats/imatrix_forms.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr std::string_view kSums = ".in_sum2";
constexpr std::string_view kCounts = ".counts";

// Two tensors a weight: that of a model of 10,000 weights has 2 MB.
constexpr uint64_t kMaxHeaderBytes = 64 << 20;

// The two tensors of one weight.
struct Pair {
  const TensorInfo* sums = nullptr;
  const TensorInfo* counts = nullptr;
};

std::unexpected<Error> corrupt(const RandomAccessFile& file, std::string message) {
  return fail(ErrorCode::Corrupt, std::move(message),
              "compute the importance matrix again with llama-imatrix", file.label());
}

Result<void> check_kind(const RandomAccessFile& file, const GgufHeader& header) {
  const auto kind = as_string(header.find("general.type"));
  if (kind && *kind != "imatrix")
    return fail(
        ErrorCode::Corrupt,
        fmt::format("the file is GGUF of type {}, not an importance matrix", quoted_name(*kind)),
        "name the file that llama-imatrix wrote", file.label());
  for (const std::string_view key :
       {"imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"})
    if (header.find(key) == nullptr) return corrupt(file, fmt::format("the file has no {}", key));
  return {};
}

Result<std::map<std::string_view, Pair>> pair_up(const RandomAccessFile& file,
                                                 const GgufHeader& header) {
  std::map<std::string_view, Pair> pairs;
  for (const TensorInfo& tensor : header.tensors) {
    std::string_view weight = tensor.name;
    const bool is_sums = weight.ends_with(kSums);
    if (!is_sums && !weight.ends_with(kCounts)) continue;  // newer tools may store more
    weight.remove_suffix(is_sums ? kSums.size() : kCounts.size());
    if (tensor.dtype != DType::F32)
      return corrupt(file, fmt::format("tensor {} is of type {}, not F32", quoted_name(tensor.name),
                                       name(tensor.dtype)));
    (is_sums ? pairs[weight].sums : pairs[weight].counts) = &tensor;
  }
  for (const auto& [weight, pair] : pairs)
    if (pair.sums == nullptr || pair.counts == nullptr)
      return corrupt(file, fmt::format("weight {} has {} but no {}", quoted_name(weight),
                                       pair.sums != nullptr ? kSums : kCounts,
                                       pair.sums != nullptr ? kCounts : kSums));
  if (pairs.empty()) return corrupt(file, "the importance matrix has no entries");
  return pairs;
}

Result<std::span<float>> read_floats(const RandomAccessFile& file, const TensorInfo& tensor,
                                     Arena& storage) {
  const auto bytes = static_cast<size_t>(tensor.size_bytes);
  std::unique_ptr<std::byte[]> memory(new (std::nothrow) std::byte[bytes]);
  if (memory == nullptr)
    return fail(ErrorCode::OutOfMemory,
                fmt::format("no memory for the {} bytes of tensor {}", format_grouped(bytes),
                            quoted_name(tensor.name)),
                {}, file.label());
  STKIT_TRY(file.read_at(tensor.offset_bytes, std::span(memory.get(), bytes)));
  const std::span floats(reinterpret_cast<float*>(memory.get()), bytes / sizeof(float));
  storage.adopt(std::move(memory));
  return floats;
}

// Turns sums into means.
Result<ImatrixEntry> read_entry(const RandomAccessFile& file, std::string_view weight,
                                const Pair& pair, Imatrix& imatrix, FindingLog& log) {
  const uint64_t columns = pair.sums->shape.back();
  const uint64_t matrices = pair.sums->element_count / columns;
  if (pair.counts->element_count != matrices)
    return corrupt(
        file, fmt::format("weight {} has sums of {} matrices but counts of {}", quoted_name(weight),
                          format_grouped(matrices), format_grouped(pair.counts->element_count)));
  STKIT_ASSIGN(const std::span<float> sums, read_floats(file, *pair.sums, imatrix.storage));
  Arena scratch;
  STKIT_ASSIGN(const std::span<float> counts, read_floats(file, *pair.counts, scratch));
  uint64_t unseen = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    const auto row = sums.subspan(i * static_cast<size_t>(columns), static_cast<size_t>(columns));
    if (counts[i] > 0) {
      for (float& value : row) value /= counts[i];
    } else {
      ++unseen;
      std::ranges::fill(row, 1.0f);
    }
  }
  if (unseen > 0)
    log.add(Check::ImatrixUnseen, weight, [&] {
      return fmt::format("{} of {} matrices of {} were never used", format_grouped(unseen),
                         format_grouped(matrices), quoted_name(weight));
    });
  return ImatrixEntry{imatrix.storage.copy(weight), sums, matrices};
}

}  // namespace

Result<void> read_gguf_imatrix(const RandomAccessFile& file, Imatrix& imatrix, FindingLog& log) {
  STKIT_ASSIGN(const GgufHeader header, read_gguf_header(file, kMaxHeaderBytes));
  for (const Finding& finding : header.findings)
    if (finding.severity() == Severity::Error) return fail(to_error(finding));
  STKIT_TRY(check_kind(file, header));
  STKIT_ASSIGN(const auto pairs, pair_up(file, header));
  imatrix.entries.reserve(pairs.size());
  for (const auto& [weight, pair] : pairs) {
    STKIT_ASSIGN(const ImatrixEntry entry, read_entry(file, weight, pair, imatrix, log));
    imatrix.entries.push_back(entry);
  }
  if (const auto* const datasets = as_array(header.find("imatrix.datasets"), GgufType::String))
    for (const std::string_view dataset : datasets->strings)
      imatrix.datasets.push_back(imatrix.storage.copy(dataset));
  imatrix.chunk_count = as_uint(header.find("imatrix.chunk_count")).value_or(0);
  imatrix.chunk_size = as_uint(header.find("imatrix.chunk_size")).value_or(0);
  return {};
}

}  // namespace stkit
