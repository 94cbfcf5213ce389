// One tensor as a NumPy file, version 1.0:
//
//   0          6      8       10                      10+N, a multiple of 64
//   +----------+------+-------+-----------------------+---------------+
//   | \x93NUMPY| 1, 0 | u16 N | Python dict, spaces,\n | elements, C order
//   +----------+------+-------+-----------------------+---------------+
#include "ops/inspect/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/checked_math.h"
#include "base/parallel.h"
#include "base/progress_scope.h"
#include "kernels/stats.h"
#include "stkit/inspect.h"
#include "stkit/writer.h"

namespace stkit {
namespace {

// Elements of one job: a multiple of every plain type's block, 2 MiB when they widen to float.
constexpr uint64_t kJobElements = 512 * 1024;

struct NpyType {
  std::string_view descr;
  unsigned bytes;
  bool widens;  // to float32, which holds every value of the type exactly
};

NpyType npy_type(DType dtype) {
  switch (dtype) {
    case DType::BOOL: return {"|b1", 1, false};
    case DType::U8: return {"|u1", 1, false};
    case DType::I8: return {"|i1", 1, false};
    case DType::U16: return {"<u2", 2, false};
    case DType::I16: return {"<i2", 2, false};
    case DType::F16: return {"<f2", 2, false};
    case DType::U32: return {"<u4", 4, false};
    case DType::I32: return {"<i4", 4, false};
    case DType::F32: return {"<f4", 4, false};
    case DType::U64: return {"<u8", 8, false};
    case DType::I64: return {"<i8", 8, false};
    case DType::F64: return {"<f8", 8, false};
    case DType::C64: return {"<c8", 8, false};
    default: return {"<f4", 4, true};
  }
}

// A tuple as Python writes it: (), (3,), (2, 3).
std::string shape_text(Shape shape) {
  std::string text = "(";
  for (const uint64_t dimension : shape) {
    if (text.size() > 1) text += ' ';
    fmt::format_to(std::back_inserter(text), "{},", dimension);
  }
  if (shape.size() > 1) text.pop_back();
  return text + ")";
}

// Copies or widens one run of elements into the output.
class NpyStream {
 public:
  NpyStream(const Model& model, const TensorInfo& tensor, OutputFile& output, uint64_t data_offset,
            unsigned threads)
      : model_(model),
        tensor_(tensor),
        type_(npy_type(tensor.dtype)),
        output_(output),
        data_offset_(data_offset),
        scratch_(threads) {}

  Result<void> write(uint64_t first, uint64_t count, unsigned worker) {
    const DTypeInfo& stored = info(tensor_.dtype);
    std::vector<std::byte>& bytes = scratch_[worker].bytes;
    bytes.resize(static_cast<size_t>(count / stored.block_elements * stored.block_bytes));
    STKIT_TRY(model_.read(tensor_, first, count, bytes));
    const uint64_t offset = data_offset_ + first * type_.bytes;
    if (!type_.widens) return output_.write_at(offset, bytes);
    std::vector<float>& floats = scratch_[worker].floats;
    floats.resize(static_cast<size_t>(count));
    kernels::to_float(tensor_.dtype, bytes, floats);
    return output_.write_at(offset, std::as_bytes(std::span(floats)));
  }

 private:
  struct Scratch {
    std::vector<std::byte> bytes;
    std::vector<float> floats;
  };
  const Model& model_;
  const TensorInfo& tensor_;
  NpyType type_;
  OutputFile& output_;
  uint64_t data_offset_;
  std::vector<Scratch> scratch_;
};

}  // namespace

std::string npy_header(DType dtype, Shape shape) {
  std::string dict = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}",
                                 npy_type(dtype).descr, shape_text(shape));
  constexpr size_t kPrefix = 10, kAlignment = 64;
  while ((kPrefix + dict.size() + 1) % kAlignment != 0) dict += ' ';
  dict += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(dict.size() & 0xFF);
  header += static_cast<char>(dict.size() >> 8);
  return header + dict;
}

Result<void> write_npy(const Model& model, const TensorInfo& tensor, const std::string& path,
                       bool overwrite, const RunOptions& run) {
  if (info(tensor.dtype).kind == DTypeKind::GgmlBlock)
    return fail(ErrorCode::Unsupported, fmt::format("tensor '{}' is {}, which NumPy does not have",
                                                    tensor.name, name(tensor.dtype)));
  const std::string header = npy_header(tensor.dtype, tensor.shape);
  const NpyType type = npy_type(tensor.dtype);
  const auto data_bytes = checked_mul<uint64_t>(tensor.element_count, type.bytes);
  const auto file_bytes =
      data_bytes ? checked_add<uint64_t>(*data_bytes, header.size()) : data_bytes;
  if (!file_bytes)
    return fail(ErrorCode::Corrupt,
                fmt::format("tensor '{}' with {} elements takes more than 2^64 bytes", tensor.name,
                            tensor.element_count));

  STKIT_ASSIGN(auto output, create_output(path, *file_bytes, {.overwrite = overwrite}));
  STKIT_TRY(output->write_at(0, std::as_bytes(std::span(header))));
  const unsigned threads = thread_count(run);
  ProgressScope progress(run.progress, "writing " + path, std::string(tensor.name), *data_bytes);
  NpyStream stream(model, tensor, *output, header.size(), threads);
  const uint64_t jobs = (tensor.element_count + kJobElements - 1) / kJobElements;
  const auto job = [&](size_t index, unsigned worker) -> Result<void> {
    const uint64_t first = index * kJobElements;
    const uint64_t count = std::min(kJobElements, tensor.element_count - first);
    STKIT_TRY(stream.write(first, count, worker));
    progress.advance(count * type.bytes);
    return {};
  };
  STKIT_TRY(parallel_for(static_cast<size_t>(jobs), threads, run.cancel, job));
  STKIT_TRY(model.check_unchanged());
  STKIT_TRY(output->commit());
  progress.done();
  return {};
}

}  // namespace stkit
