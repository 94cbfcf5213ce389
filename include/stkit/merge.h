// Consolidation: any model into one model.safetensors, or into shards of a bounded size.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stkit/error.h"
#include "stkit/finding.h"
#include "stkit/model.h"
#include "stkit/progress.h"
#include "stkit/tensor.h"
#include "stkit/writer.h"

namespace stkit {

class JsonWriter;

enum class Overflow : uint8_t { Error, Clamp, Inf };  // of values beyond the range of --dtype
std::span<const std::string_view> overflow_names();   // by value: "error", "clamp", "inf"

// The dtypes that floating tensors can be cast to, in the order of the help.
std::span<const DType> cast_targets();

struct MergeOptions {
  std::optional<DType> dtype = {};           // cast floating tensors to it
  std::vector<std::string> keep_dtype = {};  // globs of tensors that are not cast
  Overflow on_overflow = Overflow::Error;
  std::vector<std::string> include = {};  // globs of tensor names; empty for all
  std::vector<std::string> exclude = {};
  // POSIX extended regular expression and replacement (\0 to \9); in turn, every match.
  std::vector<std::pair<std::string, std::string>> rename = {};
  std::string strip_prefix = {};  // of tensor names that have it; before they are renamed
  std::map<std::string, std::string, std::less<>> metadata = {};  // added to `__metadata__`
  uint64_t max_shard_bytes = 0;                                   // 0: one file
  uint64_t data_alignment = 8;
  // Write what torch.load(weights_only=True) reads instead of safetensors: no metadata; tensors
  // that share their bytes in the input go on sharing them.
  bool pytorch_bin = false;
  std::string copy_files = "all";  // companions: all, none, or a glob
  IoMode io = IoMode::Auto;
  bool sync = true;
  bool verify = false;  // read back, compare every tensor with its source
  bool overwrite = false;
  OpenOptions open = {};
};

// Everything about an output that is known before the first byte is written. Holds the model open.
class MergePlan {
 public:
  struct File {
    std::string name;  // in the output folder
    uint64_t size_bytes = 0;
    uint64_t tensors = 0;  // 0 for companions
    bool is_weights = false;
  };

  // `output` is a folder, or a file when it ends in ".safetensors" (in ".bin", ".pt", ".pth" or
  // ".ckpt" for PyTorch). Fails on whatever would make
  // the merge fail but for the disk: names that collide, dtypes that cannot be cast, an output that
  // exists, or that is its own input.
  static Result<MergePlan> make(std::string_view reference, const std::string& output,
                                const MergeOptions& options);
  // The same for a model that is open already, a repository on the Hub for one.
  static Result<MergePlan> make(Model model, const std::string& output,
                                const MergeOptions& options);
  MergePlan(MergePlan&&) noexcept;
  MergePlan& operator=(MergePlan&&) noexcept;
  ~MergePlan();

  const Model& model() const;
  const std::string& output() const;
  std::span<const File> files() const;  // in the order in which they are published
  uint64_t output_bytes() const;        // of all files
  uint64_t input_bytes() const;         // of the tensors that are taken
  uint64_t peak_memory_bytes(const RunOptions& run) const;  // at most
  uint64_t cast_tensors() const;
  std::span<const std::string> warnings() const;  // what is left out, conflicting metadata, ...

  // For who moves the bytes of one weights file by other means: what is in front of them, and where
  // each run of them lies in the files of the model. The bytes between the runs are zeros.
  struct CopiedRun {
    uint64_t offset_bytes;  // in the output
    uint64_t size_bytes;
    uint32_t file;  // index into Model::files()
    uint64_t file_offset_bytes;
  };
  struct CopiedWeights {
    std::string name;
    std::string header;
    std::vector<CopiedRun> runs;  // by offset
    uint64_t size_bytes = 0;
  };
  // Unsupported when the weights are several files, or not copied as they are.
  Result<CopiedWeights> copied_weights() const;
  // The content of files()[index] when it is text of its own, and not weights or a copy.
  std::optional<std::string_view> text(size_t index) const;

 private:
  friend struct MergeAccess;  // for the library itself
  struct Rep;
  explicit MergePlan(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

struct OverflowCount {
  std::string tensor;
  uint64_t values = 0;
};

struct MergeReport {
  std::string output;  // the folder or file that was written
  uint64_t output_bytes = 0;
  uint64_t shared_bytes = 0;  // that the filesystem shares with the input
  IoMode io = IoMode::Auto;   // how most bytes moved
  double seconds = 0;
  std::vector<OverflowCount> overflows;     // clamped or made infinite, by tensor
  std::optional<std::string> model_digest;  // with `verify`: see validate.h
};

// Checks that all of it fits on the disk, writes under temporary names, syncs, then gives the files
// their names: companions, shards, the index last. On failure what is new is taken back; what
// replaced a file of its name already is whole. One merge of a plan at a time.
Result<MergeReport> merge(const MergePlan& plan, const RunOptions& run);

// The documents of `merge --dry-run --json` and `merge --json`.
void write_json(JsonWriter& json, const MergePlan& plan);
void write_json(JsonWriter& json, const MergeReport& report);

}  // namespace stkit
