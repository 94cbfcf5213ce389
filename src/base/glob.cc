#include "base/glob.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/utf8.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr uint32_t kNowhere = ~uint32_t{0};

// Bytes that are not UTF-8 are characters of their own, beyond Unicode.
char32_t take_character(std::string_view text, size_t& at) {
  const Utf8Char c = decode_utf8(text.substr(at));
  const char32_t code = c.valid ? c.code : 0x110000 + static_cast<unsigned char>(text[at]);
  at += c.length;
  return code;
}

}  // namespace

class GlobCompiler {
 public:
  GlobCompiler(Glob& glob, std::string_view pattern) : glob_(glob), pattern_(pattern) {
    find_groups();
  }

  void run() {
    for (size_t at = 0; at < pattern_.size();) {
      switch (pattern_[at]) {
        case '*': add({.op = Glob::Op::AnyRun}), ++at; break;
        case '?': add({.op = Glob::Op::Any}), ++at; break;
        case '[': at = set(at); break;
        case '{': at = open(at); break;
        case ',': at = next_alternative(at); break;
        case '}': at = close(at); break;
        case '\\': at = character(at + (at + 1 < pattern_.size() ? 1 : 0)); break;
        default: at = character(at);
      }
    }
    add({.op = Glob::Op::Accept});
    end_run();
  }

 private:
  struct Group {
    size_t end;                   // of its `}` in the pattern
    uint32_t fork;                // in front of the alternative being read
    std::vector<uint32_t> exits;  // behind each alternative that was read
  };

  uint32_t here() const { return static_cast<uint32_t>(glob_.steps_.size()); }
  void add(Glob::Step step) {
    if (step.op != Glob::Op::Character) end_run();
    glob_.steps_.push_back(step);
  }

  size_t character(size_t at) {
    const size_t begin = at;
    add({.op = Glob::Op::Character, .code = take_character(pattern_, at)});
    // Alternatives are not required.
    if (groups_.empty()) run_ += pattern_.substr(begin, at - begin);
    return at;
  }

  void end_run() {
    if (run_.size() > glob_.literal_.size()) glob_.literal_ = run_;
    run_.clear();
  }

  // The `]` of the set that starts at `at`, or npos.
  size_t set_end(size_t at) const {
    size_t i = at + 1;
    if (i < pattern_.size() && (pattern_[i] == '!' || pattern_[i] == '^')) ++i;
    if (i < pattern_.size() && pattern_[i] == ']') ++i;  // in front, it is a member
    while (i < pattern_.size() && pattern_[i] != ']') i += pattern_[i] == '\\' ? 2u : 1u;
    return i < pattern_.size() ? i : std::string_view::npos;
  }

  size_t set(size_t at) {
    const size_t end = set_end(at);
    if (end == std::string_view::npos) return character(at);
    const bool negated = pattern_[at + 1] == '!' || pattern_[at + 1] == '^';
    size_t i = at + (negated ? 2 : 1);
    const auto first = static_cast<uint32_t>(glob_.ranges_.size());
    const auto member = [&] {
      if (pattern_[i] == '\\') ++i;
      return take_character(pattern_, i);
    };
    while (i < end) {
      const char32_t low = member();
      char32_t high = low;
      if (i + 1 < end && pattern_[i] == '-') {
        ++i;
        high = member();
      }
      glob_.ranges_.push_back({low, high});
    }
    add({.op = Glob::Op::Set,
         .negated = negated,
         .first = first,
         .second = static_cast<uint32_t>(glob_.ranges_.size())});
    return end + 1;
  }

  // Pairs every `{` with its `}`.
  void find_groups() {
    std::vector<size_t> open;
    for (size_t at = 0; at < pattern_.size(); ++at) {
      switch (pattern_[at]) {
        case '\\': ++at; break;
        case '[':
          if (const size_t end = set_end(at); end != std::string_view::npos) at = end;
          break;
        case '{': open.push_back(at); break;
        case '}':
          if (open.empty()) break;
          pairs_.emplace_back(open.back(), at);
          open.pop_back();
          break;
        default: break;
      }
    }
    std::ranges::sort(pairs_);
  }

  size_t open(size_t at) {
    const auto pair = std::ranges::lower_bound(pairs_, std::pair{at, size_t{0}});
    if (pair == pairs_.end() || pair->first != at) return character(at);
    groups_.push_back({pair->second, here(), {}});
    add({.op = Glob::Op::Fork, .first = here() + 1, .second = kNowhere});
    return at + 1;
  }

  size_t next_alternative(size_t at) {
    if (groups_.empty()) return character(at);
    Group& group = groups_.back();
    group.exits.push_back(here());
    add({.op = Glob::Op::Fork, .first = kNowhere, .second = kNowhere});
    glob_.steps_[group.fork].second = here();
    group.fork = here();
    add({.op = Glob::Op::Fork, .first = here() + 1, .second = kNowhere});
    return at + 1;
  }

  size_t close(size_t at) {
    if (groups_.empty() || groups_.back().end != at) return character(at);
    for (const uint32_t exit : groups_.back().exits) glob_.steps_[exit].first = here();
    groups_.pop_back();
    return at + 1;
  }

  Glob& glob_;
  std::string_view pattern_;
  std::vector<std::pair<size_t, size_t>> pairs_;
  std::vector<Group> groups_;
  std::string run_;  // of plain characters, up to here
};

Glob::Glob(std::string_view pattern) {
  if (pattern.find_first_of("*?[{\\") == std::string_view::npos) {
    literal_ = pattern;
    is_literal_ = true;
    return;
  }
  GlobCompiler(*this, pattern).run();
}

bool Glob::accepts(const Step& step, char32_t code) const {
  switch (step.op) {
    case Op::Character: return step.code == code;
    case Op::Any:
    case Op::AnyRun: return true;
    case Op::Set: {
      const auto inside = [&](Range range) { return code >= range.first && code <= range.last; };
      const auto begin = ranges_.begin();
      return std::any_of(begin + step.first, begin + step.second, inside) != step.negated;
    }
    case Op::Fork:
    case Op::Accept: return false;
  }
  return false;
}

// Adds `step`, or the steps that it leads to without consuming anything.
void Glob::activate(uint32_t step, Active& active, std::vector<uint32_t>& seen,
                    uint32_t round) const {
  std::vector<uint32_t> forks;
  while (true) {
    while (step != kNowhere && seen[step] != round) {
      seen[step] = round;
      if (steps_[step].op == Op::Fork) {
        forks.push_back(steps_[step].second);
        step = steps_[step].first;
        continue;
      }
      active.push_back(step);
      if (steps_[step].op != Op::AnyRun) break;
      ++step;  // the run may be empty
    }
    if (forks.empty()) return;
    step = forks.back();
    forks.pop_back();
  }
}

bool Glob::matches(std::string_view text) const {
  if (is_literal_) return text == literal_;
  if (text.size() < literal_.size()) return false;
  if (!literal_.empty() &&
      memmem(text.data(), text.size(), literal_.data(), literal_.size()) == nullptr)
    return false;
  Active active, next;
  std::vector<uint32_t> seen(steps_.size(), 0);
  uint32_t round = 1;
  activate(0, active, seen, round);
  for (size_t at = 0; at < text.size() && !active.empty();) {
    const char32_t code = take_character(text, at);
    ++round;
    next.clear();
    for (const uint32_t step : active) {
      if (!accepts(steps_[step], code)) continue;
      activate(steps_[step].op == Op::AnyRun ? step : step + 1, next, seen, round);
    }
    active.swap(next);
  }
  return std::ranges::any_of(active, [&](uint32_t step) { return steps_[step].op == Op::Accept; });
}

bool glob_match(std::string_view pattern, std::string_view text) {
  return Glob(pattern).matches(text);
}

}  // namespace stkit
