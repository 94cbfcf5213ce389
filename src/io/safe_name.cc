#include "io/safe_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/ascii.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr size_t kLongestName = 4095;
constexpr size_t kLongestComponent = 255;

// Windows gives these to a device in every folder and with any extension.
bool is_device_name(std::string_view component) {
  std::string stem(component.substr(0, component.find('.')));
  while (stem.ends_with(' ')) stem.pop_back();
  std::ranges::transform(stem, stem.begin(), ascii::to_upper);
  for (const std::string_view device : {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"})
    if (stem == device) return true;
  if (!stem.starts_with("COM") && !stem.starts_with("LPT")) return false;
  const std::string_view port = std::string_view(stem).substr(3);
  return (port.size() == 1 && ascii::is_digit(port[0])) || port == "\xC2\xB9" ||
         port == "\xC2\xB2" || port == "\xC2\xB3";  // superscript 1, 2, 3 count as digits
}

// What is wrong with one component; empty when nothing is.
std::string_view component_problem(std::string_view component) {
  if (component.empty()) return "has an empty component";
  if (component == "..") return "climbs out of its folder with '..'";
  if (component == ".") return "has the component '.'";
  if (component.size() > kLongestComponent) return "has a component of more than 255 bytes";
  if (component.back() == '.' || component.back() == ' ')
    return "has a component that ends in a dot or a space, which Windows drops";
  if (is_device_name(component)) return "is that of a device on Windows";
  return {};
}

std::string_view name_problem(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > kLongestName) return "is longer than 4095 bytes";
  if (name.find('\0') != std::string_view::npos) return "holds a NUL character";
  if (std::ranges::any_of(name, [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
    return "holds a control character";
  if (name.starts_with('/')) return "is an absolute path";
  if (name.size() >= 2 && ascii::is_letter(name[0]) && name[1] == ':')
    return "starts with a drive letter";
  if (name.starts_with("\\\\")) return "is a network path";
  if (name.find('\\') != std::string_view::npos)
    return "holds a backslash, which separates folders on Windows";
  if (name.find(':') != std::string_view::npos)
    return "holds a colon, which names a drive or a stream on Windows";
  for (size_t start = 0; start <= name.size();) {
    const size_t end = std::min(name.find('/', start), name.size());
    const std::string_view problem = component_problem(name.substr(start, end - start));
    if (!problem.empty()) return problem;
    start = end + 1;
  }
  return {};
}

}  // namespace

Result<void> check_relative_name(std::string_view name) {
  const std::string_view problem = name_problem(name);
  if (problem.empty()) return {};
  return fail(ErrorCode::Corrupt,
              fmt::format("the file name '{}' {}", printable(name, 120), problem),
              "only names of files below the model's own folder are followed");
}

}  // namespace stkit
