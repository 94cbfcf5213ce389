#include "formats/inflate.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

#include "stkit/text.h"

namespace stkit {

uint32_t crc32_of(std::span<const std::byte> bytes, uint32_t crc) {
  return static_cast<uint32_t>(
      crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

uint32_t joined_crc32(uint32_t first, uint32_t second, uint64_t second_bytes) {
  return static_cast<uint32_t>(
      crc32_combine64(first, second, static_cast<z_off64_t>(second_bytes)));
}

struct Inflater::State {
  State(const RandomAccessFile& the_file, uint64_t offset, uint64_t bytes)
      : file(the_file), next(offset), end(offset + bytes) {}
  ~State() {
    if (started) inflateEnd(&stream);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  std::unexpected<Error> corrupt(std::string message) const {
    return fail(ErrorCode::Corrupt, std::move(message), {}, file.label());
  }

  Result<void> start() {
    if (started) return {};
    input.resize(kInputBytes);
    // Negative: neither zlib's nor gzip's frame around the data.
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
      return fail(ErrorCode::OutOfMemory, "no memory to decompress with", {}, file.label());
    started = true;
    return {};
  }

  Result<void> refill() {
    const auto chunk =
        std::span(input).first(static_cast<size_t>(std::min<uint64_t>(end - next, input.size())));
    STKIT_TRY(file.read_at(next, chunk));
    next += chunk.size();
    stream.next_in = reinterpret_cast<Bytef*>(input.data());
    stream.avail_in = static_cast<uInt>(chunk.size());
    return {};
  }

  static constexpr size_t kInputBytes = size_t{64} << 10;

  const RandomAccessFile& file;
  uint64_t next;
  const uint64_t end;
  uint64_t produced = 0;
  std::vector<std::byte> input;
  z_stream stream{};
  bool started = false;
  bool ended = false;
};

Inflater::Inflater(const RandomAccessFile& file, uint64_t offset_bytes, uint64_t compressed_bytes)
    : state_(std::make_unique<State>(file, offset_bytes, compressed_bytes)) {}
Inflater::Inflater(Inflater&&) noexcept = default;
Inflater::~Inflater() = default;

uint64_t Inflater::position() const { return state_->produced; }

Result<void> Inflater::read(std::span<std::byte> out) {
  State& s = *state_;
  STKIT_TRY(s.start());
  while (!out.empty()) {
    if (s.ended)
      return s.corrupt(fmt::format("compressed data ends after {} bytes, {} more are needed",
                                   format_grouped(s.produced), format_grouped(out.size())));
    if (s.stream.avail_in == 0 && s.next < s.end) STKIT_TRY(s.refill());
    const size_t wanted = std::min<size_t>(out.size(), std::numeric_limits<uInt>::max());
    s.stream.next_out = reinterpret_cast<Bytef*>(out.data());
    s.stream.avail_out = static_cast<uInt>(wanted);
    const int status = inflate(&s.stream, Z_NO_FLUSH);
    const size_t made = wanted - s.stream.avail_out;
    s.produced += made;
    out = out.subspan(made);
    if (status == Z_STREAM_END) {
      s.ended = true;
    } else if (status == Z_MEM_ERROR) {
      return fail(ErrorCode::OutOfMemory, "no memory to decompress with", {}, s.file.label());
    } else if (status != Z_OK) {
      return s.corrupt(fmt::format("compressed data is damaged after {} bytes: {}",
                                   format_grouped(s.produced),
                                   s.stream.msg == nullptr ? "it ends too early" : s.stream.msg));
    }
  }
  return {};
}

Result<void> Inflater::expect_end() {
  State& s = *state_;
  STKIT_TRY(s.start());
  // The end may take one more step, which has room for a byte that must not come.
  std::array<std::byte, 1> surplus;
  while (!s.ended) {
    if (s.stream.avail_in == 0 && s.next < s.end) STKIT_TRY(s.refill());
    s.stream.next_out = reinterpret_cast<Bytef*>(surplus.data());
    s.stream.avail_out = surplus.size();
    const int status = inflate(&s.stream, Z_NO_FLUSH);
    if (s.stream.avail_out == 0)
      return s.corrupt(fmt::format("compressed data holds more than the {} bytes that it should",
                                   format_grouped(s.produced)));
    if (status == Z_STREAM_END)
      s.ended = true;
    else if (status != Z_OK)
      return s.corrupt("compressed data is damaged at its end");
  }
  if (s.stream.avail_in != 0 || s.next < s.end)
    return s.corrupt(fmt::format("{} bytes follow the end of compressed data",
                                 format_grouped(s.stream.avail_in + (s.end - s.next))));
  return {};
}

}  // namespace stkit
