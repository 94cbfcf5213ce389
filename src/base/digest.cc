#include "base/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <iterator>
#include <new>

#include "base/check.h"

namespace stkit {

struct Digest::Rep {
  EVP_MD_CTX* context = EVP_MD_CTX_new();

  Rep() {
    if (context == nullptr) throw std::bad_alloc();
  }
  Rep(const Rep&) = delete;
  Rep& operator=(const Rep&) = delete;
  ~Rep() { EVP_MD_CTX_free(context); }
};

Digest::Digest(DigestKind kind) : rep_(std::make_unique<Rep>()) {
  const EVP_MD* algorithm = kind == DigestKind::Sha256 ? EVP_sha256() : EVP_sha1();
  STKIT_CHECK(EVP_DigestInit_ex(rep_->context, algorithm, nullptr) == 1);
}

Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;
Digest::~Digest() = default;

void Digest::update(std::span<const std::byte> data) {
  STKIT_CHECK(EVP_DigestUpdate(rep_->context, data.data(), data.size()) == 1);
}

std::string Digest::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned length = 0;
  STKIT_CHECK(EVP_DigestFinal_ex(rep_->context, digest.data(), &length) == 1);
  std::string text;
  for (unsigned i = 0; i < length; ++i)
    fmt::format_to(std::back_inserter(text), "{:02x}", digest[i]);
  return text;
}

}  // namespace stkit
