// The digests of many files, told as progress.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "stkit/error.h"
#include "stkit/io.h"
#include "stkit/progress.h"

namespace stkit {

struct Promise {
  // Lower-case hex: 40 digits are the SHA-1 of a git blob, all else (nothing, too) asks for
  // SHA-256.
  std::string digest;
  std::string name;
};

// What became of one promise; found in parallel, so reported afterwards.
struct HashOutcome {
  std::optional<Error> unreadable;
  std::string digest;
};

// A file that cannot be opened is an outcome; one that cannot be read to its end fails the run.
Result<std::vector<HashOutcome>> hash_all(const Folder& folder, std::span<const Promise> promises,
                                          const RunOptions& run);

}  // namespace stkit
