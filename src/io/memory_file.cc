#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "stkit/io.h"
#include "stkit/text.h"

namespace stkit {
namespace {

class MemoryFile final : public RandomAccessFile {
 public:
  MemoryFile(std::string label, std::span<const std::byte> data)
      : label_(std::move(label)), data_(data) {}

  const std::string& label() const override { return label_; }
  uint64_t size_bytes() const override { return data_.size(); }
  std::span<const std::byte> mapped() const override { return data_; }

  Result<void> read_at(uint64_t offset_bytes, std::span<std::byte> out) const override {
    if (offset_bytes > data_.size() || out.size() > data_.size() - offset_bytes)
      return fail(ErrorCode::Corrupt,
                  fmt::format("{} bytes are needed at byte {}, but the file holds {}",
                              format_grouped(out.size()), format_grouped(offset_bytes),
                              format_grouped(data_.size())),
                  "the file is truncated; copy or download it again", label_);
    if (!out.empty())
      std::memcpy(out.data(), data_.data() + static_cast<size_t>(offset_bytes), out.size());
    return {};
  }

 private:
  const std::string label_;
  const std::span<const std::byte> data_;
};

}  // namespace

std::unique_ptr<RandomAccessFile> open_memory_file(std::string label,
                                                   std::span<const std::byte> data) {
  return std::make_unique<MemoryFile>(std::move(label), data);
}

}  // namespace stkit
