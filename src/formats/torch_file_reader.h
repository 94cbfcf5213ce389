// How a TorchFile comes about.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/byte_reader.h"
#include "formats/torch_file.h"
#include "formats/zip_reader.h"

namespace stkit {

class TorchFileReader {
 public:
  TorchFileReader(const RandomAccessFile& file, uint64_t max_pickle_bytes)
      : file_(file), max_pickle_bytes_(max_pickle_bytes) {}

  Result<TorchFile> read();

 private:
  enum class Legacy : uint8_t { NotThis, NeedsMore, Broken, Parsed };

  void report(Check check, std::string message, std::string hint = {});
  void report_other_content(std::span<const std::byte> head);
  bool take_pickle(Pickle pickle, std::string_view name);

  Result<void> read_zip();
  Result<void> read_object(const ZipEntry& entry);
  Result<void> read_byte_order(const ZipDirectory& directory, const std::string& root);
  void collect_storages(const ZipDirectory& directory, const std::string& root);

  Result<bool> read_legacy();
  Legacy parse_legacy(bool is_last_window);
  Result<void> place_legacy_storages();

  const RandomAccessFile& file_;
  const uint64_t max_pickle_bytes_;
  TorchFile torch_;
  std::vector<std::string> keys_;  // of legacy storages, in the order of the file
};

}  // namespace stkit
