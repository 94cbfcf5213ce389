#include "formats/torch_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <map>
#include <string>

#include "base/check.h"
#include "formats/finding_log.h"
#include "formats/torch_types.h"
#include "stkit/tensor.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// torch.load takes protocol 2 without asking; its pickler puts no more into one batch.
constexpr size_t kBatch = 1000;

// The opcodes that dicts of tensors need. What occurs again is put into the memo.
class PickleWriter {
 public:
  PickleWriter() { op('\x80').byte(2); }

  PickleWriter& op(char code) {
    bytes_ += code;
    return *this;
  }
  PickleWriter& byte(uint8_t value) { return op(static_cast<char>(value)); }

  PickleWriter& integer(uint64_t value) {
    if (value < 0x100) return op('K').little(value, 1);
    if (value < 0x10000) return op('M').little(value, 2);
    if (value <= std::numeric_limits<int32_t>::max()) return op('J').little(value, 4);
    const auto length = static_cast<unsigned>(std::bit_width(value) / 8 + 1);  // with a sign
    return op('\x8A').byte(static_cast<uint8_t>(length)).little(value, length);
  }

  PickleWriter& text(std::string_view value) {
    op('X').little(value.size(), 4);
    bytes_ += value;
    return *this;
  }
  PickleWriter& shared_text(std::string_view value) {
    return once(value, [&] { text(value); });
  }
  PickleWriter& global(std::string_view module, std::string_view name) {
    const std::string both = fmt::format("{}\n{}\n", module, name);
    return once(both, [&] { bytes_ += 'c' + both; });
  }
  PickleWriter& integers(std::span<const uint64_t> values) {
    if (values.empty()) return op(')');
    if (values.size() > 3) op('(');
    for (const uint64_t value : values) integer(value);
    return op(values.size() > 3 ? 't' : "\x85\x86\x87"[values.size() - 1]);
  }
  PickleWriter& empty_ordered_dict() {
    return global("collections", "OrderedDict").op(')').op('R');
  }

  std::string take() {
    op('.');
    return std::move(bytes_);
  }

 private:
  PickleWriter& little(uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i)
      byte(i < 8 ? static_cast<uint8_t>(value >> (8 * i)) : uint8_t{0});
    return *this;
  }
  template <class Write>
  PickleWriter& once(std::string_view key, Write write) {
    const auto known = memo_.find(key);
    if (known != memo_.end()) return op('h').byte(known->second);
    write();
    STKIT_CHECK(memo_.size() < 256);  // a global for each dtype, and a few more
    const auto number = static_cast<uint8_t>(memo_.size());
    memo_.emplace(key, number);
    return op('q').byte(number);
  }

  std::string bytes_;
  std::map<std::string, uint8_t, std::less<>> memo_;
};

// As torch counts: a value of F4 is two elements.
struct TorchShape {
  std::vector<uint64_t> sizes, strides;
  uint64_t values = 0;
};

TorchShape torch_shape(const TensorSpec& spec) {
  TorchShape shape{spec.shape, std::vector<uint64_t>(spec.shape.size()), 1};
  if (const uint64_t block = info(spec.dtype).block_elements; block > 1)
    shape.sizes.back() /= block;
  uint64_t step = 1;
  for (size_t i = shape.sizes.size(); i-- > 0;) {
    shape.strides[i] = step;
    step *= std::max<uint64_t>(shape.sizes[i], 1);
    shape.values *= shape.sizes[i];
  }
  return shape;
}

// A call of torch._utils._rebuild_tensor_v2; of _v3 where the storage does not say the dtype.
void write_tensor(PickleWriter& out, const TensorSpec& spec, const std::string& key) {
  const TorchType& type = *find_torch_type(spec.dtype);
  const TorchShape shape = torch_shape(spec);
  const bool typed = !type.storage.empty();
  out.global("torch._utils", typed ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3").op('(');
  out.op('(').shared_text("storage");
  out.global(typed ? "torch" : "torch.storage", typed ? type.storage : "UntypedStorage");
  out.text(key).shared_text("cpu");
  out.integer(typed ? shape.values : shape.values * type.item_bytes).op('t').op('Q');
  out.integer(0).integers(shape.sizes).integers(shape.strides);
  out.op('\x89').empty_ordered_dict();  // wants no gradient, has no hooks
  if (!typed) out.global("torch", type.name);
  out.op('t').op('R');
}

std::string pickle_of(std::span<const TensorSpec> specs, std::span<const std::string> keys) {
  PickleWriter out;
  out.empty_ordered_dict();
  for (size_t first = 0; first < specs.size(); first += kBatch) {
    out.op('(');
    for (size_t i = first; i < std::min(first + kBatch, specs.size()); ++i) {
      out.text(specs[i].name);
      write_tensor(out, specs[i], keys[i]);
    }
    out.op('u');
  }
  return out.take();
}

Result<void> check_names(std::span<const TensorSpec> specs) {
  std::vector<std::string_view> names;
  for (const TensorSpec& spec : specs) names.push_back(spec.name);
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice == names.end()) return {};
  return fail(ErrorCode::Usage, fmt::format("two tensors are named {}", quoted_name(*twice)));
}

}  // namespace

Result<void> check_torch_dtype(const TensorSpec& spec) {
  const std::string tensor = quoted_name(spec.name);
  if (find_torch_type(spec.dtype) == nullptr)
    return fail(
        ErrorCode::Unsupported,
        fmt::format("tensor {} is of {}, which PyTorch has no type for", tensor, name(spec.dtype)),
        "leave it out with --exclude, or write safetensors");
  const uint64_t block = info(spec.dtype).block_elements;
  if (block > 1 && (spec.shape.empty() || spec.shape.back() % block != 0))
    return fail(ErrorCode::Unsupported,
                fmt::format("tensor {} has rows that end inside of a byte, which PyTorch's {} "
                            "cannot",
                            tensor, find_torch_type(spec.dtype)->name),
                "leave it out with --exclude, or write safetensors");
  return {};
}

Result<TorchLayout> plan_torch_file(std::span<const TensorSpec> specs,
                                    std::span<const uint32_t> shares_with,
                                    const TorchLayoutOptions& options) {
  STKIT_CHECK(specs.size() == shares_with.size());
  STKIT_TRY(check_names(specs));
  std::vector<std::string> keys(specs.size());
  size_t storages = 0;
  for (size_t i = 0; i < specs.size(); ++i) {
    STKIT_TRY(check_torch_dtype(specs[i]));
    STKIT_CHECK(shares_with[i] <= i);
    keys[i] = shares_with[i] == i ? std::to_string(storages++) : keys[shares_with[i]];
  }

  const std::string root = std::string(options.root) + "/";
  ZipPlanner zip(options.alignment);
  zip.add(root + "data.pkl", pickle_of(specs, keys));
  zip.add(root + ".format_version", "1");
  zip.add(root + ".storage_alignment", std::to_string(options.alignment));
  zip.add(root + "byteorder", "little");
  TorchLayout layout;
  for (uint32_t i = 0; i < specs.size(); ++i) {
    if (shares_with[i] != i) continue;
    STKIT_ASSIGN(const uint64_t elements, element_count(specs[i].shape));
    STKIT_ASSIGN(const uint64_t bytes, storage_bytes(specs[i].dtype, elements));
    layout.storages.push_back({i, zip.add(root + "data/" + keys[i], bytes), bytes});
  }
  zip.add(root + "version", "3\n");
  layout.zip = zip.finish();
  return layout;
}

}  // namespace stkit
