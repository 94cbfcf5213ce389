// Power fails while an output is made: what was not synced may be on the disk or not, in any order,
// torn between sectors. Records what an AtomicOutput asks of the operating system, then replays
// thousands of disks that could be found after the restart.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "io/atomic_output.h"
#include "io_test.h"
#include "support/temp_dir.h"

namespace stkit {
namespace {

using test::bytes_of;
using test::TempDir;
using test::write_file;

constexpr size_t kSectorBytes = 512;

// What a file is on a disk, and which file has which name.
using Files = std::map<int, std::string>;
using Names = std::map<std::string, int>;

struct Operation {
  enum Kind { Write, Resize, SyncFile, Create, Rename, Unlink, SyncFolder };
  Kind kind;
  int file = -1;          // not of the last four
  uint64_t offset = 0;    // of Write; the size of Resize
  std::string data = {};  // of Write
  std::string from = {}, to = {};
};

bool is_about_names(const Operation& operation) { return operation.kind >= Operation::Create; }

// Does all of it, and keeps a log.
class RecordingCalls final : public SystemCalls {
 public:
  std::vector<Operation> log;

  int open_at(int folder, const char* name, int flags, mode_t mode) override {
    const int descriptor = SystemCalls::open_at(folder, name, flags, mode);
    if (descriptor >= 0 && (flags & O_CREAT) != 0) {
      files_[descriptor] = ++last_file_;
      log.push_back({.kind = Operation::Create, .file = last_file_, .to = name});
    }
    return descriptor;
  }
  int close(int descriptor) override {
    files_.erase(descriptor);
    return SystemCalls::close(descriptor);
  }
  ssize_t pwrite(int descriptor, std::span<const std::byte> data, off_t offset) override {
    const ssize_t count = SystemCalls::pwrite(descriptor, data, offset);
    if (count > 0)
      log.push_back(
          {.kind = Operation::Write,
           .file = files_.at(descriptor),
           .offset = static_cast<uint64_t>(offset),
           .data = {reinterpret_cast<const char*>(data.data()), static_cast<size_t>(count)}});
    return count;
  }
  int allocate(int descriptor, off_t offset, off_t size) override {
    return resized(descriptor, offset + size, SystemCalls::allocate(descriptor, offset, size));
  }
  int truncate(int descriptor, off_t size) override {
    return resized(descriptor, size, SystemCalls::truncate(descriptor, size));
  }
  int sync(int descriptor) override {
    if (files_.contains(descriptor))
      log.push_back({.kind = Operation::SyncFile, .file = files_.at(descriptor)});
    else
      log.push_back({.kind = Operation::SyncFolder});
    return 0;
  }
  int rename(int folder, const char* from, const char* to) override {
    return renamed(from, to, SystemCalls::rename(folder, from, to));
  }
  int rename_new(int folder, const char* from, const char* to) override {
    return renamed(from, to, SystemCalls::rename_new(folder, from, to));
  }
  int unlink(int folder, const char* name) override {
    log.push_back({.kind = Operation::Unlink, .from = name});
    return SystemCalls::unlink(folder, name);
  }

 private:
  int resized(int descriptor, off_t size, int result) {
    if (result == 0)
      log.push_back({.kind = Operation::Resize,
                     .file = files_.at(descriptor),
                     .offset = static_cast<uint64_t>(size)});
    return result;
  }
  int renamed(const char* from, const char* to, int result) {
    if (result == 0) log.push_back({.kind = Operation::Rename, .from = from, .to = to});
    return result;
  }

  std::map<int, int> files_;  // by descriptor
  int last_file_ = 0;
};

// The disk after the first `done` operations of a log, when the power failed.
class DiskAfter {
 public:
  DiskAfter(const std::vector<Operation>& log, size_t done, std::mt19937& random, Files files,
            Names names)
      : log_(log),
        done_(done),
        random_(random),
        files_(std::move(files)),
        names_(std::move(names)) {
    restore_names();
    for (size_t i = 0; i < done_; ++i)
      if (!is_about_names(log_[i])) restore(i);
  }

  // Null when nothing has the name.
  const std::string* content(const std::string& name) const {
    const auto found = names_.find(name);
    return found == names_.end() ? nullptr : &files_.at(found->second);
  }

 private:
  bool chance() { return random_() % 2 == 0; }

  bool is_synced(size_t index) const {
    const auto is_sync = [&](const Operation& later) {
      return later.kind == Operation::SyncFile && later.file == log_[index].file;
    };
    const auto begin = log_.begin() + static_cast<ptrdiff_t>(index);
    return std::any_of(begin, log_.begin() + static_cast<ptrdiff_t>(done_), is_sync);
  }

  // Names change in order, but nobody knows how far the changes got beyond the last sync.
  void restore_names() {
    size_t known = 0;
    for (size_t i = 0; i < done_; ++i)
      if (log_[i].kind == Operation::SyncFolder) known = i + 1;
    const size_t reached = known + random_() % (done_ - known + 1);
    for (size_t i = 0; i < reached; ++i) rename(log_[i]);
  }

  void rename(const Operation& operation) {
    if (operation.kind == Operation::Create) names_[operation.to] = operation.file;
    if (operation.kind == Operation::Rename) {
      names_[operation.to] = names_.at(operation.from);
      names_.erase(operation.from);
    }
    if (operation.kind == Operation::Unlink) names_.erase(operation.from);
  }

  void restore(size_t index) {
    const Operation& operation = log_[index];
    std::string& content = files_[operation.file];
    const bool synced = is_synced(index);
    if (operation.kind == Operation::Resize && (synced || chance()))
      content.resize(operation.offset);
    if (operation.kind != Operation::Write) return;
    for (size_t at = 0; at < operation.data.size(); at += kSectorBytes) {
      if (!synced && chance()) continue;
      const std::string_view sector = std::string_view(operation.data).substr(at, kSectorBytes);
      const size_t place = operation.offset + at;
      content.resize(std::max(content.size(), place + sector.size()));
      content.replace(place, sector.size(), sector);
    }
  }

  const std::vector<Operation>& log_;
  const size_t done_;
  std::mt19937& random_;
  Files files_;
  Names names_;
};

constexpr int kOldFile = 0;

struct Case {
  bool replaces;
  bool sync;
};

std::string new_content() {
  std::string content(20 * kSectorBytes + 77, '\0');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>('a' + i / 100 % 26);
  return content;
}

std::vector<Operation> record(const Case& options) {
  TempDir dir;
  if (options.replaces) write_file(dir / "out", "the old content");
  RecordingCalls calls;
  const std::string content = new_content();
  const std::string_view text = content;
  auto output = AtomicOutput::create(calls, dir / "out", text.size(),
                                     {.overwrite = options.replaces, .sync = options.sync});
  EXPECT_TRUE(output) << output.error().message;
  // Not in order, as threads write.
  for (const size_t at : {size_t{4096}, size_t{0}, size_t{8192}})
    EXPECT_TRUE((*output)->write_at(at, bytes_of(text.substr(at, 4096))));
  EXPECT_TRUE((*output)->commit());
  return std::move(calls.log);
}

// How many of the disks hold something under the final name that is neither the old nor the new
// file.
int broken_disks(const Case& options, int replays) {
  const std::vector<Operation> log = record(options);
  const std::string content = new_content();
  std::mt19937 random(42);
  int broken = 0;
  for (int i = 0; i < replays; ++i) {
    Files files;
    Names names;
    if (options.replaces) {
      files[kOldFile] = "the old content";
      names["out"] = kOldFile;
    }
    const size_t done = random() % (log.size() + 1);
    const DiskAfter disk(log, done, random, files, names);
    const std::string* found = disk.content("out");
    const bool is_old = found == nullptr ? !options.replaces : *found == "the old content";
    if (!is_old && (found == nullptr || *found != content)) ++broken;
  }
  return broken;
}

// T42
TEST(PowerLoss, LeavesTheOldFileOrTheWholeNewOne) {
  EXPECT_EQ(broken_disks({.replaces = true, .sync = true}, 10'000), 0);
  EXPECT_EQ(broken_disks({.replaces = false, .sync = true}, 10'000), 0);
}

// What --no-sync gives up; and that the replay does find broken disks.
TEST(PowerLoss, CanTearWhatWasNotSynced) {
  EXPECT_GT(broken_disks({.replaces = true, .sync = false}, 1000), 0);
}

// A finished and synced output is on the disk, whatever happens.
TEST(PowerLoss, CannotUndoACommit) {
  const std::vector<Operation> log = record({.replaces = true, .sync = true});
  std::mt19937 random(7);
  for (int i = 0; i < 1000; ++i) {
    const DiskAfter disk(log, log.size(), random, {{kOldFile, "the old content"}},
                         {{"out", kOldFile}});
    ASSERT_NE(disk.content("out"), nullptr);
    EXPECT_EQ(*disk.content("out"), new_content());
  }
}

}  // namespace
}  // namespace stkit
