// Storage for a million small strings and arrays that live and die together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace stkit {

// Views into it stay valid until it is destroyed, also when it is moved.
class Arena {
 public:
  std::string_view copy(std::string_view text) {
    if (text.empty()) return {};
    char* place = static_cast<char*>(take(text.size(), 1));
    std::memcpy(place, text.data(), text.size());
    return {place, text.size()};
  }

  template <class T>
    requires std::is_trivially_copyable_v<T>
  std::span<const T> copy(std::span<const T> items) {
    if (items.empty()) return {};
    T* place = static_cast<T*>(take(items.size_bytes(), alignof(T)));
    std::memcpy(place, items.data(), items.size_bytes());
    return {place, items.size()};
  }

  // Keeps `memory`, which views point into already, for as long as the rest.
  void adopt(std::unique_ptr<std::byte[]> memory) { adopted_.push_back(std::move(memory)); }

 private:
  // Large enough that a model of a million tensors takes few of them, small enough not to show in
  // a model of ten.
  static constexpr size_t kChunkBytes = 64 * 1024;

  void* take(size_t bytes, size_t alignment) {
    used_ = (used_ + alignment - 1) / alignment * alignment;
    if (chunks_.empty() || used_ + bytes > capacity_) {
      capacity_ = std::max(bytes, kChunkBytes);
      chunks_.push_back(std::make_unique_for_overwrite<std::byte[]>(capacity_));
      used_ = 0;
    }
    void* place = chunks_.back().get() + used_;
    used_ += bytes;
    return place;
  }

  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  std::vector<std::unique_ptr<std::byte[]>> adopted_;
  size_t capacity_ = 0;
  size_t used_ = 0;
};

}  // namespace stkit
