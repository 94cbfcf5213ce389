// From a call in a pickle to a view of a storage.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/checked_math.h"
#include "formats/finding_log.h"
#include "formats/torch_file.h"
#include "formats/torch_part.h"
#include "stkit/text.h"

namespace stkit {
namespace {

using Problem = std::unexpected<TorchProblem>;

constexpr size_t kMaxRank = 64;
// An expanded view has more elements than its storage; beyond this it is no weight.
constexpr uint64_t kMaxExpandedBytes = uint64_t{1} << 48;
constexpr unsigned kMaxWrappers = 16;

Problem bad(std::string message) { return Problem({Check::BadTorchTensor, std::move(message)}); }
Problem unreadable(std::string message) {
  return Problem({Check::UnreadableTensor, std::move(message)});
}

struct Refusal {
  std::string_view name;  // in torch._utils
  std::string_view what;
};
constexpr Refusal kRefusals[] = {
    {"_rebuild_sparse_tensor", "a sparse tensor"},
    {"_rebuild_sparse_csr_tensor", "a sparse tensor"},
    {"_rebuild_qtensor", "a tensor quantized by PyTorch"},
    {"_rebuild_meta_tensor_no_storage", "a meta tensor, which has no data"},
    {"_rebuild_nested_tensor", "a nested tensor"},
    {"_rebuild_device_tensor_from_numpy", "a tensor of another device inside the pickle"},
};

std::optional<std::vector<uint64_t>> unsigned_tuple(const Pickle& p, PickleId id) {
  if (!p.is(id, PickleKind::Tuple) && !p.is(id, PickleKind::List)) return std::nullopt;
  std::vector<uint64_t> numbers;
  for (const PickleId child : p.children(id)) {
    const auto number = p.unsigned_integer(child);
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

bool is_true(const Pickle& p, std::optional<PickleId> id) {
  return id && p.is(*id, PickleKind::Bool) && p.boolean(*id);
}

// Values that lie between the first and the last of a view, both included; 0 for an empty one.
std::optional<uint64_t> extent(const std::vector<uint64_t>& shape,
                               const std::vector<uint64_t>& strides) {
  if (std::ranges::find(shape, uint64_t{0}) != shape.end()) return 0;
  std::optional<uint64_t> last = 0;
  for (size_t i = 0; i < shape.size() && last; ++i) {
    const auto step = checked_mul(shape[i] - 1, strides[i]);
    last = step ? checked_add(*last, *step) : std::nullopt;
  }
  return last ? checked_add(*last, uint64_t{1}) : std::nullopt;
}

}  // namespace

struct TorchFile::View {
  std::string_view key;
  const Storage* storage = nullptr;
  const TorchType* type = nullptr;
  uint64_t count = 0;   // of the type's values, as the pickle says
  uint64_t offset = 0;  // of a legacy view into its storage
};

bool TorchFile::is_tensor(PickleId id) const {
  const PickleGlobal* const global = pickle_.called(id);
  if (global == nullptr) return false;
  if (global->module == "torch._utils") return global->name.starts_with("_rebuild_");
  if (global->module == "torch._tensor") return global->name.starts_with("_rebuild_from_type");
  return global->module == "torch.nn.parameter" &&
         (global->name == "Parameter" || global->name == "Buffer");
}

std::expected<TorchTensor, TorchProblem> TorchFile::tensor(PickleId id) const {
  return evaluate(pickle_.callable(id), pickle_.arguments(id), 0);
}

std::expected<TorchTensor, TorchProblem> TorchFile::evaluate(PickleId callable, PickleId arguments,
                                                             unsigned depth) const {
  const Pickle& p = pickle_;
  if (depth > kMaxWrappers) return bad("it is wrapped too often");
  if (!p.is(callable, PickleKind::Global) || !p.is(arguments, PickleKind::Tuple))
    return bad("it is made by something that is no function");
  const std::string_view name = p.global(callable).name;
  const auto parts = p.children(arguments);
  const auto inner = [&](PickleId id) -> std::expected<TorchTensor, TorchProblem> {
    if (!is_tensor(id)) return bad(fmt::format("what {} wraps is no tensor", quoted_name(name)));
    return evaluate(p.callable(id), p.arguments(id), depth + 1);
  };
  if (name == "_rebuild_tensor" || name == "_rebuild_tensor_v2") {
    if (name == "_rebuild_tensor_v2" && parts.size() > 6 &&
        (is_true(p, p.find(parts[6], "conj")) || is_true(p, p.find(parts[6], "neg"))))
      return unreadable("it is a lazily conjugated or negated view");
    return rebuild(parts, nullptr);
  }
  if (name == "_rebuild_tensor_v3") {
    if (parts.size() < 7 || !p.is(parts[6], PickleKind::Global)) return bad("it has no dtype");
    const TorchType* const type = find_torch_dtype(p.global(parts[6]).name);
    if (type == nullptr)
      return unreadable(
          fmt::format("its dtype {} is not known", quoted_name(p.global(parts[6]).full_name())));
    return rebuild(parts, type);
  }
  for (const Refusal& refusal : kRefusals)
    if (name == refusal.name) return unreadable(fmt::format("it is {}", refusal.what));
  if (name.starts_with("_rebuild_from_type")) {
    if (parts.size() < 3) return bad("it lacks arguments");
    if (parts.size() > 3 && p.is_global(parts[0], "torch._utils", "_rebuild_wrapper_subclass")) {
      STKIT_ASSIGN(TorchPart part, distributed(parts));
      if (part.is_whole()) return std::move(part.local);
      return unreadable("it is a part of a distributed tensor; name the folder of all its parts");
    }
    return evaluate(parts[0], parts[2], depth + 1);
  }
  const bool wraps = name.starts_with("_rebuild_parameter") || name == "Parameter" ||
                     name == "Buffer" || name == "_rebuild_device_tensor_from_cpu_tensor";
  if (!wraps || parts.empty())
    return unreadable(fmt::format("it is made by {}", quoted_name(p.global(callable).full_name())));
  return inner(parts[0]);
}

std::expected<TorchFile::View, TorchProblem> TorchFile::storage(PickleId id) const {
  const Pickle& p = pickle_;
  if (!p.is(id, PickleKind::PersistentId)) return unreadable("its storage is inside the pickle");
  const auto parts = p.children(p.children(id)[0]);
  if (!p.is(p.children(id)[0], PickleKind::Tuple) || parts.size() < 5 ||
      !p.is(parts[0], PickleKind::String) || p.text(parts[0]) != "storage" ||
      !p.is(parts[1], PickleKind::Global) || !p.is(parts[2], PickleKind::String) ||
      !p.unsigned_integer(parts[4]))
    return bad("its storage is malformed");
  View view;
  view.key = p.text(parts[2]);
  view.count = *p.unsigned_integer(parts[4]);
  const std::string_view type_name = p.global(parts[1]).name;
  view.type = find_torch_storage(type_name);
  if (view.type == nullptr)
    return unreadable(fmt::format("its storage is a {}", quoted_name(type_name)));
  const auto found = storages_.find(view.key);
  if (found == storages_.end())
    return Problem({Check::BadStorage,
                    fmt::format("its storage {} is not in the file", quoted_name(view.key))});
  view.storage = &found->second;
  if (view.storage->compressed)
    return unreadable(fmt::format("its storage {} is compressed, which PyTorch never does",
                                  quoted_name(view.key)));
  const auto bytes = checked_mul(view.count, uint64_t{view.type->item_bytes});
  if (!bytes || *bytes > view.storage->size_bytes)
    return Problem({Check::BadStorage,
                    fmt::format("its storage {} should hold {} values of {} bytes, but takes {} "
                                "bytes",
                                quoted_name(view.key), format_grouped(view.count),
                                view.type->item_bytes, format_grouped(view.storage->size_bytes))});
  if (parts.size() > 5 && p.is(parts[5], PickleKind::Tuple)) {
    const auto window = p.children(parts[5]);
    const auto offset = window.size() == 3 ? p.unsigned_integer(window[1]) : std::nullopt;
    const auto count = window.size() == 3 ? p.unsigned_integer(window[2]) : std::nullopt;
    if (!offset || !count || *offset > view.count || *count > view.count - *offset)
      return bad("its view of a storage is malformed");
    view.offset = *offset;
    view.count = *count;
  }
  return view;
}

std::expected<TorchTensor, TorchProblem> TorchFile::rebuild(std::span<const PickleId> arguments,
                                                            const TorchType* dtype) const {
  const Pickle& p = pickle_;
  if (arguments.size() < 4) return bad("it lacks arguments");
  STKIT_ASSIGN(const View view, storage(arguments[0]));
  const TorchType& type = dtype == nullptr ? *view.type : *dtype;
  if (!type.dtype)
    return unreadable(type.name.empty()
                          ? std::string("its storage has no type")
                          : fmt::format("safetensors has no dtype for {}", type.name));
  const auto offset = p.unsigned_integer(arguments[1]);
  const auto shape = unsigned_tuple(p, arguments[2]);
  const auto strides = unsigned_tuple(p, arguments[3]);
  if (!offset || !shape || !strides || shape->size() != strides->size() || shape->size() > kMaxRank)
    return bad("its offset, shape or strides are malformed or negative");

  const uint64_t view_bytes = view.count * view.type->item_bytes;
  const auto span = extent(*shape, *strides);
  const auto end = span ? checked_add(*span, *offset) : std::nullopt;
  const uint64_t held = view_bytes / type.item_bytes;
  // An empty tensor may begin anywhere.
  if (!span || (*span > 0 && (!end || *end > held)))
    return bad(fmt::format("it needs {} values of storage {}, which holds {}",
                           end ? format_grouped(*end) : std::string("more than 2^64"),
                           quoted_name(view.key), format_grouped(held)));
  const auto count = element_count(*shape);
  const auto bytes = count ? checked_mul(*count, uint64_t{type.item_bytes}) : std::nullopt;
  if (!bytes || *bytes > std::max(kMaxExpandedBytes, view_bytes))
    return bad("its shape stands for more than 2^48 bytes");

  TorchTensor tensor{.dtype = *type.dtype, .shape = *shape, .strides = *strides};
  tensor.offset_bytes = view.storage->offset_bytes + view.offset * view.type->item_bytes +
                        (*span > 0 ? *offset * type.item_bytes : 0);
  if (type.dtype == DType::F4) {
    if (tensor.shape.empty()) return unreadable("two values of four bits without a dimension");
    tensor.shape.back() *= 2;
  }
  tensor.swap_bytes = big_endian_ && type.number_bytes > 1 ? type.number_bytes : 0;
  return tensor;
}

}  // namespace stkit
