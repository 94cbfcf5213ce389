#include "base/cores.h"

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace stkit {
namespace {

using test::TempDir;
using test::write_file;

TEST(CgroupCores, Version2TakesTheLeastOfAllGroupsAround) {
  TempDir root;
  write_file(root / "a/cpu.max", "350000 100000\n");
  write_file(root / "a/b/cpu.max", "max 100000\n");
  write_file(root / "a/b/c/cpu.max", "800000 100000\n");
  EXPECT_EQ(cgroup_cores(root.path(), "0::/a/b/c\n"), 4u) << "3.5 cores are used by 4 threads";
  EXPECT_EQ(cgroup_cores(root.path(), "0::/x\n"), std::nullopt);
}

TEST(CgroupCores, Version2InsideAContainerIsTheRoot) {
  TempDir root;
  write_file(root / "cpu.max", "50000 100000\n");
  EXPECT_EQ(cgroup_cores(root.path(), "0::/\n"), 1u);
  EXPECT_EQ(cgroup_cores(root.path(), "0::/outer/name\n"), 1u);
}

TEST(CgroupCores, Version1) {
  TempDir root;
  write_file(root / "cpu,cpuacct/docker/x/cpu.cfs_quota_us", "200000\n");
  write_file(root / "cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000\n");
  write_file(root / "cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  write_file(root / "cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  const std::string_view self = "12:cpuset:/docker/x\n4:cpu,cpuacct:/docker/x\n0::/\n";
  EXPECT_EQ(cgroup_cores(root.path(), self), 2u);
}

TEST(CgroupCores, NonsenseIsNoQuota) {
  TempDir root;
  write_file(root / "cpu.max", "0 0\n");
  EXPECT_EQ(cgroup_cores(root.path(), "0::/\n"), std::nullopt);
  write_file(root / "cpu.max", "many few");
  EXPECT_EQ(cgroup_cores(root.path(), "0::/\n"), std::nullopt);
  EXPECT_EQ(cgroup_cores(root.path(), ""), std::nullopt);
  EXPECT_EQ(cgroup_cores(root.path(), "::::\n\n0"), std::nullopt);
}

}  // namespace
}  // namespace stkit
