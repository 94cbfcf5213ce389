#include "io/disk_space.h"

#include <fmt/format.h>

#include <limits>
#include <optional>
#include <system_error>

#include "base/checked_math.h"
#include "io/os_error.h"
#include "stkit/text.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;

// Some filesystems on FUSE say nothing about their size.
std::optional<uint64_t> free_bytes(const struct ::statvfs& info) {
  if (info.f_blocks == 0) return std::nullopt;
  return checked_mul<uint64_t>(info.f_bavail, info.f_frsize)
      .value_or(std::numeric_limits<uint64_t>::max());
}

}  // namespace

fs::path nearest_folder(const fs::path& folder) {
  std::error_code error;
  fs::path place = fs::absolute(folder, error);
  while (!fs::exists(place, error) && place.has_relative_path()) place = place.parent_path();
  return place;
}

std::optional<uint64_t> free_space(const fs::path& path) {
  struct ::statvfs info;
  if (::statvfs(nearest_folder(path).c_str(), &info) != 0) return std::nullopt;
  return free_bytes(info);
}

Result<void> check_free_space(SystemCalls& calls, int place, uint64_t needed_bytes,
                              const std::string& label, std::string_view problem) {
  struct ::statvfs info;
  if (calls.statvfs(place, info) != 0)
    return fail(with_space(calls, place, needed_bytes,
                           write_error(errno, label, "the free space cannot be found out")));
  const auto available = free_bytes(info);
  if (!available || needed_bytes <= *available) return {};
  return fail(with_space(calls, place, needed_bytes, write_error(ENOSPC, label, problem)));
}

Error with_space(SystemCalls& calls, int place, uint64_t needed_bytes, Error error) {
  struct ::statvfs info;
  if (error.code != ErrorCode::NoSpace || calls.statvfs(place, info) != 0) return error;
  if (const auto available = free_bytes(info))
    error.message += fmt::format("; {} ({} bytes) are needed, {} ({} bytes) are free",
                                 format_bytes(needed_bytes), format_grouped(needed_bytes),
                                 format_bytes(*available), format_grouped(*available));
  return error;
}

}  // namespace stkit
