// stderr: messages, and below them the live lines of a progress bar.
#pragma once

#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "terminal.h"

namespace stkit::cli {

// Thread-safe. Messages and live lines never mix: the lines are cleared before a message.
class Console {
 public:
  explicit Console(int fd) : fd_(fd) {}
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;
  ~Console() { clear(); }

  void set_color(ColorMode mode);
  // Asked anew each time: a window changes its size.
  Terminal terminal() const { return look_at(fd_, color_); }

  // One message of one or more lines, without the last line feed.
  void message(std::string_view text);

  // Replaces the live lines. REQUIRES: each fits the terminal.
  void draw(std::span<const std::string> lines);
  void clear();

 private:
  void erase(std::string& out);
  void put(std::string_view text) const;

  const int fd_;
  ColorMode color_ = ColorMode::Auto;
  std::mutex mutex_;
  size_t live_lines_ = 0;
};

}  // namespace stkit::cli
