#include "io/mapped_read.h"

#include <fmt/format.h>
#include <setjmp.h>
#include <signal.h>

#include <mutex>

#include "base/check.h"
#include "stkit/text.h"

namespace stkit {
namespace {

struct Guard {
  std::span<const std::byte> bytes;
  sigjmp_buf return_point;
};

thread_local Guard* current_guard = nullptr;

struct sigaction previous_action;

void on_bus_error(int signal, siginfo_t* info, void* context) {
  if (Guard* guard = current_guard; guard != nullptr) {
    const auto* address = static_cast<const std::byte*>(info->si_addr);
    const std::byte* begin = guard->bytes.data();
    if (address >= begin && address < begin + guard->bytes.size())
      siglongjmp(guard->return_point, 1);
  }
  if ((previous_action.sa_flags & SA_SIGINFO) != 0) {
    previous_action.sa_sigaction(signal, info, context);
  } else if (previous_action.sa_handler == SIG_DFL || previous_action.sa_handler == SIG_IGN) {
    ::signal(signal, SIG_DFL);
    ::raise(signal);  // takes effect when this handler returns
  } else {
    previous_action.sa_handler(signal);
  }
}

// The handler is in place while any thread is inside use_mapped(), and no longer: the process
// belongs to who uses the library.
class HandlerInstalled {
 public:
  HandlerInstalled() {
    const std::lock_guard lock(mutex);
    if (users++ > 0) return;
    struct sigaction action = {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    STKIT_CHECK(::sigaction(SIGBUS, nullptr, &previous_action) == 0);
    STKIT_CHECK(::sigaction(SIGBUS, &action, nullptr) == 0);
  }
  HandlerInstalled(const HandlerInstalled&) = delete;
  HandlerInstalled& operator=(const HandlerInstalled&) = delete;
  ~HandlerInstalled() {
    const std::lock_guard lock(mutex);
    if (--users > 0) return;
    struct sigaction now = {};
    ::sigaction(SIGBUS, nullptr, &now);
    if ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == on_bus_error)
      ::sigaction(SIGBUS, &previous_action, nullptr);
  }

 private:
  static inline std::mutex mutex;
  static inline size_t users = 0;
};

// Apart from its caller, so that no variable lives across the jump.
[[gnu::noinline]] bool use_guarded(Guard& guard,
                                   FunctionRef<void(std::span<const std::byte>)> use) {
  // With the signal mask: the handler is left by a jump, and SIGBUS is blocked inside of it.
  if (sigsetjmp(guard.return_point, 1) != 0) {
    current_guard = nullptr;
    return false;
  }
  current_guard = &guard;
  use(guard.bytes);
  current_guard = nullptr;
  return true;
}

}  // namespace

Result<void> use_mapped(const RandomAccessFile& file, uint64_t offset_bytes, uint64_t size_bytes,
                        FunctionRef<void(std::span<const std::byte>)> use) {
  const std::span<const std::byte> all = file.mapped();
  STKIT_CHECK(offset_bytes <= all.size() && size_bytes <= all.size() - offset_bytes);
  STKIT_CHECK(current_guard == nullptr);
  const HandlerInstalled installed;
  Guard guard;
  guard.bytes = all.subspan(static_cast<size_t>(offset_bytes), static_cast<size_t>(size_bytes));
  if (use_guarded(guard, use)) return {};
  return fail(ErrorCode::InputChanged,
              fmt::format("bytes {} to {} cannot be read any more; the file held {} when it was "
                          "opened",
                          format_grouped(offset_bytes), format_grouped(offset_bytes + size_bytes),
                          format_grouped(file.size_bytes())),
              "the file was truncated or its disk failed; run it again once that is mended",
              file.label());
}

}  // namespace stkit
