#include "kernels/convert.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "kernels/minifloat.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/convert.cc"
#include <hwy/foreach_target.h>
// Highway wants to come after foreach_target.
#include <hwy/highway.h>

#include "kernels/widen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace stkit::kernels::HWY_NAMESPACE {

template <class Format>
void widen(const uint8_t* from, std::span<float> out) {
  using Bits = typename Format::Bits;
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= out.size(); i += lanes)
    hn::StoreU(Format::load(d, from + i * sizeof(Bits)), d, out.data() + i);
  for (; i < out.size(); ++i) {
    Bits bits;
    std::memcpy(&bits, from + i * sizeof(Bits), sizeof(Bits));
    out[i] = Format::value(bits);
  }
}

void widen_f16(const uint8_t* from, std::span<float> out) { widen<F16Format>(from, out); }
void widen_bf16(const uint8_t* from, std::span<float> out) { widen<Bf16Format>(from, out); }

}  // namespace stkit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace stkit::kernels {

HWY_EXPORT(widen_f16);
HWY_EXPORT(widen_bf16);

namespace {

template <class Out>
void look_up(DType dtype, std::span<const uint8_t> bytes, std::span<Out> out) {
  const CodeValues& values = *code_values(dtype);
  const size_t packed = info(dtype).block_elements;
  if (packed == 1) {
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<Out>(values[bytes[i]]);
  } else if (packed == 2) {
    for (size_t i = 0; i < bytes.size(); ++i)
      for (size_t k = 0; k < 2; ++k)
        out[2 * i + k] = static_cast<Out>(values[unpack_f4(bytes[i])[k]]);
  } else {
    for (size_t i = 0; 3 * i < bytes.size(); ++i)
      for (size_t k = 0; k < 4; ++k)
        out[4 * i + k] = static_cast<Out>(values[unpack_f6(&bytes[3 * i])[k]]);
  }
}

template <class T, class Out>
void cast_each(std::span<const uint8_t> bytes, std::span<Out> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, &bytes[i * sizeof(T)], sizeof(T));
    out[i] = static_cast<Out>(value);
  }
}

void widen_16_bits(DType dtype, std::span<const uint8_t> bytes, std::span<float> out) {
  dtype == DType::F16 ? HWY_DYNAMIC_DISPATCH(widen_f16)(bytes.data(), out)
                      : HWY_DYNAMIC_DISPATCH(widen_bf16)(bytes.data(), out);
}

void widen_16_bits(DType dtype, std::span<const uint8_t> bytes, std::span<double> out) {
  std::array<float, 1024> floats;
  while (!out.empty()) {
    const size_t count = std::min(out.size(), floats.size());
    widen_16_bits(dtype, bytes.first(count * 2), std::span(floats).first(count));
    std::copy_n(floats.begin(), count, out.begin());
    bytes = bytes.subspan(count * 2);
    out = out.subspan(count);
  }
}

template <class Out>
void convert(DType dtype, std::span<const std::byte> elements, std::span<Out> out) {
  STKIT_CHECK(info(dtype).in_safetensors() && out.size() == value_count(dtype, elements.size()));
  const std::span bytes(reinterpret_cast<const uint8_t*>(elements.data()), elements.size());
  switch (dtype) {
    case DType::F16:
    case DType::BF16: return widen_16_bits(dtype, bytes, out);
    case DType::I16: return cast_each<int16_t>(bytes, out);
    case DType::U16: return cast_each<uint16_t>(bytes, out);
    case DType::I32: return cast_each<int32_t>(bytes, out);
    case DType::U32: return cast_each<uint32_t>(bytes, out);
    case DType::F32:
    case DType::C64: return cast_each<float>(bytes, out);
    case DType::F64: return cast_each<double>(bytes, out);
    case DType::I64: return cast_each<int64_t>(bytes, out);
    case DType::U64: return cast_each<uint64_t>(bytes, out);
    default: return look_up(dtype, bytes, out);
  }
}

}  // namespace

size_t value_count(DType dtype, size_t bytes) {
  const DTypeInfo& row = info(dtype);
  return bytes / row.block_bytes * row.block_elements * values_per_element(dtype);
}

void to_double(DType dtype, std::span<const std::byte> elements, std::span<double> out) {
  convert(dtype, elements, out);
}

void to_float(DType dtype, std::span<const std::byte> elements, std::span<float> out) {
  convert(dtype, elements, out);
}

}  // namespace stkit::kernels
#endif
