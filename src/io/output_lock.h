#pragma once

#include <string>

#include "io/system_calls.h"
#include "stkit/error.h"

namespace stkit {

// Keeps a second stkit from writing to the same target: an flock on a file beside it, which says
// who holds it. It dies with its process, so what a crash leaves behind never blocks anybody. On a
// filesystem without locks there is none; atomic renames keep the target whole even then.
class OutputLock {
 public:
  OutputLock() = default;
  OutputLock(OutputLock&&) noexcept = default;
  OutputLock& operator=(OutputLock&&) = delete;
  ~OutputLock() { release(); }

  // Takes the lock file `name` in `folder`, which must outlive the lock. `path` is the target, for
  // messages. OutputLocked, naming the holder, when another process or thread has it.
  static Result<OutputLock> take(SystemCalls& calls, int folder, std::string name,
                                 const std::string& path);

  bool is_held() const { return file_.is_open(); }
  // Removes the lock file.
  void release();

 private:
  OutputLock(SystemCalls& calls, int folder, std::string name, Descriptor file)
      : calls_(&calls), folder_(folder), name_(std::move(name)), file_(std::move(file)) {}

  SystemCalls* calls_ = nullptr;
  int folder_ = -1;
  std::string name_;
  Descriptor file_;
};

}  // namespace stkit
