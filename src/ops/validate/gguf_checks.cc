#include <algorithm>
#include <iterator>
#include <memory>
#include <vector>

#include "formats/gguf_reader.h"
#include "ops/validate/checks.h"

namespace stkit {

// Opening a model reads no gap, and --deep no byte that is no weight: these are what is left.
Result<void> check_gguf_gaps(Context& context) {
  if (context.model.format() != FileFormat::Gguf) return {};
  for (const uint32_t index : context.weights) {
    STKIT_ASSIGN(const std::shared_ptr<const RandomAccessFile> file,
                 context.model.open_file(index));
    STKIT_ASSIGN(const GgufHeader header,
                 read_gguf_header(*file, context.options.open.max_header_bytes, index));
    if (!header.sound()) continue;  // as opening it has found
    STKIT_ASSIGN(std::vector<Finding> findings, check_gguf_padding(*file, header));
    for (Finding& finding : findings) context.report(std::move(finding));
  }
  return {};
}

}  // namespace stkit
