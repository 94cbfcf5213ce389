#include "stkit/disk_space.h"

#include <system_error>

namespace stkit {

namespace fs = std::filesystem;

std::optional<uint64_t> free_space(const fs::path& path) {
  std::error_code error;
  fs::path place = fs::absolute(path, error);
  while (!fs::exists(place, error) && place.has_relative_path()) place = place.parent_path();
  const fs::space_info space = fs::space(place, error);
  if (error || space.capacity == 0) return std::nullopt;
  return space.available;
}

}  // namespace stkit
