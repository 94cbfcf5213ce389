#include "gguf_export/decoded_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "formats/finding_log.h"
#include "kernels/convert.h"
#include "kernels/decode.h"
#include "stkit/text.h"

namespace stkit::gguf_export {
namespace {

// Decoded at a time: stays in the L2 cache, and is whole blocks of every type.
constexpr uint64_t kPieceElements = 16'384;

bool is_block(DType dtype) { return info(dtype).kind == DTypeKind::GgmlBlock; }

class DecodedFile final : public RandomAccessFile {
 public:
  DecodedFile(const TensorInfo& tensor, float shift, OpenFile open)
      : label_(quoted_name(tensor.name)),
        elements_(tensor.element_count),
        offset_bytes_(tensor.offset_bytes),
        dtype_(tensor.dtype),
        shift_(shift),
        open_(std::move(open)) {}

  const std::string& label() const override { return label_; }
  uint64_t size_bytes() const override { return elements_ * sizeof(float); }

  Result<void> read_at(uint64_t offset_bytes, std::span<std::byte> out) const override {
    if (offset_bytes > size_bytes() || out.size() > size_bytes() - offset_bytes)
      return fail(ErrorCode::Corrupt,
                  fmt::format("tensor {} has no {} bytes at byte {}", label_,
                              format_grouped(out.size()), format_grouped(offset_bytes)));
    STKIT_ASSIGN(const std::shared_ptr<const RandomAccessFile> file, open_());
    std::vector<std::byte> stored;
    std::vector<float> values;
    while (!out.empty()) {
      const uint64_t block = info(dtype_).block_elements;
      const uint64_t first = offset_bytes / sizeof(float) / block * block;
      const uint64_t skipped = offset_bytes - first * sizeof(float);
      const uint64_t wanted = (skipped + out.size() + sizeof(float) - 1) / sizeof(float);
      const uint64_t count =
          std::min({(wanted + block - 1) / block * block, kPieceElements, elements_ - first});
      STKIT_TRY(decode(*file, first, count, stored, values));
      const auto bytes = std::as_bytes(std::span(values)).subspan(static_cast<size_t>(skipped));
      const size_t taken = std::min(bytes.size(), out.size());
      std::memcpy(out.data(), bytes.data(), taken);
      out = out.subspan(taken);
      offset_bytes += taken;
    }
    return {};
  }

 private:
  Result<void> decode(const RandomAccessFile& file, uint64_t first, uint64_t count,
                      std::vector<std::byte>& stored, std::vector<float>& values) const {
    STKIT_ASSIGN(const uint64_t before, storage_bytes(dtype_, first));
    STKIT_ASSIGN(const uint64_t bytes, storage_bytes(dtype_, count));
    stored.resize(static_cast<size_t>(bytes));
    values.resize(static_cast<size_t>(count));
    STKIT_TRY(file.read_at(offset_bytes_ + before, stored));
    if (is_block(dtype_))
      kernels::decode_blocks(dtype_, stored, values);
    else
      kernels::to_float(dtype_, stored, values);
    if (shift_ != 0)
      for (float& value : values) value += shift_;
    return {};
  }

  const std::string label_;
  const uint64_t elements_;
  const uint64_t offset_bytes_;
  const DType dtype_;
  const float shift_;
  const OpenFile open_;
};

}  // namespace

Result<std::shared_ptr<const RandomAccessFile>> open_decoded(const TensorInfo& tensor, float shift,
                                                             OpenFile open) {
  if (is_block(tensor.dtype) && !kernels::is_decoded(tensor.dtype))
    return fail(ErrorCode::Unsupported,
                fmt::format("tensor {} is of {}, whose blocks cannot be decoded",
                            quoted_name(tensor.name), name(tensor.dtype)),
                "start from the model that it was made of");
  return std::make_shared<DecodedFile>(tensor, shift, std::move(open));
}

}  // namespace stkit::gguf_export
