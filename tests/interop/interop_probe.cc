// The library as a filter, for tests that hold it against other programs.
//
//   interop_probe verdicts   files on stdin -> a line each: accept, or reject and the findings
//   interop_probe headers    sound files on stdin -> the header that the writer gives the same
//                            tensors and metadata
//   interop_probe cases      -> name, verdict of the Rust library (one byte) and bytes of each row
//                            of the table that the unit tests use
//
// Files, headers and names are each preceded by their length, 8 bytes little-endian.
#include <cstdint>
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/safetensors_reader.h"
#include "stkit/io.h"
#include "stkit/model.h"
#include "stkit/writer.h"
#include "support/safetensors_cases.h"

namespace {

using namespace stkit;

bool read_block(std::string& block) {
  unsigned char prefix[8];
  if (std::fread(prefix, 1, 8, stdin) != 8) return false;
  uint64_t size = 0;
  for (int i = 7; i >= 0; --i) size = size << 8 | prefix[i];
  block.resize(size);
  return std::fread(block.data(), 1, size, stdin) == size;
}

void write_block(std::string_view block) {
  for (int shift = 0; shift < 64; shift += 8)
    std::putchar(static_cast<int>(uint64_t{block.size()} >> shift & 0xFF));
  std::fwrite(block.data(), 1, block.size(), stdout);
}

Result<SafetensorsHeader> read(const std::string& bytes) {
  const auto file = open_memory_file("stdin", std::as_bytes(std::span(bytes)));
  return read_safetensors_header(*file, OpenOptions{}.max_header_bytes);
}

int print_verdicts() {
  for (std::string bytes; read_block(bytes);) {
    const auto header = read(bytes);
    if (!header) return 1;
    std::string line = header->sound() ? "accept" : "reject";
    for (const Finding& finding : header->findings)
      if (finding.severity() == Severity::Error)
        line += "\t" + std::string(info(finding.check).id) + " " + finding.message;
    std::puts(line.c_str());
  }
  return 0;
}

int print_headers() {
  for (std::string bytes; read_block(bytes);) {
    const auto header = read(bytes);
    if (!header || !header->sound()) return 1;
    std::vector<TensorSpec> specs;
    for (const TensorInfo& tensor : header->tensors)
      specs.push_back(
          {std::string(tensor.name), tensor.dtype, {tensor.shape.begin(), tensor.shape.end()}});
    const std::map<std::string, std::string, std::less<>> metadata(header->metadata.begin(),
                                                                   header->metadata.end());
    const auto layout = plan_safetensors(specs, metadata);
    if (!layout) return 1;
    write_block(layout->header);
  }
  return 0;
}

int print_cases() {
  for (const test::SafetensorsCase& row : test::safetensors_cases()) {
    write_block(row.name);
    std::putchar(row.rust_accepts ? 1 : 0);
    write_block(row.bytes);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc == 2 ? argv[1] : "";
  if (mode == "verdicts") return print_verdicts();
  if (mode == "headers") return print_headers();
  if (mode == "cases") return print_cases();
  std::fputs("usage: interop_probe verdicts|headers|cases\n", stderr);
  return 2;
}
