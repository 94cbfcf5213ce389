// Outputs made of segments of all kinds, and what they must hold.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "io/assembly.h"
#include "io/atomic_output.h"
#include "io/local_file.h"
#include "io/tiling.h"
#include "support/temp_dir.h"

namespace stkit::test {

inline std::string random_bytes(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint64_t> words(size / 8 + 1);
  std::ranges::generate(words, random);
  return {reinterpret_cast<const char*>(words.data()), size};
}

// Remembers in which pieces it was asked for its bytes.
class RecordingProducer final : public BlockProducer {
 public:
  RecordingProducer(std::string bytes, uint64_t block_bytes)
      : bytes_(std::move(bytes)), block_bytes_(block_bytes) {}

  const std::string& bytes() const { return bytes_; }

  Result<void> produce(uint64_t first_block, std::span<std::byte> out) override {
    const auto piece =
        std::as_bytes(std::span(bytes_)).subspan(first_block * block_bytes_, out.size());
    std::memcpy(out.data(), piece.data(), out.size());
    const std::lock_guard lock(mutex_);
    pieces_.emplace_back(first_block, out.size());
    return {};
  }

  // Since the last time, by place.
  std::vector<std::pair<uint64_t, size_t>> take_pieces() {
    std::ranges::sort(pieces_);
    return std::exchange(pieces_, {});
  }

 private:
  const std::string bytes_;
  const uint64_t block_bytes_;
  std::mutex mutex_;
  std::vector<std::pair<uint64_t, size_t>> pieces_;
};

class AssemblyCase {
 public:
  explicit AssemblyCase(SystemCalls& calls = SystemCalls::real()) : calls_(calls) {}

  void add_source(std::string bytes) {
    const auto path = dir_ / fmt::format("source-{}", sources_.size());
    write_file(path, bytes);
    sources_.push_back(open_local_file(calls_, path, Access::Read).value());
    source_bytes_.push_back(std::move(bytes));
  }
  // One that has no descriptor.
  void add_memory_source(std::string bytes) {
    source_bytes_.push_back(std::move(bytes));
    sources_.push_back(open_memory_file("memory", std::as_bytes(std::span(source_bytes_.back()))));
  }

  void add_copy(uint32_t source, uint64_t offset, uint64_t size, uint32_t item = 0) {
    add(size, Segment::FileBytes{source, offset}, item);
    if (offset + size <= source_bytes_[source].size())
      expected_ += source_bytes_[source].substr(offset, size);
  }
  void add_memory(std::string bytes, uint32_t item = 0) {
    const std::string& kept = memory_.emplace_back(std::move(bytes));
    expected_ += kept;
    add(kept.size(), Segment::MemoryBytes{reinterpret_cast<const std::byte*>(kept.data())}, item);
  }
  void add_zeros(uint64_t size, uint32_t item = 0) {
    expected_.append(size, '\0');
    add(size, Segment::Zeros{}, item);
  }
  void add_produced(uint64_t blocks, uint64_t block_bytes, uint32_t item = 0) {
    const uint64_t seed = 1000 + producers_.size();
    RecordingProducer& producer =
        producers_.emplace_back(random_bytes(blocks * block_bytes, seed), block_bytes);
    expected_ += producer.bytes();
    add(blocks * block_bytes, Segment::ProducedBytes{&producer, block_bytes}, item);
  }

  Result<AssemblyReport> run(IoMode mode, const RunOptions& run, bool sync = false) {
    STKIT_ASSIGN(const auto output, AtomicOutput::create(calls_, output_path(), size_,
                                                         {.overwrite = true, .sync = sync}));
    STKIT_ASSIGN(const AssemblyReport report, assemble(*output, segments_, options(mode, run)));
    STKIT_TRY(output->commit());
    return report;
  }

  AssemblyOptions options(IoMode mode, const RunOptions& run) { return {open_file_, mode, run}; }

  const std::vector<Segment>& segments() const { return segments_; }
  const std::string& expected() const { return expected_; }
  uint64_t size() const { return size_; }
  std::filesystem::path output_path() const { return dir_ / "output"; }
  // At once: read_file() takes a second for what these outputs hold.
  std::string output() const {
    std::string bytes(std::filesystem::file_size(output_path()), '\0');
    std::ifstream(output_path(), std::ios::binary)
        .read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return bytes;
  }
  const TempDir& dir() const { return dir_; }

  std::vector<std::vector<std::pair<uint64_t, size_t>>> take_pieces() {
    std::vector<std::vector<std::pair<uint64_t, size_t>>> all;
    for (RecordingProducer& producer : producers_) all.push_back(producer.take_pieces());
    return all;
  }

 private:
  void add(uint64_t size, decltype(Segment::content) content, uint32_t item) {
    segments_.push_back({size_, size, content, item});
    size_ += size;
  }

  Result<std::shared_ptr<const RandomAccessFile>> open(uint32_t file) { return sources_.at(file); }

  struct Open {
    AssemblyCase* self;
    auto operator()(uint32_t file) const { return self->open(file); }
  };

  SystemCalls& calls_;
  TempDir dir_;
  std::vector<std::shared_ptr<const RandomAccessFile>> sources_;
  std::deque<std::string> source_bytes_;
  std::deque<std::string> memory_;
  std::deque<RecordingProducer> producers_;
  std::vector<Segment> segments_;
  std::string expected_;
  uint64_t size_ = 0;
  Open open_file_{this};
};

// All kinds mixed, from nothing to several tiles, at offsets without any alignment.
inline void add_random_segments(AssemblyCase& one, uint64_t seed, size_t count) {
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t bound) { return random() % bound; };
  constexpr uint64_t kSourceBytes = 1'500'003;
  for (uint32_t i = 0; i < 3; ++i) one.add_source(random_bytes(kSourceBytes, seed * 3 + i));
  one.add_memory_source(random_bytes(kSourceBytes, seed));
  constexpr uint64_t kSizes[] = {0, 1, 300, 4096, 70'000, 400'000, 1'400'000};
  constexpr uint64_t kBlocks[] = {1, 18, 144, 4096, 2'000'000};
  for (size_t i = 0; i < count; ++i) {
    const uint64_t size = below(kSizes[below(std::size(kSizes))] + 1);
    const auto item = static_cast<uint32_t>(below(3));
    switch (below(6)) {
      case 0: one.add_zeros(size % 100'000, item); break;
      case 1: one.add_memory(random_bytes(size % 100'000, i), item); break;
      case 2: {
        const uint64_t block = kBlocks[below(std::size(kBlocks))];
        one.add_produced(block > 1'000'000 ? below(2) : size / block, block, item);
        break;
      }
      default:
        one.add_copy(static_cast<uint32_t>(below(4)), below(kSourceBytes - size + 1), size, item);
    }
  }
}

}  // namespace stkit::test
