// How fast --stats is against what the same cores read from memory. The goal is 70 %.
//
//   bench_stats [MIB [RUNS [FOLDER]]]     default: 1024 5 and the system's folder for temporary
//   files
//
// Every round measures everything once, so that noise of a shared machine hits all alike. Rates are
// per second of wall time, and per second of CPU time, which other work on the machine disturbs
// less.
#include <fmt/format.h>
#include <hwy/aligned_allocator.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "bench/memory_read.h"
#include "kernels/simd_info.h"
#include "kernels/stats.h"
#include "stkit/inspect.h"
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
  std::vector<double> wall_rates, cpu_rates;  // GB/s; the latter of one core

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

void write_model(const std::filesystem::path& path, DType dtype, size_t bytes) {
  const size_t element_bytes = info(dtype).block_bytes;
  std::vector<std::byte> pattern(size_t{4} << 20);
  uint64_t state = 1;
  for (size_t i = 0; i < pattern.size(); ++i) {
    state = state * 6364136223846793005 + 1442695040888963407;
    pattern[i] = weight_byte(i, element_bytes, state >> 40);
  }
  std::ofstream out(path, std::ios::binary);
  const std::string header =
      fmt::format(R"({{"w":{{"dtype":"{}","shape":[{}],"data_offsets":[0,{}]}}}})", name(dtype),
                  bytes / element_bytes, bytes);
  const std::string head = test::safetensors_bytes(header, "");
  out.write(head.data(), static_cast<std::streamsize>(head.size()));
  for (size_t done = 0; done < bytes; done += pattern.size())
    out.write(reinterpret_cast<const char*>(pattern.data()),
              static_cast<std::streamsize>(std::min(pattern.size(), bytes - done)));
}

std::atomic<uint64_t> sink;

void read_all(std::span<const std::byte> memory, unsigned threads) {
  constexpr size_t kPiece = size_t{2} << 20;
  const auto read = [&](size_t i, unsigned) -> Result<void> {
    const auto rest = memory.subspan(i * kPiece);
    sink += bench::read_memory(rest.first(std::min(kPiece, rest.size())));
    return {};
  };
  if (!parallel_for((memory.size() + kPiece - 1) / kPiece, threads, nullptr, read)) std::abort();
}

void stats_of_file(const std::filesystem::path& path, unsigned threads) {
  const auto model = Model::open(path.string());
  if (!model) {
    fmt::print(stderr, "{}\n", model.error().message);
    std::exit(1);
  }
  const auto stats = tensor_stats(*model, model->tensors()[0], {.threads = threads});
  if (!stats || stats->nan + stats->inf > 0) std::abort();
  sink += stats->values;
}

void stats_in_cache(DType dtype, std::span<const std::byte> elements, size_t times) {
  for (size_t i = 0; i < times; ++i) sink += kernels::stats(dtype, elements).finite;
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
  std::memset(memory.get(), 1, bytes);
  std::vector<Measurement> all;
  for (const unsigned threads : {1u, 2u})
    all.push_back({"memory read",
                   threads,
                   static_cast<double>(bytes),
                   [&](unsigned n) { read_all({memory.get(), bytes}, n); },
                   {},
                   {}});
  std::vector<std::byte> cached(size_t{256} << 10);
  for (size_t i = 0; i < cached.size(); ++i)
    cached[i] = weight_byte(i, 2, i * 0x9E3779B97F4A7C15 >> 40);
  for (const DType dtype : {DType::BF16, DType::F16, DType::F32, DType::F8_E4M3, DType::F4,
                            DType::F6_E2M3, DType::I32, DType::F64})
    all.push_back({fmt::format("{} kernel, 256 KiB in cache", name(dtype)),
                   1,
                   static_cast<double>(cached.size() / 12 * 12 * 400),
                   [&cached, dtype](unsigned) {
                     stats_in_cache(dtype, std::span(cached).first(cached.size() / 24 * 24), 400);
                   },
                   {},
                   {}});
  for (const DType dtype : {DType::BF16, DType::F16, DType::F32, DType::F8_E4M3}) {
    const auto path = folder / (std::string(name(dtype)) + ".safetensors");
    write_model(path, dtype, bytes);
    for (const unsigned threads : {1u, 2u})
      all.push_back({fmt::format("{} file, page-cached", name(dtype)),
                     threads,
                     static_cast<double>(bytes),
                     [path](unsigned n) { stats_of_file(path, n); },
                     {},
                     {}});
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
  fmt::print("{:34} {:>7} {:>10} {:>10} {:>9} {:>14} {:>9}\n", "", "threads", "GB/s", "best",
             "of memory", "GB/s per core", "of memory");
  for (const Measurement& one : all) {
    const Measurement& base = all[one.threads - 1];
    fmt::print("{:34} {:7} {:10.2f} {:10.2f} {:8.0f}% {:14.2f} {:8.0f}%\n", one.name, one.threads,
               median(one.wall_rates), std::ranges::max(one.wall_rates),
               100 * median(one.wall_rates) / median(base.wall_rates), median(one.cpu_rates),
               100 * median(one.cpu_rates) / median(base.cpu_rates));
  }
}
