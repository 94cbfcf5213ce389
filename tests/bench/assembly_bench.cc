// How fast an output is assembled from shards, in each mode, against `cat shards > out`.
//
//   bench_assembly [MIB [ROUNDS [FOLDER [SHIFT]]]]    default: 2048 5, the system's folder for
//   temporary files, 1000
//
// The output is a header of SHIFT bytes, then all of four shards: with 4096 its blocks lie as those
// of the shards, else every byte moves. Every round runs everything once, so that noise of a shared
// machine hits all alike. Without the rights to drop the page cache, what is cold is left out.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "io/assembly.h"
#include "support/temp_dir.h"

namespace {

using namespace stkit;

constexpr size_t kShards = 4;

class Shards {
 public:
  Shards(const std::filesystem::path& folder, size_t bytes, size_t shift)
      : folder_(folder), shard_bytes_(bytes / kShards), header_(shift) {
    std::vector<char> pattern(size_t{8} << 20);
    uint64_t state = 1;
    for (char& byte : pattern) {
      state = state * 6364136223846793005 + 1442695040888963407;
      byte = static_cast<char>(state >> 56);
    }
    for (size_t i = 0; i < kShards; ++i) {
      std::ofstream out(path(i), std::ios::binary);
      for (size_t done = 0; done < shard_bytes_; done += pattern.size())
        out.write(pattern.data(),
                  static_cast<std::streamsize>(std::min(pattern.size(), shard_bytes_ - done)));
    }
    segments_.push_back({0, shift, Segment::MemoryBytes{header_.data()}});
    for (uint32_t i = 0; i < kShards; ++i)
      segments_.push_back({shift + i * shard_bytes_, shard_bytes_, Segment::FileBytes{i, 0}});
  }

  std::filesystem::path path(size_t i) const { return folder_ / fmt::format("shard-{}", i); }
  std::filesystem::path output() const { return folder_ / "out"; }

  IoMode assemble_all(IoMode mode, bool sync, unsigned threads) const {
    const auto open = [&](uint32_t i) -> Result<std::shared_ptr<const RandomAccessFile>> {
      return open_local_file(path(i), Access::Read);
    };
    const auto made = [&]() -> Result<AssemblyReport> {
      STKIT_ASSIGN(const auto out,
                   AtomicOutput::create(SystemCalls::real(), output(),
                                        header_.size() + kShards * shard_bytes_, {.sync = sync}));
      STKIT_ASSIGN(const auto report,
                   assemble(*out, segments_, {open, mode, {.threads = threads}}));
      STKIT_TRY(out->commit());
      return report;
    }();
    if (made) return made->mode;
    fmt::print(stderr, "{}: {}\n", made.error().path, made.error().message);
    std::exit(1);
  }

  void cat(bool sync) const {
    std::string command = "cat";
    for (size_t i = 0; i < kShards; ++i) command += fmt::format(" '{}'", path(i).string());
    command += fmt::format(" > '{}'", output().string());
    if (std::system(command.c_str()) != 0) std::exit(1);
    if (!sync) return;
    const int file = ::open(output().c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0 || ::fsync(file) != 0) std::exit(1);
    ::close(file);
  }

  void read_all() const {
    std::vector<char> buffer(size_t{1} << 20);
    for (size_t i = 0; i < kShards; ++i) {
      std::ifstream in(path(i), std::ios::binary);
      while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()))) {
      }
    }
  }

 private:
  const std::filesystem::path folder_;
  const size_t shard_bytes_;
  const std::vector<std::byte> header_;
  std::vector<Segment> segments_;
};

struct Method {
  std::string name;
  std::function<void()> work;
  std::vector<double> wall = {}, cpu = {};
};

double now(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double cpu_seconds() {
  double sum = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage;
    getrusage(who, &usage);
    for (const timeval& time : {usage.ru_utime, usage.ru_stime})
      sum += static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  }
  return sum;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

bool drop_caches() {
  ::sync();
  std::ofstream out("/proc/sys/vm/drop_caches");
  return static_cast<bool>(out << "3\n" << std::flush);
}

void compare(const Shards& shards, bool cold, bool sync, size_t rounds) {
  std::vector<Method> methods;
  methods.push_back({"cat", [&] { shards.cat(sync); }});
  const auto add = [&](std::string name, IoMode mode, unsigned threads) {
    methods.push_back({std::move(name), [&shards, mode, sync, threads] {
                         shards.assemble_all(mode, sync, threads);
                       }});
  };
  add("auto", IoMode::Auto, 0);
  add("buffered", IoMode::Buffered, 2);
  add("buffered, 1 thread", IoMode::Buffered, 1);
  if (cold || sync) {
    add("direct", IoMode::Direct, 2);
    add("direct, 4 threads", IoMode::Direct, 4);
  }
  for (size_t round = 0; round <= rounds; ++round)  // the first warms up
    for (size_t turn = 0; turn < methods.size(); ++turn) {
      // What ran before leaves its traces in memory, so each has another before it every time.
      Method& method =
          methods[(turn * (round % 2 == 0 ? 1 : methods.size() - 1) + round) % methods.size()];
      std::filesystem::remove(shards.output());
      if (cold && !drop_caches()) return;
      if (!cold) shards.read_all();
      ::sync();
      const double wall = now(CLOCK_MONOTONIC);
      const double cpu = cpu_seconds();
      method.work();
      if (round == 0) continue;
      method.wall.push_back(now(CLOCK_MONOTONIC) - wall);
      method.cpu.push_back(cpu_seconds() - cpu);
    }
  fmt::print("\n{}, {}\n{:22} {:>8} {:>8} {:>8} {:>8}\n", cold ? "cold" : "page-cached",
             sync ? "synced" : "not synced", "", "seconds", "best", "CPU", "of cat");
  for (const Method& one : methods)
    fmt::print("{:22} {:8.2f} {:8.2f} {:8.2f} {:8.2f}\n", one.name, median(one.wall),
               std::ranges::min(one.wall), median(one.cpu),
               median(one.wall) / median(methods.front().wall));
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
  const auto argument = [&](int index, size_t otherwise) {
    return count > index ? std::strtoul(arguments[index], nullptr, 10) : otherwise;
  };
  const size_t bytes = argument(1, 2048) << 20;
  const size_t rounds = std::max<size_t>(argument(2, 5), 1);
  if (count > 3) setenv("TMPDIR", arguments[3], 1);
  const test::TempDir folder;
  const Shards shards(folder.path(), bytes, argument(4, 1000));
  fmt::print("{} MiB in {} shards, median of {} rounds\n", bytes >> 20, kShards, rounds);
  for (const bool cold : {false, true})
    for (const bool sync : {false, true}) compare(shards, cold, sync, rounds);
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  fmt::print("\npeak memory {} MiB\n", usage.ru_maxrss >> 10);
}
