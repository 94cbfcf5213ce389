// A cursor over bytes of a file, little-endian. Errors stick: read all the fields, check once.
//
//   ByteReader in(bytes);
//   const uint32_t version = in.u32();
//   const std::string_view key = in.text(in.u64());
//   STKIT_TRY(in.status("GGUF header"));
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "stkit/error.h"

namespace stkit {

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  uint8_t u8() { return read<uint8_t>(); }
  uint16_t u16() { return read<uint16_t>(); }
  uint32_t u32() { return read<uint32_t>(); }
  uint64_t u64() { return read<uint64_t>(); }
  int32_t i32() { return read<int32_t>(); }
  int64_t i64() { return read<int64_t>(); }
  float f32() { return read<float>(); }
  double f64() { return read<double>(); }

  // A view into the input; empty once reading has failed. A length beyond the input fails before
  // anything is allocated.
  std::span<const std::byte> bytes(uint64_t count) {
    if (count > remaining()) {
      fail(count);
      return {};
    }
    const auto taken = bytes_.subspan(position_, static_cast<size_t>(count));
    position_ += static_cast<size_t>(count);
    return taken;
  }
  std::string_view text(uint64_t count) {
    const auto taken = bytes(count);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  void skip(uint64_t count) { bytes(count); }

  bool ok() const { return !failed_; }
  size_t position() const { return position_; }
  size_t remaining() const { return failed_ ? 0 : bytes_.size() - position_; }

  // Corrupt, saying where `what` ended too early, once any read has failed.
  Result<void> status(std::string_view what) const;

 private:
  template <class T>
  T read() {
    static_assert(std::endian::native == std::endian::little, "files here are little-endian");
    T value{};
    if (const auto taken = bytes(sizeof(T)); !taken.empty())
      std::memcpy(&value, taken.data(), sizeof(T));
    return value;
  }
  void fail(uint64_t wanted) {
    if (!failed_) wanted_ = wanted;
    failed_ = true;
  }

  std::span<const std::byte> bytes_;
  size_t position_ = 0;
  uint64_t wanted_ = 0;
  bool failed_ = false;
};

}  // namespace stkit
