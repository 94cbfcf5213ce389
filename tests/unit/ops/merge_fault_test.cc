// Every call to the operating system on the way of a merge fails once.
#include <fmt/format.h>
#include <sys/statvfs.h>

#include <atomic>
#include <functional>

#include "merge_support.h"
#include "ops/merge/work.h"
#include "unit/io/faulty_calls.h"

namespace stkit {
namespace {

using namespace test;
namespace fs = std::filesystem;

using Files = std::map<std::string, std::string>;

struct Variant {
  std::string_view name;
  MergeOptions options;
  bool replaces;  // an older output of the same names
};

const Variant kVariants[] = {
    {"one file", {.sync = true}, false},
    {"one file, verified, in place of another", {.verify = true, .overwrite = true}, true},
    {"shards", {.max_shard_bytes = 40}, false},
    {"shards in place of others", {.max_shard_bytes = 40, .overwrite = true}, true},
    {"cast", {.dtype = DType::BF16}, false},
};

ModelBuilder model() {
  return ModelBuilder()
      .tensor("a", DType::F32, {10})
      .tensor("b", DType::F32, {5})
      .metadata("format", "pt")
      .config(R"({"dtype":"float32"})");
}

class Faults {
 public:
  explicit Faults(const Variant& variant) : variant_(variant) {
    model().shards(2).write(dir_ / "in");
    TempDir clean;
    must_merge(dir_ / "in", clean / "out", {.options = unsynced(variant.options)});
    expected_ = files_below(clean / "out");
  }

  // Lets `prepare` break the system, merges, and checks what is left. False once nothing failed.
  // With `rerun` the same merge must then succeed.
  bool survives(const std::function<void(FaultyCalls&)>& prepare, bool rerun = true) {
    const fs::path out = dir_ / "out";
    fs::remove_all(out);
    if (variant_.replaces)
      for (const auto& [name, content] : expected_) write_file(out / name, "old " + name);
    const Files before = files_below(out);

    const auto plan = MergePlan::make((dir_ / "in").string(), out.string(), variant_.options);
    EXPECT_TRUE(plan) << plan.error().message;
    FaultyCalls calls;
    prepare(calls);
    const auto report = run_merge(calls, MergeAccess::work(*plan), {.threads = 1});
    if (calls.failed_call().empty() && report) return false;

    SCOPED_TRACE(fmt::format("{}, call {}", variant_.name, calls.failed_call()));
    const Files after = files_below(out);
    if (report) {
      EXPECT_TRUE(after == expected_ || calls.failed_call() == "unlink");
    } else {
      expect_whole_or_old(before, after, calls.failed_call());
      EXPECT_EQ(info(report.error().code).exit_code, 7) << report.error().message;
      EXPECT_FALSE(report.error().path.empty());
    }
    if (rerun) must_merge_again(out);
    return true;
  }

 private:
  // For the runs on the real system: nobody pulls the plug, and hundreds of syncs take minutes.
  static MergeOptions unsynced(MergeOptions options) {
    options.sync = false;
    return options;
  }

  // A folder of its own is gone with all in it; of what was replaced each file is whole.
  void expect_whole_or_old(const Files& before, const Files& after, std::string_view call) {
    if (!variant_.replaces) {
      EXPECT_TRUE(!fs::exists(dir_ / "out") || call == "unlink") << after.begin()->first;
      return;
    }
    for (const auto& [name, content] : after) {
      if (call == "unlink" && name.find(".stkit") != std::string::npos) continue;
      ASSERT_TRUE(before.contains(name)) << name;
      EXPECT_TRUE(content == before.at(name) || content == expected_.at(name)) << name;
    }
    EXPECT_EQ(after.size() >= before.size(), true);
  }

  void must_merge_again(const fs::path& out) {
    MergeOptions options = unsynced(variant_.options);
    options.overwrite = true;
    must_merge(dir_ / "in", out, {.options = options});
    EXPECT_TRUE(files_below(out) == expected_);
  }

  const Variant& variant_;
  TempDir dir_;
  Files expected_;
};

// T38, T39, T40
TEST(MergeFaults, EveryCallMayFailOnce) {
  for (const Variant& variant : kVariants) {
    Faults faults(variant);
    for (const int number : {ENOSPC, EIO}) {
      int k = 1;
      while (faults.survives([&](FaultyCalls& calls) { calls.fail_at(k, number); }, number == EIO))
        ++k;
      EXPECT_GT(k, 30) << "calls on the way of a merge";
    }
  }
}

// T38: the disk fills up, and says so at the first write or only when space is reserved.
TEST(MergeFaults, AFullDisk) {
  for (const Variant& variant : kVariants) {
    Faults faults(variant);
    EXPECT_TRUE(faults.survives([](FaultyCalls& calls) { calls.always_fail("allocate", ENOSPC); }));
    EXPECT_TRUE(faults.survives([](FaultyCalls& calls) {
      calls.always_fail("allocate", EOPNOTSUPP);
      calls.always_fail("pwrite", ENOSPC);
    }));
  }
}

class SmallDisk final : public SystemCalls {
 public:
  int statvfs(int file, struct ::statvfs& info) override {
    const int result = SystemCalls::statvfs(file, info);
    info.f_bavail = 1, info.f_frsize = 150;
    return result;
  }
};

// T38: each of the shards would fit, but not all.
TEST(MergeFaults, AllFilesHaveToFit) {
  TempDir dir;
  model().write(dir / "in");
  const auto plan = MergePlan::make((dir / "in").string(), (dir / "out").string(),
                                    {.max_shard_bytes = 40, .sync = false});
  ASSERT_TRUE(plan);
  SmallDisk calls;
  const auto refused = run_merge(calls, MergeAccess::work(*plan), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::NoSpace);
  EXPECT_NE(
      refused.error().message.find(fmt::format("({} bytes) are needed", plan->output_bytes())),
      std::string::npos)
      << refused.error().message;
  EXPECT_NE(refused.error().message.find("150 B (150 bytes) are free"), std::string::npos);
  EXPECT_FALSE(fs::exists(dir / "out"));
}

// Only what is written needs room: on a filesystem that shares blocks that may be very little.
class SharingDisk final : public SystemCalls {
 public:
  explicit SharingDisk(bool may_share) : may_share_(may_share) {}
  bool may_share_blocks(int) override { return may_share_; }
  int statvfs(int file, struct ::statvfs& info) override {
    const int result = SystemCalls::statvfs(file, info);
    info.f_bavail = 40, info.f_frsize = info.f_bsize = 4096;
    return result;
  }
  int clone_range(int from, off_t from_offset, off_t size, int to, off_t to_offset) override {
    std::vector<std::byte> bytes(static_cast<size_t>(size));
    EXPECT_EQ(SystemCalls::pread(from, bytes, from_offset), size);
    EXPECT_EQ(SystemCalls::pwrite(to, bytes, to_offset), size);
    return 0;
  }

 private:
  const bool may_share_;
};

TEST(MergeFaults, SharedBlocksNeedNoRoom) {
  TempDir dir;
  ModelBuilder().tensor("a", DType::U8, {1 << 20}).write(dir / "unaligned");
  const MergeOptions options{.data_alignment = 4096, .sync = false};
  must_merge(dir / "unaligned", dir / "in", {.options = options});
  const auto merged = [&](bool may_share) {
    const auto plan = MergePlan::make((dir / "in").string(), (dir / "out").string(), options);
    EXPECT_TRUE(plan);
    SharingDisk calls(may_share);
    return run_merge(calls, MergeAccess::work(*plan), {});
  };
  const auto refused = merged(false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::NoSpace);
  const auto report = merged(true);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->shared_bytes, uint64_t{1} << 20);
  EXPECT_TRUE(files_below(dir / "out") == files_below(dir / "in"));
}

// T40: signals at every call, and writes of one byte.
TEST(MergeFaults, InterruptionsAndShortWrites) {
  TempDir dir;
  model().shards(2).write(dir / "in");
  must_merge(dir / "in", dir / "expected");
  const auto plan =
      MergePlan::make((dir / "in").string(), (dir / "out").string(), {.verify = true});
  ASSERT_TRUE(plan);
  FaultyCalls calls;
  calls.interrupt(3);
  calls.one_byte_at_a_time();
  const auto report = run_merge(calls, MergeAccess::work(*plan), {.threads = 1});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_TRUE(files_below(dir / "out") == files_below(dir / "expected"));
}

// Says that everything was written, and then has other bytes.
class ForgetfulDisk final : public SystemCalls {
 public:
  explicit ForgetfulDisk(off_t byte) : byte_(byte) {}
  ssize_t pwrite(int file, std::span<const std::byte> data, off_t offset) override {
    std::vector<std::byte> written(data.begin(), data.end());
    if (offset <= byte_ && byte_ - offset < static_cast<off_t>(data.size()))
      written[static_cast<size_t>(byte_ - offset)] ^= std::byte{1};
    return SystemCalls::pwrite(file, written, offset);
  }

 private:
  const off_t byte_;
};

TEST(MergeFaults, VerifyFindsWhatTheDiskGotWrong) {
  TempDir dir;
  ModelBuilder().tensor("a", DType::U8, {100}).metadata("format", "pt").write(dir / "in");
  const auto plan = MergePlan::make((dir / "in").string(), (dir / "out.safetensors").string(),
                                    {.sync = false, .verify = true});
  ASSERT_TRUE(plan);
  const auto size = static_cast<off_t>(plan->output_bytes());
  for (off_t byte = 0; byte < size; ++byte) {
    ForgetfulDisk calls(byte);
    const auto refused = run_merge(calls, MergeAccess::work(*plan), {});
    ASSERT_FALSE(refused) << byte;
    EXPECT_EQ(refused.error().code, ErrorCode::WriteFailed);
    const std::string expected =
        fmt::format("{} reads back differently from what was written, from byte {} on",
                    byte < size - 100 ? "the header" : "tensor 'a'", byte);
    EXPECT_EQ(refused.error().message, expected);
    EXPECT_FALSE(fs::exists(dir / "out.safetensors"));
  }
}

// Counts what is reported, and cancels at a step of it.
class Steps final : public Progress {
 public:
  explicit Steps(int cancel_at = -1) : cancel_at_(cancel_at) {}
  void begin(std::string_view, std::span<const ProgressItem> items) override {
    done_.assign(items.size(), 0);
    for (const ProgressItem& item : items) sizes_.push_back(item.size_bytes);
    step();
  }
  void advance(uint32_t item, uint64_t bytes) override {
    done_[item] += bytes;
    step();
  }
  void set_state(uint32_t, ItemState) override { step(); }
  void restart(uint32_t, uint64_t) override {}
  void end(bool ok) override { ended_ok_ = ok; }

  CancelToken cancel;
  std::vector<uint64_t> sizes_, done_;
  std::optional<bool> ended_ok_;
  int steps_ = 0;

 private:
  void step() {
    if (++steps_ == cancel_at_) cancel.cancel();
  }
  const int cancel_at_;
};

TEST(MergeProgress, AddsUpToEveryFile) {
  TempDir dir;
  model().shards(2).write(dir / "in");
  Steps steps;
  const MergeRun run{.options = {.max_shard_bytes = 40, .sync = false},
                     .run = {.threads = 1, .progress = &steps}};
  must_merge(dir / "in", dir / "out", run);
  EXPECT_EQ(steps.sizes_.size(), 4u);
  EXPECT_EQ(steps.done_, steps.sizes_);
  EXPECT_EQ(steps.ended_ok_, true);
}

// T43: stopped at any point, nothing is left.
TEST(MergeProgress, MayBeCancelledAnywhere) {
  TempDir dir;
  model().shards(2).write(dir / "in");
  for (int at = 1;; ++at) {
    Steps steps(at);
    const MergeRun run{.options = {.max_shard_bytes = 40, .sync = false, .verify = true},
                       .run = {.threads = 1, .progress = &steps, .cancel = &steps.cancel}};
    const auto report = try_merge(dir / "in", dir / "out", run);
    if (report) {
      EXPECT_GT(at, 10);
      break;
    }
    EXPECT_EQ(report.error().code, ErrorCode::Interrupted);
    EXPECT_EQ(steps.ended_ok_, false);
    EXPECT_FALSE(fs::exists(dir / "out")) << at;
  }
}

}  // namespace
}  // namespace stkit
