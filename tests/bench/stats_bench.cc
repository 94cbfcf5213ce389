// How fast --stats is against what the same cores read from memory. The goal is 70 %.
//
//   bench_stats [MIB [RUNS [FOLDER]]]     default: 1024 5 and the system's folder for temporary
//   files
//
// Every round measures everything once, so that noise of a shared machine hits all alike. Rates are
// per second of wall time, and per second of CPU time, which other work on the machine disturbs
// less.
//
// A file cannot be read faster than the kernel hands it over. How fast that is depends on how it
// lies in the page cache: what large writes and read-ahead leave are large folios, which are mapped
// with a fault each; what small writes leave are single pages, each of which costs about as much as
// copying it. So each file is also read in the two ways there are, mapped and into a buffer that
// stays in the L2 cache, without computing statistics: the faster one is the bound.
#include <fcntl.h>
#include <fmt/format.h>
#include <hwy/aligned_allocator.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/function_ref.h"
#include "base/parallel.h"
#include "bench/memory_read.h"
#include "kernels/simd_info.h"
#include "kernels/stats.h"
#include "stkit/inspect.h"
#include "stkit/io.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace {

using namespace stkit;

struct Seconds {
  double wall = 0, cpu = 0;
};

Seconds now() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  const auto wall = std::chrono::steady_clock::now().time_since_epoch();
  return {std::chrono::duration<double>(wall).count(),
          seconds(usage.ru_utime) + seconds(usage.ru_stime)};
}

struct Measurement {
  std::string name;
  unsigned threads;
  double bytes;
  std::function<void(unsigned threads)> work;
  std::string file;               // of one name: what is measured on the same file
  bool computes_nothing = false;  // a bound of the others on its file
  std::vector<double> wall_rates = {}, cpu_rates = {};  // GB/s; the latter of one core

  void run() {
    const Seconds before = now();
    work(threads);
    const Seconds after = now();
    wall_rates.push_back(bytes / (after.wall - before.wall) / 1e9);
    cpu_rates.push_back(bytes / (after.cpu - before.cpu) / 1e9);
  }
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Finite values around zero, over a few binary orders, in any float format.
std::byte weight_byte(size_t index, size_t element_bytes, uint64_t random) {
  const bool top = index % element_bytes == element_bytes - 1;
  return static_cast<std::byte>(top ? (random & 0x81) | 0x3A : random & 0xFF);
}

[[noreturn]] void give_up(const std::string& why) {
  fmt::print(stderr, "{}\n", why);
  std::exit(1);
}

void fill_with_weights(std::span<std::byte> bytes, size_t element_bytes) {
  uint64_t state = 1;
  for (size_t i = 0; i < bytes.size(); ++i) {
    state = state * 6364136223846793005 + 1442695040888963407;
    bytes[i] = weight_byte(i, element_bytes, state >> 40);
  }
}

// The size of a write decides what the page cache holds: see above.
void write_model(const std::filesystem::path& path, DType dtype, size_t bytes, size_t write_bytes) {
  std::vector<std::byte> pattern(size_t{4} << 20);
  fill_with_weights(pattern, info(dtype).block_bytes);
  const int out = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const auto write = [out](const void* data, size_t size) {
    if (::write(out, data, size) != static_cast<ssize_t>(size))
      give_up("cannot write the file to measure");
  };
  // As long as a page, so that the pieces behind it lie on pages.
  constexpr size_t kHeaderBytes = 4096 - sizeof(uint64_t);
  std::string header = fmt::format(R"({{"w":{{"dtype":"{}","shape":[{}],"data_offsets":[0,{}]}}}})",
                                   name(dtype), bytes / info(dtype).block_bytes, bytes);
  header.resize(kHeaderBytes, ' ');
  const std::string head = test::safetensors_bytes(header, "");
  write(head.data(), head.size());
  for (size_t done = 0; done < bytes; done += write_bytes)
    write(&pattern[done % pattern.size()], std::min(write_bytes, bytes - done));
  ::close(out);
}

std::atomic<uint64_t> sink;

constexpr size_t kPiece = size_t{2} << 20;

// Calls use(offset, size) for all pieces, from so many threads.
void for_pieces(size_t bytes, unsigned threads, FunctionRef<void(size_t, size_t)> use) {
  const auto run = [&](size_t i, unsigned) -> Result<void> {
    use(i * kPiece, std::min(kPiece, bytes - i * kPiece));
    return {};
  };
  if (!parallel_for((bytes + kPiece - 1) / kPiece, threads, nullptr, run)) std::abort();
}

void read_all(std::span<const std::byte> memory, unsigned threads) {
  for_pieces(memory.size(), threads, [&](size_t offset, size_t size) {
    sink += bench::read_memory(memory.subspan(offset, size));
  });
}

std::unique_ptr<RandomAccessFile> opened(const std::filesystem::path& path) {
  auto file = open_local_file(path);
  if (!file) give_up(file.error().message);
  return std::move(*file);
}

void read_mapped(const std::filesystem::path& path, unsigned threads) {
  const auto file = opened(path);
  const auto mapped = file->mapped();
  for_pieces(mapped.size(), threads, [&](size_t offset, size_t size) {
    sink += bench::read_memory(mapped.subspan(offset, size));
    file->release_mapped(offset, size);
  });
}

void read_into_buffers(const std::filesystem::path& path, unsigned threads) {
  const auto file = opened(path);
  constexpr size_t kBufferBytes = size_t{256} << 10;
  for_pieces(file->size_bytes(), threads, [&](size_t offset, size_t size) {
    thread_local const auto buffer = hwy::AllocateAligned<std::byte>(kBufferBytes);
    for (size_t done = 0; done < size; done += kBufferBytes)
      if (!file->read_at(offset + done, {buffer.get(), std::min(kBufferBytes, size - done)}))
        std::abort();
  });
}

void stats_of_file(const std::filesystem::path& path, unsigned threads) {
  const auto model = Model::open(path.string());
  if (!model) give_up(model.error().message);
  const auto stats = tensor_stats(*model, model->tensors()[0], {.threads = threads});
  if (!stats || stats->nan + stats->inf > 0) std::abort();
  sink += stats->values;
}

void stats_in_memory(DType dtype, std::span<const std::byte> elements, size_t times) {
  for (size_t i = 0; i < times; ++i) sink += kernels::stats(dtype, elements).finite;
}

// "-" where there is nothing to compare with.
std::string percent(double rate, double base) {
  return base > 0 ? fmt::format("{:.0f}%", 100 * rate / base) : "-";
}

void print_table(std::span<const Measurement> all) {
  fmt::print("{:42} {:>7} {:>10} {:>10} {:>9} {:>14} {:>9} {:>11}\n", "", "threads", "GB/s", "best",
             "of memory", "GB/s per core", "of memory", "of its file");
  for (const Measurement& one : all) {
    const Measurement& memory = all[one.threads - 1];
    double bound = 0;  // what reading the file alone reaches
    for (const Measurement& other : all)
      if (other.computes_nothing && other.file == one.file && other.threads == one.threads)
        bound = std::max(bound, median(other.cpu_rates));
    const double wall = median(one.wall_rates), cpu = median(one.cpu_rates);
    fmt::print("{:42} {:7} {:10.2f} {:10.2f} {:>9} {:14.2f} {:>9} {:>11}\n", one.name, one.threads,
               wall, std::ranges::max(one.wall_rates), percent(wall, median(memory.wall_rates)),
               cpu, percent(cpu, median(memory.cpu_rates)), percent(cpu, bound));
  }
}

}  // namespace

int main(int count, char** arguments) {
  const auto argument = [&](int index, size_t otherwise) {
    return count > index ? std::strtoul(arguments[index], nullptr, 10) : otherwise;
  };
  const size_t bytes = argument(1, 1024) << 20;
  const size_t runs = std::max<size_t>(argument(2, 5), 1);
  if (count > 3) setenv("TMPDIR", arguments[3], 1);
  const test::TempDir folder;

  const auto memory = hwy::AllocateAligned<std::byte>(bytes);
  const std::span all_memory(memory.get(), bytes);
  fill_with_weights(all_memory.first(std::min(bytes, kPiece)), 2);
  for (size_t done = kPiece; done < bytes; done += kPiece)
    std::memcpy(&all_memory[done], memory.get(), std::min(kPiece, bytes - done));

  std::vector<Measurement> all;
  const auto add = [&](std::string name, unsigned threads, size_t size, auto work) -> Measurement& {
    return all.emplace_back(std::move(name), threads, static_cast<double>(size), std::move(work),
                            std::string());
  };
  for (const unsigned threads : {1u, 2u})
    add("memory read", threads, bytes, [&](unsigned n) { read_all(all_memory, n); });
  const auto cached = all_memory.first(std::min<size_t>(bytes, 256 << 10) / 24 * 24);
  for (const DType dtype : {DType::BF16, DType::F16, DType::F32, DType::F8_E4M3, DType::F4,
                            DType::F6_E2M3, DType::I32, DType::F64})
    add(fmt::format("{} kernel, 256 KiB in cache", name(dtype)), 1, cached.size() * 400,
        [cached, dtype](unsigned) { stats_in_memory(dtype, cached, 400); });
  constexpr DType kInFiles[] = {DType::BF16, DType::F16, DType::F32, DType::F8_E4M3};
  for (const DType dtype : kInFiles)
    add(fmt::format("{} kernel, memory", name(dtype)), 1, bytes,
        [&all_memory, dtype](unsigned) { stats_in_memory(dtype, all_memory, 1); });

  const auto add_file = [&](DType dtype, std::string_view pages, size_t write_bytes, bool bounds) {
    const std::string label = fmt::format("{}, {}", name(dtype), pages);
    const auto path = folder / fmt::format("{}-{}.safetensors", name(dtype), write_bytes);
    write_model(path, dtype, bytes, write_bytes);
    for (const unsigned threads : {1u, 2u}) {
      if (bounds) {
        for (const bool map : {false, true}) {
          Measurement& bound = add(
              fmt::format("{}: {} alone", label, map ? "mapped read" : "pread"), threads, bytes,
              [path, map](unsigned n) { map ? read_mapped(path, n) : read_into_buffers(path, n); });
          bound.file = pages;
          bound.computes_nothing = true;
        }
      }
      add(fmt::format("{}: --stats", label), threads, bytes, [path](unsigned n) {
        stats_of_file(path, n);
      }).file = pages;
    }
  };
  for (const DType dtype : kInFiles) {
    add_file(dtype, "large folios", size_t{4} << 20, dtype == DType::BF16);
    if (dtype == DType::BF16) add_file(dtype, "single pages", 4096, true);
  }

  for (Measurement& one : all) one.run();  // warms the caches
  for (Measurement& one : all) {
    one.wall_rates.clear();
    one.cpu_rates.clear();
  }
  for (size_t run = 0; run < runs; ++run)
    for (Measurement& one : all) one.run();

  fmt::print("{} MiB, median of {} rounds, SIMD target {}\n\n", bytes >> 20, runs,
             kernels::used_simd_target());
  print_table(all);
  fmt::print(
      "\n\"of its file\": of the faster way to read the file without computing, by CPU time\n");
}
