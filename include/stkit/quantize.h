// Quantization: the weights of a model as blocks of GGML's types, in one file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stkit/dtype.h"
#include "stkit/error.h"
#include "stkit/inspect.h"
#include "stkit/model.h"
#include "stkit/progress.h"

namespace stkit {

class JsonWriter;

// The mixes of types that llama-quantize made known, from the fewest bits to the most: "Q4_K_M".
std::span<const std::string_view> mix_names();
// The types that weights can be quantized to, from the fewest bits to the most: "q2k", "q4k".
std::span<const std::string_view> isq_names();
// The type of about so many bits a weight. Usage for anything but 2 to 8.
Result<std::string_view> isq_for_bits(uint64_t bits);
// From speed (0) to quality (100): q4k, from 30 on q5k, from 70 on q6k.
Result<std::string_view> isq_for_slider(uint64_t percent);
// What a device of this kind is served well by: edge, local, cloud.
std::span<const std::string_view> isq_profile_names();
Result<std::string_view> isq_for_profile(std::string_view profile);

enum class NonFinite : uint8_t { Error, Zero, Keep };  // what becomes of NaN and infinities
std::span<const std::string_view> non_finite_names();  // by value: "error", "zero", "keep"

// Gguf: what ggml reads. Safetensors: the same blocks as U8 tensors, each row of a weight a row of
// bytes; `__metadata__` has "quantization": "ggml" and for every tensor of blocks "ggml.<name>"
// with its type and shape: {"type":"Q4_K","shape":[4096,4096]}.
enum class QuantizeTarget : uint8_t { Gguf, Safetensors };
std::span<const std::string_view> quantize_target_names();  // by value: "gguf", "safetensors"

struct QuantizeOptions {
  std::string isq = "q4k";  // any case, with or without underscores
  // One of mix_names(), in any case; empty: `isq` for all weights. Mixes go by llama.cpp's names of
  // tensors.
  std::string mix = {};
  // Glob of the output's tensor names, type: one of isq_names(), f32, f16 or bf16. The first that
  // matches counts.
  std::vector<std::pair<std::string, std::string>> tensor_types = {};
  std::string output_type = {};               // of the output matrix; empty: as any other
  std::string embedding_type = {};            // of the token embedding
  std::vector<std::string> keep = {};         // globs of tensors that keep their own type
  std::optional<QuantizeTarget> target = {};  // empty: by the ending of the output's name
  // With a mix: none of its rules, its base type for all. Else: no fallback types, but F16 where
  // blocks do not divide a row.
  bool pure = false;
  bool allow_requantize = false;  // of GGUF files: quantize what is quantized once more
  bool only_if_plain = false;     // leave a model that is quantized already alone
  // Of a full model: the architecture, as llama.cpp names it, instead of what config.json says;
  // "none": the tensors keep their own names, and there is no tokenizer.
  std::string arch = {};
  std::string pre_tokenizer = {};  // tokenizer.ggml.pre, instead of what the tokenizer looks like
  // Key, TYPE:VALUE: added to the metadata of GGUF, or in place of what is there. TYPE is u8, i8,
  // u16, i16, u32, i32, f32, bool, string, u64, i64 or f64, and that of the key where it is there.
  std::vector<std::pair<std::string, std::string>> metadata = {};
  std::string imatrix = {};  // the path of an importance matrix
  NonFinite on_non_finite = NonFinite::Error;
  bool measure = false;  // how far what is read back is from the weights, by tensor
  // Of every tensor: when one stays below, nothing is published. Measures.
  std::optional<double> min_cosine = {};
  bool sync = true;
  bool overwrite = false;
  OpenOptions open = {};
};

// Everything about an output that is known before the first weight is read. Holds the model open.
class QuantizePlan {
 public:
  struct Tensor {
    std::string name = {};
    // The model's tensor; of several that it is made of, the first; empty where it is computed.
    std::string_view source = {};
    DType from = DType::F32, to = DType::F32;
    std::vector<uint64_t> shape = {};
    uint64_t element_count = 0;
    uint64_t size_bytes = 0;
    std::optional<DType> instead_of = {};  // the type that its rows are no whole blocks of
    bool weighted = false;                 // by the importance of its columns
    uint32_t source_count = 1;             // tensors of the model that it is made of
    std::string rule = {};                 // what chose the type, for people
  };

  // A model with a config.json becomes what llama.cpp runs: its names, keys and tokenizer, and the
  // tensors that it wants in F32 as that. A model without one, and one for which arch is "none":
  //
  //   matrix whose name ends in `weight`, not a norm   the type, or its fallback
  //   vector or norm                                   F32
  //   anything else                                    its own type; in GGUF the smallest that
  //                                                    holds all its values
  //
  // Fails on whatever would make the work fail but for the disk and the values of the weights.
  static Result<QuantizePlan> make(std::string_view reference, const std::string& output,
                                   const QuantizeOptions& options);
  QuantizePlan(QuantizePlan&&) noexcept;
  QuantizePlan& operator=(QuantizePlan&&) noexcept;
  ~QuantizePlan();

  const Model& model() const;
  const std::string& output() const;
  // How the model is quantized already; not empty only with only_if_plain, and then there is
  // nothing to do: no tensors, no output.
  const std::string& quantized_already() const;

  std::span<const Tensor> tensors() const;  // in the order of the output
  uint64_t input_bytes() const;             // of the model's tensors
  uint64_t output_bytes() const;            // of the file, exactly
  uint64_t parameter_count() const;
  uint64_t fallback_parameters() const;  // of tensors with `instead_of`
  double bits_per_weight() const;
  std::span<const std::string> warnings() const;

 private:
  friend Result<struct QuantizeReport> quantize(const QuantizePlan& plan, const RunOptions& run);
  struct Rep;
  explicit QuantizePlan(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

// How far decoded weights are from the originals.
struct ErrorMetrics {
  double rmse = 0;
  double relative_rmse = 0;  // to the root mean square of the originals
  double cosine_similarity = 1;
  double sqnr_db = 0;  // infinite where nothing was lost
  double max_abs_error = 0;
};

struct QuantizeReport {
  bool published = true;               // not when a tensor stayed below min_cosine
  std::vector<uint32_t> too_far = {};  // those tensors, as indices into plan.tensors()
  double seconds = 0;
  unsigned threads = 0;
  std::vector<ErrorMetrics> errors = {};         // by index of plan.tensors(); with `measure`
  std::optional<ErrorMetrics> total_error = {};  // over those that are blocks; with `measure`
  struct NonFiniteCount {
    uint32_t tensor;  // index into plan.tensors()
    uint64_t values;
  };
  std::vector<NonFiniteCount> non_finite = {};  // made zero or kept, by tensor
};

// Writes the file under a temporary name, in memory that does not grow with the model, and gives it
// its name when it is whole. The same bytes for any number of threads and any sharding.
Result<QuantizeReport> quantize(const QuantizePlan& plan, const RunOptions& run);

// The documents of `quantize --dry-run --json` and `quantize --json`.
void write_json(JsonWriter& json, const QuantizePlan& plan);
void write_json(JsonWriter& json, const QuantizePlan& plan, const QuantizeReport& report);

// One line a tensor, under a line of titles. REQUIRES: the errors were measured.
std::string to_csv(const QuantizePlan& plan, const QuantizeReport& report);

// The tensors with the largest errors against the size of their weights, the worst first, as
// indices into plan.tensors(); none that lost nothing.
std::vector<uint32_t> worst_tensors(const QuantizeReport& report, size_t count);

// One self-contained page, like that of inspect: the mix, errors by layer and part, how the weights
// of `worst` tensors (indices) are spread, and all tensors. REQUIRES: the errors were measured.
std::string render_html(const QuantizePlan& plan, const QuantizeReport& report,
                        const std::vector<std::pair<uint32_t, Histogram>>& worst = {});

}  // namespace stkit
