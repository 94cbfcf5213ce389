// The files of a model, however many, over few descriptors.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "stkit/error.h"
#include "stkit/io.h"

namespace stkit {

// Opens files when they are asked for and keeps those used last. Thread-safe. A file that somebody
// still holds stays open beyond the bound, and is the one that the next caller gets.
class FilePool {
 public:
  // max_open = 0: a quarter of the descriptors that the process may have, at most 64.
  FilePool(std::shared_ptr<const Folder> folder, std::vector<std::string> names,
           size_t max_open = 0);

  size_t size() const { return files_.size(); }
  const std::string& name(size_t index) const { return files_[index].name; }

  // InputChanged when it is another file, or another content, than when it was first opened.
  Result<std::shared_ptr<const RandomAccessFile>> open(size_t index);

  // Asks every file that was ever opened.
  Result<void> check_unchanged();

 private:
  using FilePtr = std::shared_ptr<const RandomAccessFile>;
  struct File {
    std::string name;
    std::weak_ptr<const RandomAccessFile> open;
    bool was_opened = false;
    std::string identity;  // when it was first opened
  };

  void keep(size_t index, FilePtr file);

  const std::shared_ptr<const Folder> folder_;
  const size_t max_open_;
  std::mutex mutex_;
  std::vector<File> files_;
  std::list<std::pair<size_t, FilePtr>> recent_;  // the last used in front
};

}  // namespace stkit
