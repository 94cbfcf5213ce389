// Findings: what is wrong with an input, as data. Every rule that stkit checks is a row of one
// table, with an id that never changes; the commands that need a sound model turn the first
// finding of severity Error into an Error, `validate` lists them all.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stkit/error.h"

namespace stkit {

enum class Severity : uint8_t { Note, Warning, Error };
std::string_view name(Severity severity);  // "note", "warning", "error"

// An index into checks(). The enumerators are generated from the table in src/base/checks.inc.
enum class Check : uint16_t {
#define STKIT_CHECK_ROW(symbol, id, slug, severity, summary, cure) symbol,
#include "stkit/checks.inc"
#undef STKIT_CHECK_ROW
};

struct CheckInfo {
  Check check;
  std::string_view id;    // "ST001"; the letters name the group, the number is never reused
  std::string_view slug;  // "header-too-large"
  Severity severity;
  std::string_view summary;  // the rule, as a sentence
  std::string_view cure;     // what to do about a violation in general
};

std::span<const CheckInfo> checks();
const CheckInfo& info(Check check);
std::optional<Check> find_check(std::string_view id_or_slug);  // any case

struct Finding {
  Check check;
  std::string path = {};     // the file, as messages show it; may be empty
  std::string tensor = {};   // may be empty
  std::string message = {};  // with the numbers
  std::string hint = {};     // the cure for this very case; the table's when empty
  std::optional<Severity> severity_override = {};  // where context makes it lighter or heavier

  Severity severity() const { return severity_override.value_or(info(check).severity); }
};

// The Error that a command which needs a sound input fails with; `more` others are mentioned.
Error to_error(const Finding& finding, size_t more = 0);

}  // namespace stkit
