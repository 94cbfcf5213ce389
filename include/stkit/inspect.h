// What a model is, from its headers and companion files; from its weights only where asked.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stkit/error.h"
#include "stkit/model.h"
#include "stkit/progress.h"

namespace stkit {

class JsonWriter;

// The main numbers of config.json; 0 where it does not say.
struct ConfigSummary {
  uint64_t layers = 0;
  uint64_t hidden_size = 0;
  uint64_t heads = 0;
  uint64_t kv_heads = 0;
  uint64_t vocab_size = 0;
  uint64_t context_length = 0;
  uint64_t experts = 0;
};

// What kind of model it is, and which evidence says so.
struct Profile {
  std::string architecture;       // "Qwen3ForCausalLM"; empty when nothing says
  std::string model_type;         // "qwen3"
  std::string model_type_source;  // "config", "metadata", "names" or empty
  std::string base_model_name;    // without shard suffix and extension
  std::string modality;           // "text", "code", "image", "audio" or empty
  std::string modality_source;    // "metadata", "architecture", "config" or empty
  std::string quantization;       // "fp8", "gptq", "awq", "q4_k" ...; empty when weights are plain
  bool requires_isq = false;      // plain weights that an engine may quantize as it loads them
  ConfigSummary config;
};

struct IsqChoice {
  std::string isq;               // "q4k"
  uint64_t estimated_bytes = 0;  // computed from every tensor's shape, fallbacks included
};

struct IsqAdvice {
  std::string speed, balanced, quality, fallback_default;  // names of `choices`
  std::vector<IsqChoice> choices;                          // q4k, q5k, q6k, q8_0
};

struct DTypeShare {
  uint64_t tensors = 0;
  uint64_t parameters = 0;
  uint64_t bytes = 0;
};

// Exact counts; mean and std in double over the finite values. Complex values count as two.
struct TensorStats {
  double min = 0, max = 0, mean = 0, std = 0;  // NaN when there is no finite value
  uint64_t values = 0, nan = 0, inf = 0, zero = 0;
};

struct Histogram {
  double low = 0, high = 0;       // finite range
  std::vector<uint64_t> buckets;  // equal widths
  TensorStats stats;
};

struct InspectReport {
  Profile profile;
  IsqAdvice isq;
  uint64_t tensor_count = 0;
  uint64_t parameter_count = 0;
  uint64_t weight_bytes = 0;  // of all tensors
  uint64_t total_bytes = 0;   // of the weight files
  uint64_t header_bytes = 0;  // total_bytes = header_bytes + weight_bytes + unaccounted_bytes
  uint64_t unaccounted_bytes = 0;
  uint64_t shard_count = 0;
  std::map<DType, DTypeShare> dtypes;
  std::vector<std::string> missing_files;  // companions that a bundle of this kind has
  std::vector<std::string> warnings;
  std::vector<std::optional<TensorStats>> stats;  // by index of tensors(); empty unless asked for
};

// Reads headers and companions only.
Result<InspectReport> inspect(const Model& model);

// Fills report.stats for the tensors whose names match `glob` ("*" for all), reading their bytes
// once, in parallel, in bounded memory.
Result<void> add_stats(const Model& model, std::string_view glob, const RunOptions& run,
                       InspectReport& report);

Result<TensorStats> tensor_stats(const Model& model, const TensorInfo& tensor,
                                 const RunOptions& run);
Result<Histogram> tensor_histogram(const Model& model, const TensorInfo& tensor, size_t buckets,
                                   const RunOptions& run);

// The first `count` elements, or all if there are fewer, as numbers (complex: two each). Every
// plain dtype, F4 to F64.
Result<std::vector<double>> first_values(const Model& model, const TensorInfo& tensor,
                                         uint64_t count);

// Writes one tensor as a NumPy .npy file. Types that NumPy lacks (bf16, f8) widen to float32.
Result<void> write_npy(const Model& model, const TensorInfo& tensor, const std::string& path,
                       bool overwrite, const RunOptions& run);

enum class DiffKind : uint8_t { OnlyLeft, OnlyRight, DType, Dimensions, Data };
std::string_view name(DiffKind kind);  // "only_left", "only_right", "dtype", "shape", "data"

struct TensorDiff {
  DiffKind kind;
  std::string tensor;
  std::string left, right;  // dtype or shape as text
  // Data: how far apart. Values differ when their bits do (as numbers, where the dtypes differ), so
  // -0 differs from 0. Maximum and mean are over the values that are finite on both sides; equal
  // values count as 0. NaN where no such pair is there, or for GGML blocks.
  uint64_t differing_values = 0;
  double max_abs_difference = 0;
  double mean_abs_difference = 0;
};

struct DiffReport {
  uint64_t compared = 0, equal = 0;
  std::vector<TensorDiff> differences;  // by natural order of names
  std::vector<std::string> metadata;    // "key: left -> right"
  bool data_compared = false;
  bool same() const { return differences.empty(); }
};

// Structure, and with `data` the values too: those of tensors of one shape, also across dtypes, so
// that a model and its cast can be compared. The same report for any number of threads.
Result<DiffReport> diff(const Model& left, const Model& right, bool data, const RunOptions& run);

enum class Sort : uint8_t { File, Name, Size, Params, Offset };

struct InspectJsonOptions {
  std::optional<std::string> tensors_glob;  // list tensors whose names match
  Sort sort = Sort::File;
};

// The documents of spec: `inspect --json`, `--diff --json`.
void write_json(JsonWriter& json, const Model& model, const InspectReport& report,
                const InspectJsonOptions& options = {});
void write_json(JsonWriter& json, const DiffReport& report);
void write_json(JsonWriter& json, const TensorStats& stats);

// Indices into model.tensors(), filtered and sorted: names naturally, sizes and parameters with the
// largest first, ties in the order of the files.
std::vector<uint32_t> select_tensors(const Model& model, std::string_view glob, Sort sort);

// One self-contained page: no script, font or image from elsewhere. The same bytes for the same
// model, and a few megabytes at most, however large the model (the largest tensors are listed).
std::string render_html(const Model& model, const InspectReport& report,
                        const std::vector<std::pair<std::string, Histogram>>& histograms = {});

}  // namespace stkit
