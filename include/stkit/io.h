// Files as the library reads them. Interfaces, so that local folders, memory, Hub repositories and
// plain URLs are all the same to what is built above.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stkit/error.h"

namespace stkit {

// Random access to the bytes of one file. Thread-safe: any number of reads at once.
class RandomAccessFile {
 public:
  virtual ~RandomAccessFile() = default;

  // How messages name it: the path as the user wrote it, or a URL without its secrets.
  virtual const std::string& label() const = 0;
  virtual uint64_t size_bytes() const = 0;

  // Fills all of `out`. Reading past size_bytes() is Corrupt (a truncated file); a file that
  // shrank since it was opened is InputChanged.
  virtual Result<void> read_at(uint64_t offset_bytes, std::span<std::byte> out) const = 0;

  // All bytes in memory, where the file can be mapped safely and cheaply; else empty. Touching them
  // raises SIGBUS once somebody has truncated the file; read_at() reports that instead.
  virtual std::span<const std::byte> mapped() const { return {}; }

  // Says that bytes of mapped() are not needed again soon: they stop counting as this process's
  // memory. They may be touched all the same.
  virtual void release_mapped([[maybe_unused]] uint64_t offset_bytes,
                              [[maybe_unused]] uint64_t size_bytes) const {}

  // An open descriptor of a regular file that has exactly these bytes, for copies that the kernel
  // makes; else -1. Lives as long as this object. Not to be closed, nor its flags to be changed.
  virtual int descriptor() const { return -1; }

  // Tells this content from any other under the same name (size, time and inode, or an ETag), for
  // who opens it again. Empty when nothing does.
  virtual std::string identity() const { return {}; }

  // Fails with InputChanged when the file is no longer the one that was opened (size, time, inode
  // or ETag). Called before a result that was read from it is published.
  virtual Result<void> check_unchanged() const { return {}; }
};

enum class EntryKind : uint8_t { File, Folder, Other };  // Other: device, FIFO, socket, bad link

struct FolderEntry {
  std::string name;  // relative to the folder, '/' between components
  EntryKind kind = EntryKind::File;
  uint64_t size_bytes = 0;
  std::string problem = {};  // why an entry of kind Other cannot be read, for messages
};

// A folder whose files can be listed and opened: a local directory, a repository on the Hub.
// Thread-safe.
class Folder {
 public:
  virtual ~Folder() = default;

  virtual const std::string& label() const = 0;

  // Direct children of `subfolder` ("" for the top), sorted by name.
  virtual Result<std::vector<FolderEntry>> list(std::string_view subfolder = {}) const = 0;

  // Opens a regular file below this folder. Refuses names that are absolute, climb out with `..`,
  // hold NUL, backslash or a drive letter, or lead outside through a symbolic link (but for those
  // that the Hub's cache consists of).
  virtual Result<std::unique_ptr<RandomAccessFile>> open(std::string_view name) const = 0;

  // The path of a file for messages and reports.
  virtual std::string path_of(std::string_view name) const = 0;

  // How many files are best read at once, when that is not a matter of cores: what waits for a
  // network gains by more. 0: no opinion.
  virtual unsigned useful_readers() const { return 0; }
};

// What a reference (a path, a repository, an address) turned out to be.
struct OpenedReference {
  std::shared_ptr<const Folder> folder;
  std::string selected;     // a file of the folder; empty for all of it
  std::string folder_name;  // for people
};

// Opens references that are no local paths; see stkit/hub.h. Thread-safe.
using ReferenceOpener = std::function<Result<OpenedReference>(std::string_view reference)>;

// The bytes of `data`, which must outlive the file.
std::unique_ptr<RandomAccessFile> open_memory_file(std::string label,
                                                   std::span<const std::byte> data);

enum class Access : uint8_t {
  Auto,  // map where the filesystem makes that safe and fast, else read
  Read,  // pread only
};

// Refuses anything but a regular file (never blocks on a FIFO). Holds one descriptor.
Result<std::unique_ptr<RandomAccessFile>> open_local_file(const std::filesystem::path& path,
                                                          Access access = Access::Auto);

Result<std::unique_ptr<Folder>> open_local_folder(const std::filesystem::path& path);

}  // namespace stkit
