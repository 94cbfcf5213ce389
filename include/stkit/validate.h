// Whether a model is whole and sound.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stkit/error.h"
#include "stkit/finding.h"
#include "stkit/hub.h"
#include "stkit/model.h"
#include "stkit/progress.h"

namespace stkit {

class JsonWriter;

enum class Loader : uint8_t { Transformers, Vllm, CandleVllm, MistralRs };
std::span<const std::string_view> loader_names();
std::optional<Loader> parse_loader(std::string_view name);

// What the Hub says of the files of one revision: their SHA-256, or git's SHA-1.
struct HubChecksums {
  // ORG/NAME[@REVISION] or hf://...; empty: where the model came from, as far as its place tells (a
  // reference to the Hub, a snapshot in its cache). Without a revision it is the commit that a
  // download noted, else `main`.
  std::string reference;
  HubOptions hub = {};
};

struct ValidateOptions {
  bool deep = false;                          // read the weights: NaN, Inf, all zero, zero tail
  std::optional<Loader> loader = {};          // check what this loader needs
  std::optional<std::string> against = {};    // a second model that must hold the same tensors
  std::optional<std::string> checksums = {};  // a file in sha256sum's format
  std::optional<HubChecksums> hub_checksums = {};
  OpenOptions open = {};
};

struct ValidateReport {
  std::string reference;  // as it was given
  // By path, then the heavier first. Of one kind in one file the first 20 are listed; one more
  // finding stands for the rest and tells their number.
  std::vector<Finding> findings;
  std::array<uint64_t, 3> folded{};  // by severity: those that it stands for beyond itself
  uint64_t files = 0, tensors = 0, bytes = 0;  // files: of weights
  // SHA-256 over the sorted (name, dtype, shape, bytes) of all tensors: the same for any sharding.
  std::optional<std::string> model_digest;  // when `against` asked for it

  uint64_t count(Severity severity) const;  // listed and folded
  bool ok(bool strict) const;
};

// Findings are data: an Error means that there was nothing to look at (not found, no permission).
Result<ValidateReport> validate(std::string_view reference, const ValidateOptions& options,
                                const RunOptions& run);

// Lines of `<sha256>  <name>` for all files of the bundle.
Result<std::string> checksum_list(const Model& model, const RunOptions& run);

void write_json(JsonWriter& json, const ValidateReport& report, bool strict);

}  // namespace stkit
