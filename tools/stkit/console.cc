#include "console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "signals.h"

namespace stkit::cli {

void Console::set_color(ColorMode mode) { color_ = mode; }

void Console::message(std::string_view text) {
  const std::lock_guard lock(mutex_);
  std::string out;
  erase(out);
  out += text;
  out += '\n';
  put(out);
}

void Console::draw(std::span<const std::string> lines) {
  const std::lock_guard lock(mutex_);
  // Written over in place and cleared to the right: erasing everything first would flicker.
  // From the first column: a key that the terminal echoed, as ^C, has moved the cursor.
  std::string out = "\r\x1b[?25l";
  if (live_lines_ > 0) out += fmt::format("\x1b[{}A", live_lines_);
  for (const std::string& line : lines) out += line + "\x1b[K\n";
  out += "\x1b[J";
  live_lines_ = lines.size();
  note_cursor_hidden(true);
  put(out);
}

void Console::clear() {
  const std::lock_guard lock(mutex_);
  std::string out;
  erase(out);
  put(out);
}

void Console::erase(std::string& out) {
  if (live_lines_ == 0) return;
  out += fmt::format("\r\x1b[{}A\x1b[J\x1b[?25h", live_lines_);
  live_lines_ = 0;
  note_cursor_hidden(false);
}

// Nothing can be done about a stderr that fails, and nobody is there to be told.
void Console::put(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t written = write(fd_, text.data(), text.size());
    if (written > 0)
      text.remove_prefix(static_cast<size_t>(written));
    else if (errno != EINTR)
      return;
  }
}

}  // namespace stkit::cli
