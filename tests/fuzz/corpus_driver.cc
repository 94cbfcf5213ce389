// Runs a fuzz target without libFuzzer: on every file of a folder, and on every start of each.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

// A buffer of the exact size, so that a read past the end of the input is one past the end of an
// allocation.
void run(const std::string& input, size_t size) {
  const std::vector<char> exact(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(size));
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(exact.data()), exact.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fputs("usage: seeds_<name> <folder>\n", stderr), 2;
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1], error))
    files.push_back(entry.path());
  if (error || files.empty()) return std::fprintf(stderr, "no seeds in %s\n", argv[1]), 1;
  std::ranges::sort(files);
  for (const auto& path : files) {
    std::ifstream in(path, std::ios::binary);
    const std::string input{std::istreambuf_iterator<char>(in), {}};
    std::printf("%s: %zu bytes\n", path.filename().c_str(), input.size());
    std::fflush(stdout);  // names the culprit when the next line never comes
    for (size_t size = 0; size <= input.size(); ++size) run(input, size);
  }
  return 0;
}
