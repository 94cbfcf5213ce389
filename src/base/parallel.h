// Independent jobs over the cores.
#pragma once

#include <cstddef>

#include "base/function_ref.h"
#include "stkit/error.h"
#include "stkit/progress.h"

namespace stkit {

// The threads that `run` asks for: usable_cores() when it leaves that open.
unsigned thread_count(const RunOptions& run);

// Calls job(index, worker) for 0 <= index < count, from up to `threads` threads (the caller's is
// one of them); worker < threads names the thread, for scratch space. Indices are handed out in
// order. After a failure, or once `cancel` is set, no further job starts; of several failures that
// of the lowest index is returned, so that the same input reports the same error.
Result<void> parallel_for(size_t count, unsigned threads, const CancelToken* cancel,
                          FunctionRef<Result<void>(size_t index, unsigned worker)> job);

}  // namespace stkit
