#include "io/safe_name.h"

#include <string>

#include "io_test.h"

namespace stkit {
namespace {

using namespace std::string_view_literals;

TEST(SafeName, LetsOrdinaryNamesPass) {
  const std::string longest = std::string(255, 'a');
  for (const std::string_view name : {"model.safetensors"sv,
                                      "model-00001-of-00163.safetensors"sv,
                                      "onnx/model.onnx"sv,
                                      "a/b/c/d"sv,
                                      ".gitattributes"sv,
                                      "..a"sv,
                                      "a..b"sv,
                                      "...a"sv,
                                      "a b"sv,
                                      "größe.json"sv,
                                      "文字.bin"sv,
                                      "consol.json"sv,
                                      "null.txt"sv,
                                      "COM10"sv,
                                      "com"sv,
                                      "lptx"sv,
                                      "-rf"sv,
                                      "~root"sv,
                                      "$HOME"sv,
                                      std::string_view(longest)})
    EXPECT_TRUE(check_relative_name(name)) << name;
}

// T18
TEST(SafeName, RefusesWhatCouldLeadElsewhere) {
  const struct {
    std::string_view name;
    std::string_view message;
  } kRows[] = {
      {"", "is empty"},
      {"../x", "climbs out"},
      {"..", "climbs out"},
      {"a/../../b", "climbs out"},
      {"a/..", "climbs out"},
      {"/etc/passwd", "absolute"},
      {"//host/share", "absolute"},
      {"C:\\x", "drive letter"},
      {"c:x", "drive letter"},
      {"\\\\h\\s", "network path"},
      {"a\\..\\b", "backslash"},
      {"ab:stream", "colon"},
      {"a\0b"sv, "NUL"},
      {"a\nb", "control character"},
      {"\x1b[2J", "\\x1b[2J"},
      {"./a", "component '.'"},
      {"a/./b", "component '.'"},
      {"a//b", "empty component"},
      {"a/", "empty component"},
      {"a./b", "ends in a dot"},
      {"... /b", "ends in a dot or a space"},
      {".. /b", "ends in a dot or a space"},
      {"CON", "device on Windows"},
      {"nul.txt", "device on Windows"},
      {"a/Aux.tar.gz", "device on Windows"},
      {"COM1", "device on Windows"},
      {"lpt9 .x", "device on Windows"},
      {"com\xC2\xB2", "device on Windows"},
      {"conin$", "device on Windows"},
  };
  for (const auto& row : kRows)
    test::expect_error(check_relative_name(row.name), ErrorCode::Corrupt, row.message);
  test::expect_error(check_relative_name(std::string(256, 'a')), ErrorCode::Corrupt, "255 bytes");
  test::expect_error(check_relative_name(std::string(5000, 'a')), ErrorCode::Corrupt, "4095 bytes");
}

}  // namespace
}  // namespace stkit
