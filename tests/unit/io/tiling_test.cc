#include "io/tiling.h"

#include <gtest/gtest.h>

#include <vector>

namespace stkit {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kTiB = uint64_t{1} << 40;

class NoProducer final : public BlockProducer {
 public:
  Result<void> produce(uint64_t, std::span<std::byte>) override { return {}; }
};
NoProducer no_producer;

class Segments {
 public:
  void add(uint64_t size, decltype(Segment::content) content = Segment::Zeros{}) {
    segments_.push_back({size_, size, content});
    size_ += size;
  }
  void add_produced(uint64_t blocks, uint64_t block_bytes) {
    add(blocks * block_bytes, Segment::ProducedBytes{&no_producer, block_bytes});
  }
  const std::vector<Segment>& all() const { return segments_; }
  uint64_t size() const { return size_; }

 private:
  std::vector<Segment> segments_;
  uint64_t size_ = 0;
};

// The tiles follow each other, know their first segment, and cut no piece.
void expect_sound(const Segments& segments, uint64_t tile_bytes) {
  const Tiling tiling(segments.all(), segments.size(), tile_bytes);
  const uint64_t behind = total(segments.all(), segments.size()).largest_piece_bytes;
  uint64_t end = 0;
  for (size_t i = 0; i < tiling.count(); ++i) {
    const Tiling::Tile tile = tiling.tile(i);
    ASSERT_EQ(tile.begin, end);
    ASSERT_LE(tile.begin, tile.end);
    ASSERT_LE(tile.end - tile.begin, tile_bytes + behind);
    end = tile.end;
    if (tile.begin == tile.end) continue;
    const Segment& first = segments.all().at(tile.first_segment);
    ASSERT_LE(first.offset_bytes, tile.begin);
    ASSERT_LT(tile.begin, first.offset_bytes + first.size_bytes);
    if (const auto* produced = std::get_if<Segment::ProducedBytes>(&first.content))
      ASSERT_EQ((tile.begin - first.offset_bytes) % produced_piece_bytes(*produced), 0u);
    else
      ASSERT_EQ(tile.begin % tile_bytes, 0u);
  }
  EXPECT_EQ(end, segments.size());
}

TEST(Tiling, FollowsThePieces) {
  Segments segments;
  segments.add(0);
  segments.add(12'345);
  segments.add_produced(50'000, 144);
  segments.add_produced(0, 18);
  segments.add(0);
  segments.add(3 * kMiB + 1);
  segments.add_produced(3, 5 * kMiB);  // pieces larger than tiles
  segments.add_produced(9, 1);
  segments.add(77);
  for (const uint64_t tile : {kMiB / 16, kMiB / 4, kMiB, 8 * kMiB, 64 * kMiB})
    expect_sound(segments, tile);
}

TEST(Tiling, OfNothing) {
  EXPECT_EQ(Tiling({}, 0, kMiB).count(), 0u);
  Segments segments;
  segments.add(0);
  EXPECT_EQ(Tiling(segments.all(), 0, kMiB).count(), 0u);
}

// Neither costs memory, nor more time than a look at the tiles that are asked for.
TEST(Tiling, ATerabyteAndAMillionSegments) {
  Segments terabyte;
  terabyte.add(4 * kTiB + 1);
  const Tiling tiling(terabyte.all(), terabyte.size(), kMiB / 4);
  ASSERT_EQ(tiling.count(), (16 << 20) + 1u);
  EXPECT_EQ(tiling.tile(tiling.count() - 1).begin, 4 * kTiB);
  EXPECT_EQ(tiling.tile(tiling.count() - 1).end, 4 * kTiB + 1);

  Segments many;
  for (uint64_t i = 0; i < 1'000'000; ++i) {
    if (i % 3 == 0)
      many.add_produced(i % 7, 18);
    else
      many.add(i % 50);
  }
  expect_sound(many, kMiB / 4);
}

}  // namespace
}  // namespace stkit
