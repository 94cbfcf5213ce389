#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

namespace stkit {

// The cores that the CPU quotas of a process allow, rounded up: the least over its control group
// and all groups around it. Nothing when none is set. `root` is where the kernel shows the groups
// (/sys/fs/cgroup), `self` the text of /proc/self/cgroup; versions 1 and 2 are understood.
std::optional<unsigned> cgroup_cores(const std::filesystem::path& root, std::string_view self);

}  // namespace stkit
