#include "kernels/cast.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/check.h"
#include "kernels/cast_target.h"
#include "kernels/convert.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cast.cc"
#include <hwy/foreach_target.h>
// Highway wants to come after foreach_target.
#include <hwy/highway.h>

#include "kernels/widen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace stkit::kernels::HWY_NAMESPACE {

template <class D>
HWY_INLINE void store_elements(D, hn::Vec<D> elements, uint8_t* to) {
#if HWY_TARGET == HWY_SCALAR
  const auto element = hn::GetLane(elements);
  std::memcpy(to, &element, sizeof(element));
#else
  const hn::Repartition<uint8_t, D> bytes;
  hn::StoreU(hn::BitCast(bytes, elements), bytes, to);
#endif
}

// The part of round_magnitude() for magnitudes below kBeyond, of a vector. Magnitudes are signed,
// which is what most CPUs can compare.
template <class Target, class DI>
HWY_INLINE hn::Vec<DI> round_ordinary(DI di, hn::Vec<DI> magnitude) {
  const hn::RebindToFloat<DI> df;
  const auto constant = [&](uint32_t bits) { return hn::Set(di, static_cast<int32_t>(bits)); };
  const auto half = constant((1u << (Target::kShift - 1)) - 1);
  const auto odd = hn::And(hn::ShiftRight<Target::kShift>(magnitude), constant(1));
  const auto rounded = hn::Add(hn::Add(magnitude, half), odd);
  const auto code = hn::ShiftRight<Target::kShift>(hn::Sub(rounded, constant(Target::kRebias)));
  if constexpr (Target::kSameExponents) return code;
  const auto magic = constant(Target::kSubnormalMagic);
  const auto sum = hn::Add(hn::BitCast(df, magnitude), hn::BitCast(df, magic));
  const auto subnormal = hn::Sub(hn::BitCast(di, sum), magic);
  return hn::IfThenElse(hn::Lt(magnitude, constant(Target::kSmallestNormal)), subnormal, code);
}

// round_magnitude() of a vector.
template <class Target, class DI>
HWY_INLINE hn::Vec<DI> round_magnitudes(DI di, hn::Vec<DI> magnitude) {
  const auto constant = [&](uint32_t bits) { return hn::Set(di, static_cast<int32_t>(bits)); };
  const auto code =
      hn::IfThenElse(hn::Lt(magnitude, constant(Target::kBeyond)),
                     round_ordinary<Target>(di, magnitude), constant(Target::kSpecial));
  auto nan = constant(0x7F);
  if constexpr (Target::kBits == 16) {
    const auto payload =
        hn::And(hn::ShiftRight<Target::kShift>(magnitude), constant(Target::kMantissaMask));
    nan = hn::Or(constant(Target::kSpecial | Target::kQuiet), payload);
  }
  return hn::IfThenElse(hn::Gt(magnitude, constant(kF32Infinity)), nan, code);
}

template <class Target, class DI>
HWY_INLINE hn::Vec<DI> add_sign(DI di, hn::Vec<DI> codes, hn::Vec<DI> bits) {
  const auto sign = hn::Set(di, static_cast<int32_t>(1u << (Target::kBits - 1)));
  return hn::Or(codes, hn::And(hn::ShiftRight<32 - Target::kBits>(bits), sign));
}

// Elements of Source, any of the formats of widen-inl.h that widen to F32. REQUIRES: `count` is a
// multiple of the lanes.
template <class Source, class Target>
uint64_t narrow_any(const uint8_t* in, size_t count, uint8_t* out, BeyondRange beyond) {
  using Code = typename Target::Code;
  const hn::ScalableTag<float> df;
  const hn::RebindToSigned<decltype(df)> di;
  const hn::RebindToUnsigned<decltype(df)> du;
  const hn::Rebind<Code, decltype(df)> dc;
  const size_t lanes = hn::Lanes(df);
  const auto constant = [&](uint32_t bits) { return hn::Set(di, static_cast<int32_t>(bits)); };
  const auto replacement =
      constant(beyond == BeyondRange::Clamp ? Target::kMost : Target::kNotBeyond - 1);

  auto beyond_counts = hn::Zero(di);  // by lane
  for (size_t i = 0; i < count; i += lanes) {
    const auto bits = hn::BitCast(di, Source::load(df, in + i * sizeof(typename Source::Bits)));
    auto magnitude = hn::And(bits, constant(0x7FFF'FFFF));
    const auto is_beyond = hn::And(hn::Gt(magnitude, constant(Target::kBeyond - 1)),
                                   hn::Lt(magnitude, constant(Target::kNotBeyond)));
    beyond_counts = hn::Sub(beyond_counts, hn::VecFromMask(di, is_beyond));
    magnitude = hn::IfThenElse(is_beyond, replacement, magnitude);
    const auto codes = add_sign<Target>(di, round_magnitudes<Target>(di, magnitude), bits);
    store_elements(dc, hn::DemoteTo(dc, codes), out + i * sizeof(Code));
  }
  return hn::GetLane(hn::SumOfLanes(du, hn::BitCast(du, beyond_counts)));
}

// The same where no magnitude reaches kBeyond: no infinity, no NaN, nothing to count. False when
// one did, and then the output means nothing.
template <class Source, class Target>
bool narrow_ordinary(const uint8_t* in, size_t count, uint8_t* out) {
  using Code = typename Target::Code;
  const hn::ScalableTag<float> df;
  const hn::RebindToSigned<decltype(df)> di;
  const hn::Rebind<Code, decltype(df)> dc;
  const size_t lanes = hn::Lanes(df);
  auto largest = hn::Zero(di);
  for (size_t i = 0; i < count; i += lanes) {
    const auto values = Source::load(df, in + i * sizeof(typename Source::Bits));
    const auto bits = hn::BitCast(di, values);
    const auto magnitude = hn::And(bits, hn::Set(di, 0x7FFF'FFFF));
    largest = hn::Max(largest, magnitude);
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2 && !defined(HWY_DISABLE_F16C)
    if constexpr (std::is_same_v<Target, F16Target>) {
      const auto halves = hn::DemoteTo(hn::Rebind<hwy::float16_t, decltype(df)>(), values);
      store_elements(dc, hn::BitCast(dc, halves), out + i * sizeof(Code));
      continue;
    }
#endif
    const auto codes = add_sign<Target>(di, round_ordinary<Target>(di, magnitude), bits);
    store_elements(dc, hn::DemoteTo(dc, codes), out + i * sizeof(Code));
  }
  return hn::AllTrue(di, hn::Lt(largest, hn::Set(di, static_cast<int32_t>(Target::kBeyond))));
}

// Weights are ordinary but for a block here and there, which is done again.
template <class Source, class Target>
uint64_t narrow_all(const uint8_t* in, size_t count, uint8_t* out, BeyondRange beyond) {
  using Code = typename Target::Code;
  constexpr size_t kIn = sizeof(typename Source::Bits);
  constexpr size_t kBlock = 1024;
  const size_t whole = count - count % hn::Lanes(hn::ScalableTag<float>());
  uint64_t beyond_count = 0;
  size_t i = 0;
  for (size_t part; i < whole; i += part) {
    part = std::min(kBlock, whole - i);
    uint8_t* const to = out + i * sizeof(Code);
    if (!narrow_ordinary<Source, Target>(in + i * kIn, part, to))
      beyond_count += narrow_any<Source, Target>(in + i * kIn, part, to, beyond);
  }
  for (; i < count; ++i) {
    typename Source::Bits bits;
    std::memcpy(&bits, in + i * kIn, kIn);
    const Code code = narrow<Target>(Source::value(bits), beyond, beyond_count);
    std::memcpy(out + i * sizeof(Code), &code, sizeof(Code));
  }
  return beyond_count;
}

template <class Source>
void widen_all(const uint8_t* in, size_t count, uint8_t* out) {
  constexpr size_t kIn = sizeof(typename Source::Bits);
  const hn::ScalableTag<float> df;
  const size_t lanes = hn::Lanes(df);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes)
    store_elements(df, Source::load(df, in + i * kIn), out + i * sizeof(float));
  for (; i < count; ++i) {
    typename Source::Bits bits;
    std::memcpy(&bits, in + i * kIn, kIn);
    const float value = Source::value(bits);
    std::memcpy(out + i * sizeof(float), &value, sizeof(float));
  }
}

uint64_t f32_to_bf16(const uint8_t* in, size_t count, uint8_t* out, BeyondRange beyond) {
  return narrow_all<F32Format, Bf16Target>(in, count, out, beyond);
}
uint64_t f32_to_f16(const uint8_t* in, size_t count, uint8_t* out, BeyondRange beyond) {
  return narrow_all<F32Format, F16Target>(in, count, out, beyond);
}
uint64_t f32_to_e4m3(const uint8_t* in, size_t count, uint8_t* out, BeyondRange beyond) {
  return narrow_all<F32Format, E4m3Target>(in, count, out, beyond);
}
uint64_t f32_to_e5m2(const uint8_t* in, size_t count, uint8_t* out, BeyondRange beyond) {
  return narrow_all<F32Format, E5m2Target>(in, count, out, beyond);
}
uint64_t bf16_to_f16(const uint8_t* in, size_t count, uint8_t* out, BeyondRange beyond) {
  return narrow_all<Bf16Format, F16Target>(in, count, out, beyond);
}
uint64_t f16_to_bf16(const uint8_t* in, size_t count, uint8_t* out, BeyondRange beyond) {
  return narrow_all<F16Format, Bf16Target>(in, count, out, beyond);
}
void bf16_to_f32(const uint8_t* in, size_t count, uint8_t* out) {
  widen_all<Bf16Format>(in, count, out);
}
void f16_to_f32(const uint8_t* in, size_t count, uint8_t* out) {
  widen_all<F16Format>(in, count, out);
}

}  // namespace stkit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace stkit::kernels {

HWY_EXPORT(f32_to_bf16);
HWY_EXPORT(f32_to_f16);
HWY_EXPORT(f32_to_e4m3);
HWY_EXPORT(f32_to_e5m2);
HWY_EXPORT(bf16_to_f16);
HWY_EXPORT(f16_to_bf16);
HWY_EXPORT(bf16_to_f32);
HWY_EXPORT(f16_to_f32);

namespace {

// Floats on their way stay in the L1 cache.
constexpr size_t kPieceElements = 2048;
using Piece = std::array<float, kPieceElements>;

size_t element_bytes(DType dtype) { return info(dtype).block_bytes; }

template <class To>
void store(To value, uint8_t* to) {
  std::memcpy(to, &value, sizeof(To));
}

uint64_t from_floats(DType to, std::span<const float> in, uint8_t* out, BeyondRange beyond) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(in.data());
  switch (to) {
    case DType::BF16: return HWY_DYNAMIC_DISPATCH(f32_to_bf16)(bytes, in.size(), out, beyond);
    case DType::F16: return HWY_DYNAMIC_DISPATCH(f32_to_f16)(bytes, in.size(), out, beyond);
    case DType::F8_E4M3: return HWY_DYNAMIC_DISPATCH(f32_to_e4m3)(bytes, in.size(), out, beyond);
    case DType::F8_E5M2: return HWY_DYNAMIC_DISPATCH(f32_to_e5m2)(bytes, in.size(), out, beyond);
    case DType::F32: std::memcpy(out, bytes, in.size_bytes()); return 0;
    default:
      STKIT_CHECK(to == DType::F64);
      for (size_t i = 0; i < in.size(); ++i) store(double{in[i]}, out + i * sizeof(double));
      return 0;
  }
}

double load_double(const std::byte* from) {
  double value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

uint64_t f64_to_f32(std::span<const std::byte> in, uint8_t* out, BeyondRange beyond) {
  uint64_t beyond_count = 0;
  for (size_t i = 0; i * sizeof(double) < in.size(); ++i) {
    const double value = load_double(&in[i * sizeof(double)]);
    const auto rounded = static_cast<float>(value);
    const float finite = to_finite_float(value);
    const bool is_beyond = rounded != finite && value == value;
    beyond_count += is_beyond;
    store(is_beyond && beyond == BeyondRange::Clamp ? finite : rounded, out + i * sizeof(float));
  }
  return beyond_count;
}

void load_f64(std::span<const std::byte> in, DType to, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    const double value = load_double(&in[i * sizeof(double)]);
    out[i] = to == DType::F16 ? round_to_odd(value) : to_finite_float(value);
  }
}

// Everything that has no kernel of its own goes over floats.
uint64_t over_floats(DType from, DType to, std::span<const std::byte> in, uint8_t* out,
                     BeyondRange beyond) {
  uint64_t beyond_count = 0;
  Piece piece;
  const size_t piece_bytes = piece.size() * element_bytes(from);
  while (!in.empty()) {
    const auto part = in.first(std::min(in.size(), piece_bytes));
    const auto floats = std::span(piece).first(part.size() / element_bytes(from));
    from == DType::F64 ? load_f64(part, to, floats) : to_float(from, part, floats);
    beyond_count += from_floats(to, floats, out, beyond);
    in = in.subspan(part.size());
    out += floats.size() * element_bytes(to);
  }
  return beyond_count;
}

constexpr bool is_target(DType dtype) {
  return dtype == DType::F64 || dtype == DType::F32 || dtype == DType::F16 ||
         dtype == DType::BF16 || dtype == DType::F8_E4M3 || dtype == DType::F8_E5M2;
}

}  // namespace

bool can_cast(DType from, DType to) {
  return is_target(to) &&
         (is_target(from) || from == DType::F8_E4M3FNUZ || from == DType::F8_E5M2FNUZ);
}

uint64_t cast(DType from, DType to, std::span<const std::byte> in, std::span<std::byte> out,
              BeyondRange beyond) {
  STKIT_CHECK(can_cast(from, to));
  const size_t count = in.size() / element_bytes(from);
  STKIT_CHECK(count <= std::numeric_limits<uint32_t>::max());
  STKIT_CHECK(count * element_bytes(from) == in.size() && count * element_bytes(to) == out.size());
  const auto* bytes = reinterpret_cast<const uint8_t*>(in.data());
  auto* to_bytes = reinterpret_cast<uint8_t*>(out.data());
  if (from == to) {
    std::copy(in.begin(), in.end(), out.begin());
    return 0;
  }
  if (from == DType::BF16 && to == DType::F32) {
    HWY_DYNAMIC_DISPATCH(bf16_to_f32)(bytes, count, to_bytes);
    return 0;
  }
  if (from == DType::F16 && to == DType::F32) {
    HWY_DYNAMIC_DISPATCH(f16_to_f32)(bytes, count, to_bytes);
    return 0;
  }
  if (from == DType::BF16 && to == DType::F16)
    return HWY_DYNAMIC_DISPATCH(bf16_to_f16)(bytes, count, to_bytes, beyond);
  if (from == DType::F16 && to == DType::BF16)
    return HWY_DYNAMIC_DISPATCH(f16_to_bf16)(bytes, count, to_bytes, beyond);
  if (from == DType::F32 && to == DType::BF16)
    return HWY_DYNAMIC_DISPATCH(f32_to_bf16)(bytes, count, to_bytes, beyond);
  if (from == DType::F32 && to == DType::F16)
    return HWY_DYNAMIC_DISPATCH(f32_to_f16)(bytes, count, to_bytes, beyond);
  if (from == DType::F64 && to == DType::F32) return f64_to_f32(in, to_bytes, beyond);
  return over_floats(from, to, in, to_bytes, beyond);
}

}  // namespace stkit::kernels
#endif
