// SHA-256 and SHA-1 with the CPU's instructions. The only user of OpenSSL's hashing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace stkit {

enum class DigestKind : uint8_t { Sha256, Sha1 };

// Not thread-safe.
class Digest {
 public:
  explicit Digest(DigestKind kind = DigestKind::Sha256);
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  ~Digest();

  void update(std::span<const std::byte> data);
  void update(std::string_view text) { update(std::as_bytes(std::span(text))); }
  // Lower-case hex. Nothing may be called afterwards.
  std::string hex();

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace stkit
