// Writing a safetensors file: declare all tensors, then fill their bytes in any order and from any
// thread, then commit. Until then nothing exists under the final name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stkit/error.h"
#include "stkit/tensor.h"

namespace stkit {

struct TensorSpec {
  std::string name;
  DType dtype = DType::U8;
  std::vector<uint64_t> shape;
};

struct LayoutOptions {
  // Where the data starts: a multiple of this, by spaces behind the header. 8 is what the
  // safetensors library writes; 4096 lets filesystems share blocks.
  uint64_t data_alignment = 8;
  uint64_t max_header_bytes = 100'000'000;
};

// Every byte of a safetensors file but the weights, fixed before the first is written.
// Tensors are in file order: dtype rank descending, then name, which keeps each naturally aligned.
struct SafetensorsLayout {
  struct Entry {
    uint32_t spec;          // index into the specs it was planned from
    uint64_t offset_bytes;  // from the start of the file
    uint64_t size_bytes;
  };
  std::string header;  // length prefix, JSON, padding
  std::vector<Entry> entries;
  uint64_t file_bytes = 0;
};

// Same specs and metadata, same bytes: metadata is sorted, JSON is compact. Refuses duplicate
// names, sizes that overflow, dtypes that the format does not have, a header beyond its limit.
Result<SafetensorsLayout> plan_safetensors(
    std::span<const TensorSpec> specs,
    const std::map<std::string, std::string, std::less<>>& metadata, const LayoutOptions& = {});

// How the bytes of large outputs move.
enum class IoMode : uint8_t {
  Auto,      // by what is in the page cache, the filesystem and whether the output is synced
  Buffered,  // through the page cache
  Direct,    // past it, where the filesystem allows that
};
std::span<const std::string_view> io_mode_names();  // by value: "auto", "buffered", "direct"

struct OutputOptions {
  bool overwrite = false;  // replace an existing file (atomically); else OutputExists
  bool sync = true;        // fsync file and folder before and after the rename
};

// A file that appears under its name only when it is whole. Destroying it uncommitted removes
// every trace. write_at is thread-safe for disjoint ranges.
class OutputFile {
 public:
  virtual ~OutputFile() = default;
  // REQUIRES: the range lies inside the size that the file was created with.
  virtual Result<void> write_at(uint64_t offset_bytes, std::span<const std::byte> data) = 0;
  // REQUIRES: every byte was written. Nothing may be called afterwards.
  virtual Result<void> commit() = 0;
  virtual const std::string& label() const = 0;
};

// Locks the target, checks that `size_bytes` fit, makes a temporary file beside it and reserves
// its space. Refuses folders, devices and FIFOs. Behind a symbolic link the file that it leads to
// is written and the link stays. A file that replaces another takes over its permissions.
Result<std::unique_ptr<OutputFile>> create_output(const std::filesystem::path& path,
                                                  uint64_t size_bytes,
                                                  const OutputOptions& options = {});

}  // namespace stkit
