#include "signals.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string_view>

namespace stkit::cli {
namespace {

// Handlers touch nothing but these and async-signal-safe calls.
CancelToken g_token;
std::atomic<bool> g_cursor_hidden{false};
std::atomic<bool> g_json{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<size_t>(written));
  }
}

void show_cursor() {
  if (g_cursor_hidden.exchange(false)) write_all(STDERR_FILENO, "\x1b[?25h");
}

void die_of(int signal_number) {
  show_cursor();
  signal(signal_number, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal_number);
  sigprocmask(SIG_UNBLOCK, &only, nullptr);
  raise(signal_number);
}

void on_stop(int signal_number) {
  const int saved = errno;
  if (g_token.cancelled()) die_of(signal_number);
  g_token.cancel(signal_number == SIGTERM ? ErrorCode::Terminated : ErrorCode::Interrupted);
  errno = saved;
}

void on_suspend(int signal_number) {
  const int saved = errno;
  die_of(signal_number);
  errno = saved;
}

void on_abort(int) {
  show_cursor();
  if (g_json)
    write_all(STDOUT_FILENO,
              R"({"error":{"code":"internal","exit":70,"path":"","message":"an invariant of stkit )"
              R"(broke","hint":"please report it with the message on stderr"}})"
              "\n");
  _exit(info(ErrorCode::Internal).exit_code);
}

// Without SA_RESTART: a read from a terminal or pipe must return for the token to be seen.
void handle(int signal_number, void (*handler)(int), int flags = 0) {
  struct sigaction action{};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  sigaction(signal_number, &action, nullptr);
}

// SIGTSTP has its default action while stopped; it is ours again once the program goes on.
void on_continue(int) {
  const int saved = errno;
  handle(SIGTSTP, on_suspend, SA_RESTART);
  errno = saved;
}

}  // namespace

CancelToken& cancel_token() { return g_token; }

void install_signal_handlers() {
  handle(SIGINT, on_stop);
  handle(SIGTERM, on_stop);
  handle(SIGTSTP, on_suspend, SA_RESTART);
  handle(SIGCONT, on_continue, SA_RESTART);
  handle(SIGABRT, on_abort);
  handle(SIGPIPE, SIG_IGN);
  handle(SIGXFSZ, SIG_IGN);
}

void note_cursor_hidden(bool hidden) { g_cursor_hidden = hidden; }

void report_aborts_as_json(bool yes) { g_json = yes; }

}  // namespace stkit::cli
