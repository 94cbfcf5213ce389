#include "base/rename.h"

#include <fmt/format.h>
#include <regex.h>

#include <array>
#include <optional>
#include <vector>

#include "base/ascii.h"
#include "base/utf8.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr size_t kGroups = 10;  // all of the match, and \1 to \9

// A run of text, then a group of the match.
struct Piece {
  std::string text;
  int group = -1;  // none behind the last
};

std::unexpected<Error> bad(std::string_view what, std::string_view text, std::string_view why) {
  return fail(ErrorCode::Usage, fmt::format("{} '{}': {}", what, printable(text, 200), why));
}

// Inside [...] a backslash is an ordinary character.
bool refers_back(std::string_view pattern) {
  for (size_t i = 0; i + 1 < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      ++i;
      if (pattern[i] >= '1' && pattern[i] <= '9') return true;
    } else if (pattern[i] == '[') {
      i += pattern[i + 1] == '^' ? 2u : 1u;
      const size_t end = pattern.find(']', i + 1);
      if (end == std::string_view::npos) return false;  // regcomp has a message for that
      i = end;
    }
  }
  return false;
}

Result<std::vector<Piece>> parse_replacement(std::string_view text, size_t groups) {
  std::vector<Piece> pieces(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      pieces.back().text += text[i];
      continue;
    }
    if (++i == text.size()) return bad("replacement", text, "ends in a single backslash");
    if (text[i] == '\\') {
      pieces.back().text += '\\';
    } else if (ascii::is_digit(text[i])) {
      const int group = text[i] - '0';
      if (static_cast<size_t>(group) > groups)
        return bad("replacement", text,
                   fmt::format("\\{} is used, but the pattern has {} groups", group, groups));
      pieces.back().group = group;
      pieces.emplace_back();
    } else {
      return bad("replacement", text,
                 fmt::format("a backslash before '{}'; known are \\0 to \\9 and \\\\",
                             printable(text.substr(i, 1))));
    }
  }
  return pieces;
}

}  // namespace

struct Rename::Rep {
  regex_t regex{};
  bool compiled = false;
  std::vector<Piece> replacement;

  Rep() = default;
  Rep(const Rep&) = delete;
  Rep& operator=(const Rep&) = delete;
  ~Rep() {
    if (compiled) ::regfree(&regex);
  }
};

Rename::Rename(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Rename::Rename(Rename&&) noexcept = default;
Rename& Rename::operator=(Rename&&) noexcept = default;
Rename::~Rename() = default;

Result<Rename> Rename::compile(std::string_view pattern, std::string_view replacement) {
  constexpr std::string_view kWhat = "regular expression";
  if (pattern.empty()) return bad(kWhat, pattern, "is empty");
  if (pattern.find('\0') != std::string_view::npos)
    return bad(kWhat, pattern, "holds a NUL character");
  if (refers_back(pattern))
    return bad(kWhat, pattern, "refers back to its own group, which takes exponential time");

  auto rep = std::make_unique<Rep>();
  const std::string terminated(pattern);
  if (const int number = ::regcomp(&rep->regex, terminated.c_str(), REG_EXTENDED); number != 0) {
    std::array<char, 128> message{};
    ::regerror(number, &rep->regex, message.data(), message.size());
    return bad(kWhat, pattern, message.data());
  }
  rep->compiled = true;
  STKIT_ASSIGN(rep->replacement, parse_replacement(replacement, rep->regex.re_nsub));
  return Rename(std::move(rep));
}

std::string Rename::apply(const std::string& name) const {
  if (name.find('\0') != std::string::npos) return name;
  std::string result;
  std::array<regmatch_t, kGroups> groups;
  const char* const begin = name.c_str();
  size_t position = 0;
  std::optional<size_t> replaced_up_to;
  while (::regexec(&rep_->regex, begin + position, kGroups, groups.data(),
                   position > 0 ? REG_NOTBOL : 0) == 0) {
    const auto text_of = [&](const regmatch_t& group) {
      if (group.rm_so < 0) return std::string_view();  // an alternative that was not taken
      return std::string_view(begin + position + group.rm_so, begin + position + group.rm_eo);
    };
    const std::string_view match = text_of(groups[0]);
    const auto start = static_cast<size_t>(match.data() - begin);
    result.append(name, position, start - position);
    // Right behind a replacement nothing is not replaced once more.
    if (!match.empty() || start != replaced_up_to)
      for (const Piece& piece : rep_->replacement) {
        result += piece.text;
        if (piece.group >= 0) result += text_of(groups[static_cast<size_t>(piece.group)]);
      }
    position = start + match.size();
    replaced_up_to = position;
    if (position == name.size()) return result;
    if (!match.empty()) continue;
    // Nothing was consumed: the next character is passed over, whole.
    const size_t length = decode_utf8(std::string_view(name).substr(position)).length;
    result.append(name, position, length);
    position += length;
  }
  return result.append(name, position);
}

}  // namespace stkit
