// Search and replace in names, by POSIX extended regular expressions.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "stkit/error.h"

namespace stkit {

// Replaces every match, from left to right, as `sed -E s/PATTERN/REPLACEMENT/g` does. In the
// replacement `\1` to `\9` stand for the groups of the pattern, `\0` for all of the match and `\\`
// for a backslash. Patterns that refer back to their own groups are refused: without them matching
// takes time linear in the name, whatever the name is. Thread-safe.
class Rename {
 public:
  // Usage for a pattern or replacement that makes no sense.
  static Result<Rename> compile(std::string_view pattern, std::string_view replacement);
  Rename(Rename&&) noexcept;
  Rename& operator=(Rename&&) noexcept;
  ~Rename();

  // A name with a NUL character stays as it is: the C library's strings end there.
  std::string apply(const std::string& name) const;

 private:
  struct Rep;
  explicit Rename(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

}  // namespace stkit
