#include "run_program.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>

namespace stkit::test {
namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

void set_limit(int resource, uint64_t limit) {
  const rlimit value{limit, limit};
  if (limit > 0) setrlimit(static_cast<__rlimit_resource>(resource), &value);
}

// In the child. Everything that allocates was made before the fork.
struct Launch {
  std::vector<std::string> argv, envp;
  std::vector<char*> argv_pointers, envp_pointers;
  std::string folder, program;

  explicit Launch(const RunSpec& spec) : folder(spec.folder.string()) {
    const std::filesystem::path stkit(STKIT_PROGRAM);
    if (spec.shell.empty()) {
      program = stkit.string();
      argv = {"stkit"};
      argv.insert(argv.end(), spec.args.begin(), spec.args.end());
    } else {
      program = "/bin/sh";
      argv = {"sh", "-c", spec.shell};
    }
    std::map<std::string, std::string> environment = {
        {"PATH", stkit.parent_path().string() + ":/usr/bin:/bin"},
        {"HOME", folder},
        {"LC_ALL", "C.UTF-8"},
        {"TERM", "xterm"}};
    // A sanitized binary says "no memory" by exception, as the plain one does.
    environment["ASAN_OPTIONS"] = "allocator_may_return_null=1:handle_abort=0";
    for (const auto& [name, value] : spec.environment) environment[name] = value;
    for (const auto& [name, value] : environment) envp.push_back(name + "=" + value);
    argv_pointers = pointers(argv);
    envp_pointers = pointers(envp);
  }

  [[noreturn]] void exec(const RunSpec& spec) {
    set_limit(RLIMIT_FSIZE, spec.file_size_limit);
    set_limit(RLIMIT_AS, spec.memory_limit);
    if (!folder.empty() && chdir(folder.c_str()) != 0) _exit(126);
    execve(program.c_str(), argv_pointers.data(), envp_pointers.data());
    _exit(127);
  }
};

int wait_for_exit(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct Pipe {
  int read_end = -1, write_end = -1;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
    read_end = ends[0];
    write_end = ends[1];
  }
  void close_read() { close_end(read_end); }
  void close_write() { close_end(write_end); }
  ~Pipe() {
    close_read();
    close_write();
  }

 private:
  static void close_end(int& end) {
    if (end >= 0) close(end);
    end = -1;
  }
};

// Reads both to their ends, whichever has something.
void read_all(std::array<std::pair<int, std::string*>, 2> streams) {
  size_t open = streams.size();
  while (open > 0) {
    pollfd wait[2] = {{streams[0].first, POLLIN, 0}, {streams[1].first, POLLIN, 0}};
    if (poll(wait, 2, -1) < 0 && errno != EINTR) throw std::runtime_error("poll failed");
    for (size_t i = 0; i < streams.size(); ++i) {
      if (wait[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t count = read(streams[i].first, buffer, sizeof buffer);
      if (count > 0) {
        streams[i].second->append(buffer, static_cast<size_t>(count));
      } else {
        streams[i].first = -1;
        --open;
      }
    }
  }
}

}  // namespace

RunResult run(const RunSpec& spec) {
  Launch launch(spec);
  Pipe in, out, err;
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(in.read_end, STDIN_FILENO);
    dup2(spec.output.empty() ? out.write_end : open(spec.output.c_str(), O_WRONLY), STDOUT_FILENO);
    dup2(err.write_end, STDERR_FILENO);
    launch.exec(spec);
  }
  in.close_read();
  out.close_write();
  err.close_write();
  // Inputs of tests fit a pipe's buffer.
  if (!spec.input.empty() && write(in.write_end, spec.input.data(), spec.input.size()) < 0)
    throw std::runtime_error("cannot write to the program");
  in.close_write();
  RunResult result;
  read_all({{{out.read_end, &result.out}, {err.read_end, &result.err}}});
  result.exit_code = wait_for_exit(pid);
  return result;
}

TerminalRun::TerminalRun(const RunSpec& spec, unsigned columns, unsigned rows) {
  Launch launch(spec);
  winsize size{};
  size.ws_col = static_cast<unsigned short>(columns);
  size.ws_row = static_cast<unsigned short>(rows);
  pid_ = forkpty(&terminal_, nullptr, nullptr, &size);
  if (pid_ < 0) throw std::runtime_error("forkpty failed");
  if (pid_ == 0) launch.exec(spec);
}

TerminalRun::~TerminalRun() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    wait_for_exit(pid_);
  }
  close(terminal_);
}

bool TerminalRun::read_some() {
  char buffer[4096];
  const ssize_t count = read(terminal_, buffer, sizeof buffer);
  if (count <= 0) return false;  // EIO: the other side is closed
  received_.append(buffer, static_cast<size_t>(count));
  return true;
}

bool TerminalRun::wait_for(const std::string& text) {
  while (received_.find(text) == std::string::npos)
    if (!read_some()) return false;
  return true;
}

void TerminalRun::send_signal(int signal_number) const { kill(pid_, signal_number); }

int TerminalRun::wait() {
  while (read_some()) {
  }
  const int exit_code = wait_for_exit(pid_);
  pid_ = -1;
  return exit_code;
}

}  // namespace stkit::test
