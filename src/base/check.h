// Invariants of our own code. Never for anything that input, disk or network can cause.
#pragma once

namespace stkit {

// Prints the condition and aborts with exit status 70 through the handler of the program.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace stkit

#define STKIT_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::stkit::check_failed(#condition, __FILE__, __LINE__))
