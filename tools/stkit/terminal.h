// What a stream is connected to, and how text on it may look.
#pragma once

#include <string>
#include <string_view>

namespace stkit::cli {

enum class ColorMode { Auto, Always, Never };

// The variables that decide about colour and width.
struct Environment {
  std::string no_color, clicolor_force, term, columns;
  static Environment read();
};

// The option wins over NO_COLOR, that over CLICOLOR_FORCE, that over whether it is a terminal.
bool use_color(ColorMode mode, bool is_terminal, const Environment& environment);

struct Terminal {
  bool is_terminal = false;
  bool color = false;
  unsigned columns = 0;  // 0: no limit (a pipe or file)
  unsigned rows = 0;
};

Terminal look_at(int fd, ColorMode mode, const Environment& environment = Environment::read());

// Wraps text in colour, or leaves it as it is.
class Paint {
 public:
  explicit Paint(bool on) : on_(on) {}

  std::string bold(std::string_view text) const { return wrap("1", text); }
  std::string dim(std::string_view text) const { return wrap("2", text); }
  std::string red(std::string_view text) const { return wrap("1;31", text); }
  std::string yellow(std::string_view text) const { return wrap("1;33", text); }
  std::string green(std::string_view text) const { return wrap("32", text); }
  std::string cyan(std::string_view text) const { return wrap("36", text); }
  bool on() const { return on_; }

 private:
  std::string wrap(std::string_view code, std::string_view text) const;
  bool on_;
};

// `text` in lines of at most `columns` cells, each behind `indent` spaces. Lines that start with a
// space are kept as they are.
std::string wrap_text(std::string_view text, unsigned indent, unsigned columns);

}  // namespace stkit::cli
