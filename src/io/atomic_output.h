// A local file that appears under its name only when it is whole.
//
//   .NAME.stkit.lock                  held from create to commit (output_lock.h)
//   .NAME.stkit-<pid>-<16 hex>.tmp    written, synced, then renamed to NAME
//
// Both lie beside NAME. A process that is killed leaves them behind; the next one that writes to
// the same target removes them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "io/output_lock.h"
#include "io/system_calls.h"
#include "stkit/error.h"
#include "stkit/writer.h"

namespace stkit {

struct FileRange {
  uint64_t begin, end;
};

// When the disk has to have room for an output.
enum class Reserve : uint8_t {
  AtOnce,
  OnceShared,  // by reserve(), where the filesystem can share blocks; else at once
};

class AtomicOutput final : public OutputFile {
 public:
  static Result<std::unique_ptr<AtomicOutput>> create(SystemCalls& calls,
                                                      const std::filesystem::path& path,
                                                      uint64_t size_bytes,
                                                      const OutputOptions& options,
                                                      Reserve when = Reserve::AtOnce);
  ~AtomicOutput() override;

  // Takes the space of all that was not written yet, so that a full disk shows now and not after
  // hours of work; does nothing when it was taken at once. `shared` is what has its blocks already,
  // ascending and apart.
  Result<void> reserve(std::span<const FileRange> shared);

  const std::string& label() const override { return label_; }
  Result<void> write_at(uint64_t offset_bytes, std::span<const std::byte> data) override;
  Result<void> commit() override;

  // What was written, by whichever way. REQUIRES: the range was written.
  Result<void> read_back(uint64_t offset_bytes, std::span<std::byte> out) const;

  // For ways of writing other than write_at. Readable and writable; valid until commit().
  int descriptor() const { return file_.get(); }
  SystemCalls& calls() const { return calls_; }
  uint64_t size_bytes() const { return size_bytes_; }
  bool is_synced() const { return options_.sync; }
  // What write_at says when errno is `number`.
  Error write_failed(int number, uint64_t offset_bytes) const;

 private:
  AtomicOutput(SystemCalls& calls, std::string label, uint64_t size_bytes,
               const OutputOptions& options);

  // The steps of create(), in this order.
  Result<void> find_target(const std::filesystem::path& path);
  Result<void> look_at_target();
  Result<void> take_lock();
  void remove_leftovers();
  Result<void> check_size() const;
  Result<void> make_temporary();

  // The steps of commit().
  Result<void> sync_file();
  Result<void> publish();
  Result<void> publish_new();
  Result<void> sync_folder();

  Error failed(int number, std::string_view action) const;
  std::unexpected<Error> exists_already() const;

  SystemCalls& calls_;
  const std::string label_;
  const uint64_t size_bytes_;
  const OutputOptions options_;
  std::string name_;  // in the folder
  std::optional<mode_t> replaced_mode_;
  std::string temporary_;  // its name in the folder; empty when there is none
  Descriptor folder_;
  std::optional<OutputLock> lock_;
  Descriptor file_;
  bool is_reserved_ = false;
};

}  // namespace stkit
