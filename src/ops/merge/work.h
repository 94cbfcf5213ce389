// What a MergePlan holds: every file of the output, and where its bytes come from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "io/system_calls.h"
#include "ops/merge/cast_encoding.h"
#include "pipeline/recipe.h"
#include "stkit/merge.h"

namespace stkit {

struct MergeOutput {
  struct Weights {
    size_t index;  // into MergeWork::weights.files
  };
  struct Copy {
    uint32_t file;  // index into Model::files()
  };
  struct Text {
    std::string content;
  };
  std::filesystem::path path;
  std::variant<Weights, Copy, Text> content;
  // A file that looks like this output is there: it stays if its bytes are the same in the end.
  bool is_left_over = false;
};

struct MergeWork {
  MergeWork(Model opened, MergeOptions wanted, std::string where)
      : model(std::move(opened)), options(std::move(wanted)), output(std::move(where)) {}

  Model model;
  MergeOptions options;
  std::string output;            // as the user wrote it
  std::filesystem::path folder;  // that the files go to
  bool is_single_file = false;   // the output is a file and not a folder

  struct Cast {
    uint32_t recipe;
    CastEncoding* encoding;  // of that recipe
  };
  OutputPlan weights;
  std::vector<Cast> casts;
  std::vector<MergePlan::File> files;  // in the order in which they are published
  std::vector<MergeOutput> outputs;    // the same files
  // Indexes that would name other weights than the new ones once these are there.
  std::vector<std::filesystem::path> stale_indexes;

  uint64_t output_bytes = 0, input_bytes = 0;
  std::vector<std::string> warnings;
};

struct MergeAccess {
  static const MergeWork& work(const MergePlan& plan);
};

// merge(), over an operating system that may fail.
Result<MergeReport> run_merge(SystemCalls& calls, const MergeWork& work, const RunOptions& run);

}  // namespace stkit
