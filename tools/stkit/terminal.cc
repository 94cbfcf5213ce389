#include "terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>

#include "stkit/text.h"

namespace stkit::cli {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

unsigned parse_columns(const std::string& text) {
  unsigned columns = 0;
  std::from_chars(text.data(), text.data() + text.size(), columns);
  return columns;
}

void append_wrapped(std::string& out, std::string_view line, unsigned indent, unsigned columns) {
  const std::string margin(indent, ' ');
  size_t used = 0;
  for (size_t at = 0; at < line.size();) {
    const size_t space = std::min(line.find(' ', at), line.size());
    const std::string_view word = line.substr(at, space - at);
    const size_t width = display_width(word);
    if (used == 0) {
      out += margin;
    } else if (indent + used + 1 + width > columns) {
      out += '\n' + margin;
      used = 0;
    } else {
      out += ' ';
      ++used;
    }
    out += word;
    used += width;
    at = space + 1;
  }
  out += '\n';
}

}  // namespace

Environment Environment::read() {
  return {variable("NO_COLOR"), variable("CLICOLOR_FORCE"), variable("TERM"), variable("COLUMNS")};
}

bool use_color(ColorMode mode, bool is_terminal, const Environment& environment) {
  if (mode != ColorMode::Auto) return mode == ColorMode::Always;
  if (!environment.no_color.empty()) return false;
  if (!environment.clicolor_force.empty() && environment.clicolor_force != "0") return true;
  return is_terminal && environment.term != "dumb";
}

Terminal look_at(int fd, ColorMode mode, const Environment& environment) {
  Terminal found;
  found.is_terminal = isatty(fd) == 1;
  found.color = use_color(mode, found.is_terminal, environment);
  if (!found.is_terminal) return found;
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) == 0) {
    found.columns = size.ws_col;
    found.rows = size.ws_row;
  }
  if (found.columns == 0) found.columns = parse_columns(environment.columns);
  if (found.columns == 0) found.columns = 80;
  if (found.rows == 0) found.rows = 24;
  return found;
}

std::string Paint::wrap(std::string_view code, std::string_view text) const {
  if (!on_ || text.empty()) return std::string(text);
  std::string painted = "\x1b[";
  painted += code;
  painted += 'm';
  painted += text;
  painted += "\x1b[0m";
  return painted;
}

std::string wrap_text(std::string_view text, unsigned indent, unsigned columns) {
  std::string out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (line.empty()) {
      out += '\n';
    } else if (line.front() == ' ') {
      out.append(indent, ' ').append(line).push_back('\n');
    } else {
      append_wrapped(out, line, indent, columns);
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace stkit::cli
