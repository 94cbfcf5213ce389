// A part of a file as a file of its own.
#pragma once

#include <memory>

#include "stkit/io.h"

namespace stkit {

// REQUIRES: the part lies inside `file`. It is labelled as the whole is.
class FileWindow final : public RandomAccessFile {
 public:
  FileWindow(std::shared_ptr<const RandomAccessFile> file, uint64_t offset_bytes,
             uint64_t size_bytes);

  const std::string& label() const override { return file_->label(); }
  uint64_t size_bytes() const override { return size_bytes_; }
  Result<void> read_at(uint64_t offset_bytes, std::span<std::byte> out) const override;

 private:
  const std::shared_ptr<const RandomAccessFile> file_;
  const uint64_t offset_bytes_;
  const uint64_t size_bytes_;
};

}  // namespace stkit
