#include "stopped_run.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

namespace stkit::test {
namespace {

constexpr int kNotTraced = 125;

[[noreturn]] void become_traced(const char* program, char* const* argv, char* const* envp,
                                const char* folder) {
  const int nowhere = open("/dev/null", O_RDWR);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(nowhere, stream);
  if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0 || chdir(folder) != 0) _exit(kNotTraced);
  raise(SIGSTOP);
  execve(program, argv, envp);
  _exit(kNotTraced);
}

bool makes_something(const __ptrace_syscall_info& info) {
  const uint64_t* args = info.entry.args;
  switch (info.entry.nr) {
    case SYS_mkdirat: return true;
    case SYS_openat: return (args[2] & O_CREAT) != 0;
#ifdef SYS_mkdir  // not on the newer architectures
    case SYS_mkdir: return true;
    case SYS_open: return (args[1] & O_CREAT) != 0;
#endif
    default: return false;
  }
}

class Tracer {
 public:
  Tracer(pid_t pid, int signal, std::optional<uint64_t> stop_at)
      : pid_(pid), signal_(signal), stop_at_(stop_at) {}

  // Nothing when the child could not be traced.
  std::optional<StoppedRun> follow() {
    int status = 0;
    if (waitpid(pid_, &status, 0) != pid_ || !WIFSTOPPED(status)) return std::nullopt;
    constexpr uintptr_t kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, pid_, nullptr, kOptions) != 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, &status, 0);
      return std::nullopt;
    }
    go_on(pid_, 0);
    for (;;) {
      const pid_t thread = waitpid(-1, &status, __WALL);
      if (thread < 0 && errno == EINTR) continue;
      if (thread < 0) throw std::runtime_error("waitpid failed");
      if (WIFSTOPPED(status)) {
        go_on(thread, at_stop(thread, status));
      } else if (thread == pid_) {
        run_.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        return run_;
      }
    }
  }

 private:
  // Returns the signal that the thread gets as it goes on.
  int at_stop(pid_t thread, int status) {
    const int signal = WSTOPSIG(status);
    if (signal == (SIGTRAP | 0x80)) {
      at_call(thread);
      return 0;
    }
    // Threads begin with a stop, and clone and exec are told by one.
    return signal == SIGTRAP || signal == SIGSTOP ? 0 : signal;
  }

  void at_call(pid_t thread) {
    __ptrace_syscall_info info{};
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) return;
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return;
    begun_ = begun_ || makes_something(info);
    if (!begun_) return;
    if (stop_at_ == run_.calls) kill(pid_, signal_);
    ++run_.calls;
  }

  // A thread that SIGKILL ended meanwhile cannot go on, which is what was wanted.
  void go_on(pid_t thread, int signal) const {
    ptrace(PTRACE_SYSCALL, thread, nullptr, static_cast<uintptr_t>(signal));
  }

  const pid_t pid_;
  const int signal_;
  const std::optional<uint64_t> stop_at_;
  bool begun_ = false;
  StoppedRun run_;
};

}  // namespace

std::optional<StoppedRun> run_and_stop(const std::vector<std::string>& args,
                                       const std::filesystem::path& folder, int signal,
                                       std::optional<uint64_t> stop_at,
                                       const std::vector<std::string>& environment) {
  std::vector<std::string> texts = {"stkit"};
  texts.insert(texts.end(), args.begin(), args.end());
  std::vector<char*> argv;
  for (std::string& text : texts) argv.push_back(text.data());
  argv.push_back(nullptr);
  // A leak checker is a tracer itself and cannot work under another.
  std::vector<std::string> variables = {"LC_ALL=C.UTF-8", "ASAN_OPTIONS=detect_leaks=0"};
  variables.insert(variables.end(), environment.begin(), environment.end());
  std::vector<char*> envp;
  for (std::string& text : variables) envp.push_back(text.data());
  envp.push_back(nullptr);
  const std::string program(STKIT_PROGRAM), place = folder.string();
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid == 0) become_traced(program.c_str(), argv.data(), envp.data(), place.c_str());
  std::optional<StoppedRun> run = Tracer(pid, signal, stop_at).follow();
  if (run && run->exit_code == kNotTraced) run.reset();
  return run;
}

}  // namespace stkit::test
