// What a GGUF header says, entry by entry, before its tensors are held against the file.
#pragma once

#include <cstdint>
#include <vector>

#include "base/arena.h"
#include "formats/file_cursor.h"
#include "formats/finding_log.h"
#include "formats/gguf_value.h"
#include "stkit/error.h"
#include "stkit/tensor.h"

namespace stkit {

struct GgufEntries {
  std::vector<GgufEntry> metadata;
  std::vector<TensorInfo> tensors;  // offset_bytes counts from the start of the data
  uint64_t unplaced = 0;            // infos whose place or size is unknown; not in `tensors`
  bool complete = false;            // the header was read to its end
};

// Reads `keys` entries and then `tensors` infos from `cursor`. Broken rules go to `log`; where it
// is not known how to go on, the reading ends, with what was read until then. Fails when the
// cursor fails for a reason other than the content.
Result<GgufEntries> read_gguf_entries(FileCursor& cursor, uint64_t keys, uint64_t tensors,
                                      uint32_t file_index, Arena& storage, FindingLog& log);

// Says what was asked for behind the end of the file or the limit. REQUIRES: the cursor is PastEnd
// or PastLimit.
void report_gguf_end(const FileCursor& cursor, std::string_view what, FindingLog& log);

}  // namespace stkit
