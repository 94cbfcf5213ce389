// What a merge has made under final names so far.
#pragma once

#include <filesystem>
#include <vector>

#include "io/atomic_output.h"
#include "io/system_calls.h"
#include "stkit/error.h"

namespace stkit {

// Takes back files and folders that were not there before, when the merge does not get to its end.
// Files that replaced others cannot be taken back; they are whole.
class PublishedFiles {
 public:
  explicit PublishedFiles(SystemCalls& calls) : calls_(calls) {}
  PublishedFiles(const PublishedFiles&) = delete;
  PublishedFiles& operator=(const PublishedFiles&) = delete;
  ~PublishedFiles();

  // Makes a folder and all that it lies in.
  Result<void> make_folder(const std::filesystem::path& folder);
  // To be called before the output, which replaces nothing, gets its name.
  Result<void> add_new_file(const std::filesystem::path& path, const AtomicOutput& output);
  void keep();

 private:
  struct File {
    std::filesystem::path path;
    dev_t device;
    ino_t inode;
  };
  SystemCalls& calls_;
  std::vector<std::filesystem::path> folders_;
  std::vector<File> files_;
};

}  // namespace stkit
