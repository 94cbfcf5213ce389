#include "base/cores.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>

#include "stkit/progress.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream out;
  if (in) out << in.rdbuf();
  return std::move(out).str();
}

std::string_view take_until(std::string_view& text, char end) {
  const size_t length = std::min(text.find(end), text.size());
  const std::string_view taken = text.substr(0, length);
  text.remove_prefix(std::min(length + 1, text.size()));
  return taken;
}

std::optional<unsigned> quota_cores(std::string_view quota, std::string_view period) {
  int64_t quota_us = 0, period_us = 0;
  const auto number = [](std::string_view text, int64_t& value) {
    return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc{};
  };
  // "max" and -1 mean that there is no quota.
  if (!number(quota, quota_us) || !number(period, period_us)) return std::nullopt;
  if (quota_us <= 0 || period_us <= 0) return std::nullopt;
  const int64_t cores = quota_us / period_us + (quota_us % period_us != 0 ? 1 : 0);
  return static_cast<unsigned>(std::min<int64_t>(cores, 1 << 20));
}

std::optional<unsigned> quota_of_group(const fs::path& group, bool version_2) {
  if (!version_2)
    return quota_cores(text_of(group / "cpu.cfs_quota_us"), text_of(group / "cpu.cfs_period_us"));
  const std::string text = text_of(group / "cpu.max");
  std::string_view rest = text;
  const std::string_view quota = take_until(rest, ' ');
  return quota_cores(quota, rest);
}

// Where the kernel shows the hierarchy that has the CPU quotas. A container sees its own group as
// the root of the tree, although a version 1 `path` may name it from the outside: then the
// innermost folders do not exist, and the walk to the root finds what is there.
std::optional<unsigned> least_quota(const fs::path& mount, std::string_view path, bool version_2) {
  std::optional<unsigned> least;
  fs::path group = fs::path(path).relative_path();
  while (true) {
    if (const auto cores = quota_of_group(mount / group, version_2))
      least = std::min(least.value_or(*cores), *cores);
    if (group.empty()) return least;
    group = group.parent_path();
  }
}

bool lists_cpu(std::string_view controllers) {
  while (!controllers.empty())
    if (take_until(controllers, ',') == "cpu") return true;
  return false;
}

unsigned affinity_cores() {
  // The kernel refuses a mask smaller than its own, whose size it does not tell.
  for (size_t cpus = 1024; cpus <= 1024 * 1024; cpus *= 4) {
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(
        CPU_ALLOC(cpus), [](cpu_set_t* mask) { CPU_FREE(mask); });
    if (set == nullptr) break;
    const size_t bytes = CPU_ALLOC_SIZE(cpus);
    if (sched_getaffinity(0, bytes, set.get()) == 0)
      return static_cast<unsigned>(CPU_COUNT_S(bytes, set.get()));
  }
  return std::thread::hardware_concurrency();
}

}  // namespace

std::optional<unsigned> cgroup_cores(const fs::path& root, std::string_view self) {
  std::optional<unsigned> least;
  while (!self.empty()) {
    std::string_view line = take_until(self, '\n');
    const std::string_view hierarchy = take_until(line, ':');
    const std::string_view controllers = take_until(line, ':');
    const std::string_view path = line;
    const auto consider = [&](std::optional<unsigned> cores) {
      if (cores) least = std::min(least.value_or(*cores), *cores);
    };
    if (hierarchy == "0" && controllers.empty()) {
      consider(least_quota(root, path, true));
    } else if (lists_cpu(controllers)) {
      // Mounted under its full name, with a link for each controller, which may be missing.
      std::error_code ignored;
      const fs::path full = root / controllers;
      consider(least_quota(fs::exists(full, ignored) ? full : root / "cpu", path, false));
    }
  }
  return least;
}

unsigned usable_cores() {
  unsigned cores = affinity_cores();
  if (const auto quota = cgroup_cores("/sys/fs/cgroup", text_of("/proc/self/cgroup")))
    cores = std::min(cores, *quota);
  return std::max(cores, 1u);
}

}  // namespace stkit
