#include "stkit/error.h"

#include <cstdio>
#include <cstdlib>

#include "base/check.h"

namespace stkit {
namespace {

constexpr ErrorCodeInfo kErrorCodes[] = {
    {ErrorCode::Usage, "usage", 2, "the command line is wrong"},
    {ErrorCode::Corrupt, "corrupt", 3, "the input breaks its format's rules"},
    {ErrorCode::Unsupported, "unsupported", 3, "the input is of a kind that cannot be handled"},
    {ErrorCode::InputChanged, "input_changed", 3, "the input changed while it was read"},
    {ErrorCode::ReadFailed, "read_failed", 3, "the input could not be read"},
    {ErrorCode::OutOfMemory, "out_of_memory", 3, "the work does not fit into memory"},
    {ErrorCode::NotFound, "not_found", 4, "no such file, repository, revision or tensor"},
    {ErrorCode::AccessDenied, "access_denied", 5, "file permissions, 401/403, gated repository"},
    {ErrorCode::Network, "network", 6, "unreachable, timed out, gave up after retries"},
    {ErrorCode::Checksum, "checksum", 6, "a download has the wrong digest"},
    {ErrorCode::NoSpace, "no_space", 7, "the output does not fit"},
    {ErrorCode::OutputExists, "output_exists", 7, "the output exists already"},
    {ErrorCode::OutputLocked, "output_locked", 7, "another stkit writes to the same target"},
    {ErrorCode::OutputConflict, "output_conflict", 7, "the output would overwrite its own input"},
    {ErrorCode::WriteFailed, "write_failed", 7, "the output could not be written"},
    {ErrorCode::Interrupted, "interrupted", 130, "stopped by SIGINT"},
    {ErrorCode::Terminated, "terminated", 143, "stopped by SIGTERM"},
    {ErrorCode::Internal, "internal", 70, "a bug in stkit"},
};

constexpr bool rows_match_enum() {
  for (size_t i = 0; i < std::size(kErrorCodes); ++i)
    if (static_cast<size_t>(kErrorCodes[i].code) != i) return false;
  return std::size(kErrorCodes) == static_cast<size_t>(ErrorCode::Internal) + 1;
}
static_assert(rows_match_enum());

}  // namespace

std::span<const ErrorCodeInfo> error_codes() { return kErrorCodes; }

const ErrorCodeInfo& info(ErrorCode code) { return kErrorCodes[static_cast<size_t>(code)]; }

void check_failed(const char* condition, const char* file, int line) {
  // The one message that the library prints itself: there is no caller left to return it to.
  std::fprintf(stderr, "bug: %s does not hold (%s:%d); please report it\n", condition, file, line);
  std::abort();
}

}  // namespace stkit
