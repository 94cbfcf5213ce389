// The GGUF reader and writer as a program, for tests that hold them against other readers.
//
//   gguf_probe dump FILE              a line for each metadata key and each tensor
//   gguf_probe copy FILE OUT          the same metadata and tensors, planned and written again
//   gguf_probe split FILE PREFIX MAX  the same as parts of at most MAX bytes
//   gguf_probe decode FILE OUT        the values of all tensors, one after the other, as F32
//
// Text is hexadecimal in what is dumped, as are the bits of floats.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "formats/gguf_reader.h"
#include "formats/gguf_writer.h"
#include "kernels/convert.h"
#include "kernels/decode.h"
#include "stkit/io.h"

namespace {

using namespace stkit;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;

struct Input {
  std::unique_ptr<RandomAccessFile> file;
  GgufHeader header;
};

Result<Input> open(const char* path) {
  Input input;
  STKIT_ASSIGN(input.file, open_local_file(path));
  STKIT_ASSIGN(input.header, read_gguf_header(*input.file, kMaxHeaderBytes));
  for (const Finding& finding : input.header.findings)
    if (finding.severity() == Severity::Error) return fail(to_error(finding));
  return input;
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

struct ValueText {
  std::string operator()(std::string_view text) const { return hex(text); }
  std::string operator()(const GgufArray& array) const {
    std::string text = fmt::format("{} {}", name(array.element), array.size());
    for (const std::string_view string : array.strings) text += " " + hex(string);
    if (!array.numbers.empty())
      text +=
          " " + hex({reinterpret_cast<const char*>(array.numbers.data()), array.numbers.size()});
    return text;
  }
  template <class T>
    requires std::is_arithmetic_v<T>
  std::string operator()(T value) const {
    if constexpr (std::is_same_v<T, float>)
      return fmt::format("{:08x}", std::bit_cast<uint32_t>(value));
    else if constexpr (std::is_same_v<T, double>)
      return fmt::format("{:016x}", std::bit_cast<uint64_t>(value));
    else
      return fmt::format("{}", +value);  // a small one is a number, too, not a character
  }
};

Result<void> dump(const char* path) {
  STKIT_ASSIGN(const Input input, open(path));
  const GgufHeader& header = input.header;
  for (const GgufEntry& entry : header.metadata)
    fmt::print("key {} {} {}\n", hex(entry.key), name(type_of(entry.value)),
               std::visit(ValueText(), entry.value));
  for (const TensorInfo& tensor : header.tensors) {
    std::string shape;
    for (const uint64_t dimension : tensor.shape) shape += fmt::format("{},", dimension);
    fmt::print("tensor {} {} {} {} {}\n", hex(tensor.name), name(tensor.dtype), shape,
               tensor.offset_bytes, tensor.size_bytes);
  }
  return {};
}

std::vector<TensorSpec> specs_of(const GgufHeader& header) {
  std::vector<TensorSpec> specs;
  for (const TensorInfo& tensor : header.tensors)
    specs.push_back(
        {std::string(tensor.name), tensor.dtype, {tensor.shape.begin(), tensor.shape.end()}});
  return specs;
}

Result<void> write(const Input& input, const GgufLayout& layout, const std::string& path) {
  std::string bytes = layout.header;
  bytes.resize(static_cast<size_t>(layout.file_bytes), '?');
  const auto place = [&](const auto& run) {
    return std::as_writable_bytes(std::span(bytes))
        .subspan(static_cast<size_t>(run.offset_bytes), static_cast<size_t>(run.size_bytes));
  };
  for (const GgufLayout::Entry& entry : layout.entries)
    STKIT_TRY(input.file->read_at(input.header.tensors[entry.spec].offset_bytes, place(entry)));
  for (const ByteRun& run : layout.padding) std::ranges::fill(place(run), std::byte{0});
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) return fail(ErrorCode::WriteFailed, "cannot write " + path);
  return {};
}

Result<void> copy(const char* path, const char* out) {
  STKIT_ASSIGN(const Input input, open(path));
  STKIT_ASSIGN(const GgufLayout layout,
               plan_gguf(input.header.metadata, specs_of(input.header), input.header.alignment));
  return write(input, layout, out);
}

Result<void> split(const char* path, const char* prefix, const char* max_bytes) {
  STKIT_ASSIGN(const Input input, open(path));
  STKIT_ASSIGN(const std::vector<GgufLayout> parts,
               plan_split_gguf(input.header.metadata, specs_of(input.header),
                               std::strtoull(max_bytes, nullptr, 10), input.header.alignment));
  for (size_t i = 0; i < parts.size(); ++i)
    STKIT_TRY(write(input, parts[i], gguf_part_name(prefix, i, parts.size())));
  return {};
}

Result<void> decode(const char* path, const char* out_path) {
  STKIT_ASSIGN(const Input input, open(path));
  std::ofstream out(out_path, std::ios::binary);
  for (const TensorInfo& tensor : input.header.tensors) {
    std::vector<std::byte> stored(static_cast<size_t>(tensor.size_bytes));
    STKIT_TRY(input.file->read_at(tensor.offset_bytes, stored));
    std::vector<float> values(static_cast<size_t>(tensor.element_count));
    if (info(tensor.dtype).kind == DTypeKind::GgmlBlock)
      kernels::decode_blocks(tensor.dtype, stored, values);
    else
      kernels::to_float(tensor.dtype, stored, values);
    out.write(reinterpret_cast<const char*>(values.data()),
              static_cast<std::streamsize>(values.size() * sizeof(float)));
  }
  if (!out.flush()) return fail(ErrorCode::WriteFailed, fmt::format("cannot write {}", out_path));
  return {};
}

Result<void> run(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "dump" && argc == 3) return dump(argv[2]);
  if (mode == "copy" && argc == 4) return copy(argv[2], argv[3]);
  if (mode == "split" && argc == 5) return split(argv[2], argv[3], argv[4]);
  if (mode == "decode" && argc == 4) return decode(argv[2], argv[3]);
  return fail(ErrorCode::Usage,
              "gguf_probe dump FILE | copy FILE OUT | split FILE PREFIX MAX | decode FILE OUT");
}

}  // namespace

int main(int argc, char** argv) {
  const auto result = run(argc, argv);
  if (result) return 0;
  fmt::print(stderr, "error: {}\n", result.error().message);
  return 1;
}
