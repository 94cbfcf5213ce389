// Errors as values. Anything that input, disk or network can cause is a Result; no exception
// crosses this API. Broken invariants of our own abort through STKIT_CHECK (src/base/check.h).
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace stkit {

// What went wrong, as far as a caller acts on it. One row each in error_codes().
enum class ErrorCode : uint8_t {
  Usage,           // an option or argument makes no sense
  Corrupt,         // the input breaks its format's rules or contradicts itself
  Unsupported,     // the input is sound, but of a kind that cannot be handled
  InputChanged,    // the input was modified or truncated while it was read
  ReadFailed,      // the operating system could not read the input
  OutOfMemory,     // the work does not fit into the memory it may use
  NotFound,        // no such file, repository, revision or tensor
  AccessDenied,    // file permissions, 401/403, gated repository
  Network,         // unreachable, timed out, gave up after retries
  Checksum,        // content differs from the digest that was promised
  NoSpace,         // the output does not fit, or the disk filled up
  OutputExists,    // refusing to replace what is there without --force
  OutputLocked,    // another stkit writes to the same target
  OutputConflict,  // the output would overwrite or lie inside its own input
  WriteFailed,     // the operating system could not write the output
  Interrupted,     // SIGINT, or the caller's CancelToken
  Terminated,      // SIGTERM
  Internal,        // a bug in stkit
};

struct ErrorCodeInfo {
  ErrorCode code;
  std::string_view name;  // stable, used in JSON: "corrupt"
  int exit_code;          // of the stkit program
  std::string_view meaning;
};

// Every code once, in the order of the enum.
std::span<const ErrorCodeInfo> error_codes();
const ErrorCodeInfo& info(ErrorCode code);

struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::Internal;
  std::string message;  // the cause with its numbers; lower case, no final period
  std::string hint;     // the way out; may be empty
  std::string path;     // the file or reference it is about; may be empty

  Error with_hint(std::string text) && {
    hint = std::move(text);
    return std::move(*this);
  }
  Error at(std::string where) && {
    path = std::move(where);
    return std::move(*this);
  }
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorCode code, std::string message, std::string hint = {},
                                   std::string path = {}) {
  return std::unexpected(Error{code, std::move(message), std::move(hint), std::move(path)});
}
inline std::unexpected<Error> fail(Error error) { return std::unexpected(std::move(error)); }

#define STKIT_CONCAT_(a, b) a##b
#define STKIT_CONCAT(a, b) STKIT_CONCAT_(a, b)

// Returns the error of `expr` from the enclosing function, if it is one.
#define STKIT_TRY(expr) STKIT_TRY_(STKIT_CONCAT(stkit_try_, __COUNTER__), expr)

// The same, and otherwise `decl = value`: STKIT_ASSIGN(auto file, open_file(path));
#define STKIT_ASSIGN(decl, expr) STKIT_ASSIGN_(STKIT_CONCAT(stkit_result_, __COUNTER__), decl, expr)

// Names by __COUNTER__: all of a lambda inside a macro's argument is on one __LINE__.
#define STKIT_TRY_(result, expr)                         \
  do {                                                   \
    if (auto result = (expr); !result) [[unlikely]]      \
      return std::unexpected(std::move(result).error()); \
  } while (false)
#define STKIT_ASSIGN_(result, decl, expr)              \
  auto result = (expr);                                \
  if (!result) [[unlikely]]                            \
    return std::unexpected(std::move(result).error()); \
  decl = std::move(*result)

}  // namespace stkit
