// A cursor over the front of a file, little-endian, for headers whose length is not known before
// they have been read. It holds one window of the file, whatever the file claims about itself.
// Errors stick, as with ByteReader: read all the fields, check once.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/arena.h"
#include "stkit/error.h"
#include "stkit/io.h"

namespace stkit {

class FileCursor {
 public:
  // Bytes from `limit_bytes` on are as good as absent. `file` must outlive the cursor.
  FileCursor(const RandomAccessFile& file, uint64_t limit_bytes);

  enum class State : uint8_t {
    Ok,
    PastEnd,    // more bytes were asked for than the file has
    PastLimit,  // the file has them, but behind the limit
    Failed,     // see error(): the file could not be read, or did not fit into memory
  };
  State state() const { return state_; }
  bool ok() const { return state_ == State::Ok; }
  const Error& error() const { return error_; }
  // What was asked for when the state became PastEnd or PastLimit, as far as 64 bits hold it.
  uint64_t wanted_bytes() const { return wanted_; }

  uint64_t position() const { return position_; }
  uint64_t remaining() const { return end_ - position_; }
  uint64_t file_bytes() const { return file_.size_bytes(); }

  // Whether `count` items of at least `bytes_each` can follow; the state says so if not. To be
  // asked before anything is allocated for a count.
  bool expect(uint64_t count, uint64_t bytes_each);

  // 0 once anything has failed.
  template <class T>
    requires std::is_arithmetic_v<T>
  T number() {
    static_assert(std::endian::native == std::endian::little, "files here are little-endian");
    T value{};
    if (const auto bytes = take(sizeof(T)); !bytes.empty())
      std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  // Copies that live in `storage`; empty once anything has failed.
  std::span<const std::byte> bytes(uint64_t count, Arena& storage);
  std::string_view text(uint64_t count, Arena& storage) {
    const auto view = bytes(count, storage);
    return {reinterpret_cast<const char*>(view.data()), view.size()};
  }

  // Room for `count` items in `storage`, for the caller to fill; null when there is no memory.
  // REQUIRES: expect() has allowed as many.
  template <class T>
  T* room(uint64_t count, Arena& storage) {
    const auto size = static_cast<size_t>(count) * sizeof(T);
    std::unique_ptr<std::byte[]> memory(new (std::nothrow) std::byte[size]);
    if (memory == nullptr) {
      out_of_memory(size);
      return nullptr;
    }
    T* const items = reinterpret_cast<T*>(memory.get());
    std::uninitialized_value_construct_n(items, static_cast<size_t>(count));
    storage.adopt(std::move(memory));
    return items;
  }

 private:
  // What take() can give: the most that is copied through the window.
  static constexpr size_t kMaxTakeBytes = 64 * 1024;
  // The window grows, so that a long header over HTTP costs few requests and a short one little.
  static constexpr size_t kFirstWindowBytes = 256 * 1024;
  static constexpr size_t kMaxWindowBytes = 4 * 1024 * 1024;

  // The next bytes, valid until the next call. REQUIRES: count <= kMaxTakeBytes.
  std::span<const std::byte> take(size_t count);
  void read_window(size_t count);
  void read_into(std::span<std::byte> out);
  void stop(Error error);
  void out_of_memory(uint64_t bytes);

  const RandomAccessFile& file_;
  uint64_t end_;
  uint64_t position_ = 0;
  std::vector<std::byte> window_;
  uint64_t window_start_ = 0;
  State state_ = State::Ok;
  uint64_t wanted_ = 0;
  Error error_;
};

}  // namespace stkit
