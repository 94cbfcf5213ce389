// T59: any command line is parsed or refused with a usage error. The input holds the arguments,
// each ended by NUL.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "command_line.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::string> texts(1);
  for (size_t i = 0; i < size; ++i) {
    if (data[i] == 0)
      texts.emplace_back();
    else
      texts.back() += static_cast<char>(data[i]);
  }
  std::vector<const char*> args;
  for (const std::string& text : texts) args.push_back(text.c_str());
  stkit::cli::CommandLine line;
  const auto parsed = line.parse(args);
  if (!parsed && parsed.error().code != stkit::ErrorCode::Usage) std::abort();
  return 0;
}
