#include "base/digest.h"

#include <gtest/gtest.h>

#include <utility>

namespace stkit {
namespace {

std::string digest_of(DigestKind kind, std::string_view text) {
  Digest digest(kind);
  digest.update(text);
  return digest.hex();
}

// The examples of FIPS 180.
TEST(Digest, KnownAnswers) {
  EXPECT_EQ(digest_of(DigestKind::Sha256, ""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest_of(DigestKind::Sha256, "abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest_of(DigestKind::Sha1, "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

TEST(Digest, PiecesMakeTheWhole) {
  Digest pieces;
  for (const char c : std::string_view("abc")) pieces.update(std::string_view(&c, 1));
  pieces.update(std::string_view());
  Digest moved = std::move(pieces);
  EXPECT_EQ(moved.hex(), digest_of(DigestKind::Sha256, "abc"));
}

}  // namespace
}  // namespace stkit
