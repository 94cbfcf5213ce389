// Shell-style patterns, compiled once for many texts. The syntax is that of glob_match().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stkit {

// Matching takes at most (length of the pattern) x (length of the text) steps, whatever the
// pattern. What is not well-formed (a `[` or `{` that is never closed, a `\` at the end) stands
// for itself. Thread-safe.
class Glob {
 public:
  explicit Glob(std::string_view pattern);
  bool matches(std::string_view text) const;

 private:
  friend class GlobCompiler;

  // The pattern as a nondeterministic automaton: every step consumes one character, except Fork.
  enum class Op : uint8_t { Character, Any, AnyRun, Set, Fork, Accept };
  struct Range {
    char32_t first, last;
  };
  struct Step {
    Op op;
    bool negated = false;  // Set
    char32_t code = 0;     // Character
    uint32_t first = 0;    // Set: into ranges_. Fork: where to go
    uint32_t second = 0;   // Set: the end in ranges_. Fork: where else to go
  };
  using Active = std::vector<uint32_t>;  // steps that may consume the next character

  void activate(uint32_t step, Active& active, std::vector<uint32_t>& seen, uint32_t round) const;
  bool accepts(const Step& step, char32_t code) const;

  std::vector<Step> steps_;
  std::vector<Range> ranges_;
  // A run of characters that every match holds, looked for before anything else: of a million
  // tensor names nearly all fail there. The whole text, when nothing in the pattern is special.
  std::string literal_;
  bool is_literal_ = false;
};

}  // namespace stkit
