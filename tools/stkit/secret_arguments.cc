#include "secret_arguments.h"

#include <cstring>
#include <string_view>

namespace stkit::cli {
namespace {

constexpr std::string_view kOption = "--token";

void blank(char* text) { std::memset(text, 'x', std::strlen(text)); }

}  // namespace

SecretArguments::SecretArguments(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) texts_.emplace_back(argv[i]);
  for (const std::string& text : texts_) pointers_.push_back(text.c_str());
  for (int i = 1; i < argc; ++i) {
    const std::string_view text = argv[i];
    if (text == kOption && i + 1 < argc)
      blank(argv[++i]);
    else if (text.starts_with(kOption) && text.substr(kOption.size()).starts_with('='))
      blank(argv[i] + kOption.size() + 1);
  }
}

}  // namespace stkit::cli
