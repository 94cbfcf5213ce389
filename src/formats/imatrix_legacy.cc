#include <fmt/format.h>

#include <string>

#include "formats/file_cursor.h"
#include "formats/imatrix_forms.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// Names of weights; ggml itself has room for 63 bytes.
constexpr int32_t kMaxNameBytes = 1024;

class LegacyReader {
 public:
  LegacyReader(const RandomAccessFile& file, Imatrix& imatrix)
      : file_(file), cursor_(file, file.size_bytes()), imatrix_(imatrix) {}

  Result<void> read() {
    const auto count = cursor_.number<int32_t>();
    STKIT_TRY(check("the number of entries"));
    // Each has a name, two numbers and a value.
    if (count <= 0 || !cursor_.expect(static_cast<uint64_t>(count), 4 + 1 + 4 + 4 + 4))
      return corrupt(
          fmt::format("the file starts neither with `GGUF` nor with a number of entries "
                      "that it could hold ({})",
                      count));
    for (int32_t i = 0; i < count; ++i) STKIT_TRY(read_entry(i));
    return read_origin();
  }

 private:
  Result<void> read_entry(int32_t index) {
    const auto name_bytes = cursor_.number<int32_t>();
    STKIT_TRY(check("an entry"));
    if (name_bytes <= 0 || name_bytes > kMaxNameBytes)
      return corrupt(fmt::format("the name of entry {} has {} bytes", index, name_bytes));
    ImatrixEntry entry;
    entry.name = cursor_.text(static_cast<uint64_t>(name_bytes), imatrix_.storage);
    const auto calls = cursor_.number<int32_t>();
    const auto count = cursor_.number<int32_t>();
    STKIT_TRY(check("an entry"));
    if (count <= 0)
      return corrupt(fmt::format("entry {} has {} values", quoted_name(entry.name), count));
    STKIT_TRY(read_values(calls, static_cast<uint64_t>(count), entry));
    imatrix_.entries.push_back(entry);
    return {};
  }

  Result<void> read_values(int32_t calls, uint64_t count, ImatrixEntry& entry) {
    if (cursor_.expect(count, sizeof(float))) {
      if (float* const values = cursor_.room<float>(count, imatrix_.storage); values != nullptr) {
        for (uint64_t i = 0; i < count; ++i) {
          const auto value = cursor_.number<float>();
          values[i] = calls > 0 ? value / static_cast<float>(calls) : value;
        }
        entry.values = {values, static_cast<size_t>(count)};
      }
    }
    return check("the values of " + quoted_name(entry.name));
  }

  // Where the values come from; files of before 2024 end in front of it.
  Result<void> read_origin() {
    if (cursor_.remaining() == 0) return {};
    const auto chunks = cursor_.number<int32_t>();
    if (cursor_.remaining() > 0 || !cursor_.ok()) {
      const auto length = cursor_.number<int32_t>();
      STKIT_TRY(check("the length of the data set's name"));
      if (length < 0) return corrupt(fmt::format("the data set's name has {} bytes", length));
      imatrix_.datasets.push_back(cursor_.text(static_cast<uint64_t>(length), imatrix_.storage));
    }
    STKIT_TRY(check("the end of the file"));
    if (chunks > 0) imatrix_.chunk_count = static_cast<uint64_t>(chunks);
    if (cursor_.remaining() == 0) return {};
    return corrupt(fmt::format("{} bytes follow the end of the importance matrix",
                               format_grouped(cursor_.remaining())));
  }

  Result<void> check(std::string_view what) {
    if (cursor_.ok()) return {};
    if (cursor_.state() == FileCursor::State::Failed) return fail(cursor_.error());
    return corrupt(fmt::format("{} takes {} bytes from byte {} on, but the file has only {}", what,
                               format_grouped(cursor_.wanted_bytes()),
                               format_grouped(cursor_.position()),
                               format_grouped(cursor_.remaining())));
  }

  std::unexpected<Error> corrupt(std::string message) const {
    return fail(ErrorCode::Corrupt, std::move(message),
                "is this an importance matrix, and is it complete?", file_.label());
  }

  const RandomAccessFile& file_;
  FileCursor cursor_;
  Imatrix& imatrix_;
};

}  // namespace

Result<void> read_legacy_imatrix(const RandomAccessFile& file, Imatrix& imatrix) {
  imatrix.legacy = true;
  return LegacyReader(file, imatrix).read();
}

}  // namespace stkit
