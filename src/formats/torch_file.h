// What torch.save writes, in both of its forms. Nothing of it is run: see pickle_reader.h.
//
//   zip      <root>/data.pkl      the object; a storage is ("storage", class, key, device, count)
//            <root>/data/<key>    the bytes of a storage, stored and mostly aligned to 64
//            <root>/byteorder     "little" or "big"; little when it is missing
//   legacy   five pickles (a magic number, a version, facts of the system, the object, the list of
//            storage keys), then for each key in turn: u64 count, its elements
//
// A tensor is a call of torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, ...) and
// its relatives: a view of a storage, which other tensors may share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/pickle_reader.h"
#include "formats/torch_types.h"
#include "stkit/error.h"
#include "stkit/finding.h"
#include "stkit/io.h"
#include "stkit/tensor.h"

namespace stkit {

struct TorchTensor {
  DType dtype = DType::U8;
  std::vector<uint64_t> shape;
  // In values as torch counts them (bytes of F4, elements of everything else), one a dimension.
  std::vector<uint64_t> strides;
  uint64_t offset_bytes = 0;  // of its first element, from the start of the file
  // Of what to turn around, in a big-endian file; 0 when there is nothing to.
  uint8_t swap_bytes = 0;
};

struct TorchPart;  // see torch_part.h

struct TorchProblem {
  Check check;
  std::string message;
};

class TorchFile {
 public:
  // Fails only when the file cannot be read; what is wrong with its content is in findings().
  static Result<TorchFile> read(const RandomAccessFile& file, uint64_t max_pickle_bytes);

  // False when a finding leaves no object to look at: pickle() may then be empty.
  bool has_object() const { return has_object_; }
  const Pickle& pickle() const { return pickle_; }
  uint64_t header_bytes() const { return header_bytes_; }  // of its pickles
  std::vector<Finding> take_findings() { return std::move(findings_); }

  // Whether it is a call that makes a tensor, readable or not.
  bool is_tensor(PickleId id) const;
  // REQUIRES: is_tensor(id).
  std::expected<TorchTensor, TorchProblem> tensor(PickleId id) const;
  // The same, but also of tensors of which the file holds only a part.
  std::expected<TorchPart, TorchProblem> part(PickleId id) const;

 private:
  friend class TorchFileReader;
  struct Storage {
    uint64_t offset_bytes = 0;
    uint64_t size_bytes = 0;
    bool compressed = false;
  };
  struct View;  // of a storage, as a persistent id names it

  std::expected<TorchTensor, TorchProblem> evaluate(PickleId callable, PickleId arguments,
                                                    unsigned depth) const;
  std::expected<TorchTensor, TorchProblem> rebuild(std::span<const PickleId> arguments,
                                                   const TorchType* dtype) const;
  std::expected<TorchPart, TorchProblem> distributed(std::span<const PickleId> call) const;
  std::expected<View, TorchProblem> storage(PickleId id) const;

  std::vector<std::byte> bytes_;  // that pickle_ looks into
  Pickle pickle_;
  std::map<std::string, Storage, std::less<>> storages_;
  bool big_endian_ = false;
  bool has_object_ = false;
  uint64_t header_bytes_ = 0;
  std::vector<Finding> findings_;
};

// One finding for each class and function that a pickle names.
void report_globals(const Pickle& pickle, const std::string& path, std::vector<Finding>& findings);

}  // namespace stkit
