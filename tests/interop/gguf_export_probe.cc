// The plan of an export as a file, for tests that hold it against other converters.
//
//   gguf_export_probe MODEL OUT   every tensor as F32, with all metadata
//
// Prints the plan's notes, a line each.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "formats/gguf_writer.h"
#include "gguf_export/element_reader.h"
#include "gguf_export/export_plan.h"

namespace {

using namespace stkit;
using namespace stkit::gguf_export;

constexpr uint64_t kPieceElements = 1 << 20;

Result<void> write_elements(const Model& model, const ExportTensor& tensor, std::ofstream& out) {
  STKIT_ASSIGN(const ElementReader reader, ElementReader::open(model, tensor.source));
  std::vector<float> piece;
  for (uint64_t first = 0; first < reader.element_count(); first += piece.size()) {
    piece.resize(std::min(kPieceElements, reader.element_count() - first));
    STKIT_TRY(reader.read(first, piece.size(), piece));
    const auto bytes = std::as_bytes(std::span(piece));
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
  }
  return {};
}

Result<void> run(const char* reference, const char* path) {
  STKIT_ASSIGN(const Model model, Model::open(reference));
  ExportOptions options;
  options.file_type = 0;  // all F32
  STKIT_ASSIGN(const ExportPlan plan, plan_export(model, options));
  std::vector<TensorSpec> specs;
  for (const ExportTensor& tensor : plan.tensors)
    specs.push_back({tensor.name, DType::F32, tensor.shape});
  STKIT_ASSIGN(const GgufLayout layout, plan_gguf(plan.metadata.entries(), specs));

  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(layout.header.data(), static_cast<std::streamsize>(layout.header.size()));
  for (const GgufLayout::Entry& entry : layout.entries) {
    out.seekp(static_cast<std::streamoff>(entry.offset_bytes));
    STKIT_TRY(write_elements(model, plan.tensors[entry.spec], out));
  }
  for (const ByteRun& zeros : layout.padding) {
    out.seekp(static_cast<std::streamoff>(zeros.offset_bytes));
    out << std::string(zeros.size_bytes, '\0');
  }
  for (const std::string& note : plan.notes) std::printf("note: %s\n", note.c_str());
  if (!out.flush()) return fail(ErrorCode::WriteFailed, "the output could not be written");
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  if (const auto done = run(argv[1], argv[2]); !done) {
    std::fprintf(stderr, "%s\n%s\n", done.error().message.c_str(), done.error().hint.c_str());
    return 1;
  }
}
