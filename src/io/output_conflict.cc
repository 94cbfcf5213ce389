#include "io/output_conflict.h"

#include <fmt/format.h>

#include <string>

#include "stkit/text.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> conflict(const fs::path& output, std::string_view what,
                                const fs::path& input) {
  return fail(ErrorCode::OutputConflict,
              fmt::format("{} '{}'", what, printable(input.string(), 200)),
              "write to another place; an input is never changed", output.string());
}

// Where a path that may not exist yet would be, all links followed.
fs::path real_place(const fs::path& path) {
  std::error_code error;
  fs::path absolute = fs::absolute(path, error);
  fs::path real = fs::weakly_canonical(absolute, error);
  real = error ? absolute.lexically_normal() : real;
  return real.has_filename() ? real : real.parent_path();  // no slash behind a folder
}

bool is_inside(const fs::path& place, const fs::path& folder) {
  const fs::path relative = place.lexically_relative(folder);
  return !relative.empty() && *relative.begin() != ".." && relative != ".";
}

}  // namespace

Result<void> check_output_is_not_input(const fs::path& output, std::span<const fs::path> inputs) {
  const fs::path output_place = real_place(output);
  for (const fs::path& input : inputs) {
    std::error_code error;
    const fs::path input_place = real_place(input);
    if (output_place == input_place) return conflict(output, "is the input itself:", input);
    // Compares device and inode: hard links too.
    if (fs::equivalent(output, input, error) && !error)
      return conflict(output, "is the same file as the input", input);
    if (fs::is_directory(input, error) && is_inside(output_place, input_place))
      return conflict(output, "lies inside the input", input);
  }
  return {};
}

}  // namespace stkit
