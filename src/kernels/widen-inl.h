// Loads of floats as they are stored, widened to vectors of float or double. Included once per SIMD
// target, by files that Highway compiles for each.
#if defined(STKIT_KERNELS_WIDEN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef STKIT_KERNELS_WIDEN_INL_H_
#undef STKIT_KERNELS_WIDEN_INL_H_
#else
#define STKIT_KERNELS_WIDEN_INL_H_
#endif

#include <hwy/highway.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace stkit::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Elements at any address. Through bytes, since a pointer to a wider type must be aligned.
template <class D>
HWY_INLINE hn::Vec<D> load_elements(D d, const uint8_t* from) {
#if HWY_TARGET == HWY_SCALAR
  hn::TFromD<D> element;
  std::memcpy(&element, from, sizeof(element));
  return hn::Set(d, element);
#else
  return hn::BitCast(d, hn::LoadU(hn::Repartition<uint8_t, D>(), from));
#endif
}

// Every float format has: Bits, an unsigned integer of its size, in which sign and magnitude lie as
// in IEEE 754; kInfinity, the magnitude from which on a value is infinite or NaN; the value of
// one element; and load, which widens the Lanes(d) elements at an address.
struct Bf16Format {
  using Bits = uint16_t;
  static constexpr Bits kInfinity = 0x7F80;

  static float value(Bits bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

  template <class DF>
  static HWY_INLINE hn::Vec<DF> load(DF df, const uint8_t* from) {
    const hn::RebindToUnsigned<DF> du32;
    const auto bits = load_elements(hn::Rebind<uint16_t, DF>(), from);
    return hn::BitCast(df, hn::ShiftLeft<16>(hn::PromoteTo(du32, bits)));
  }
};

struct F16Format {
  using Bits = uint16_t;
  static constexpr Bits kInfinity = 0x7C00;

  // Subnormals become exact by taking 2^-14 off the number that has their mantissa behind that
  // exponent: no float on the way is subnormal, which some CPUs are slow at.
  static float value(Bits bits) {
    const uint32_t magnitude = bits & 0x7FFFu, sign = (bits & 0x8000u) << 16;
    const float subnormal = std::bit_cast<float>((magnitude << 13) | kSmallestNormal) -
                            std::bit_cast<float>(kSmallestNormal);
    const uint32_t normal = (magnitude << 13) + kRebias;
    const uint32_t special = (normal + kRebias) | (magnitude > kInfinity ? kQuiet : 0);
    const uint32_t wide = magnitude < 0x0400      ? std::bit_cast<uint32_t>(subnormal)
                          : magnitude < kInfinity ? normal
                                                  : special;
    return std::bit_cast<float>(wide | sign);
  }

  template <class DF>
  static HWY_INLINE hn::Vec<DF> load(DF df, const uint8_t* from) {
    return widen(df, load_elements(hn::Rebind<uint16_t, DF>(), from));
  }

  template <class DF>
  static HWY_INLINE hn::Vec<DF> widen(DF df, hn::Vec<hn::Rebind<uint16_t, DF>> bits) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2 && !defined(HWY_DISABLE_F16C)
    return hn::PromoteTo(df, hn::BitCast(hn::Rebind<hwy::float16_t, DF>(), bits));
#else
    // As in value().
    const hn::RebindToUnsigned<DF> du32;
    const auto wide = hn::PromoteTo(du32, bits);
    const auto sign = hn::ShiftLeft<16>(hn::And(wide, hn::Set(du32, 0x8000)));
    const auto magnitude = hn::And(wide, hn::Set(du32, 0x7FFF));
    const auto shifted = hn::ShiftLeft<13>(magnitude);
    const auto smallest = hn::Set(du32, kSmallestNormal);
    const auto subnormal = hn::BitCast(
        du32, hn::Sub(hn::BitCast(df, hn::Or(shifted, smallest)), hn::BitCast(df, smallest)));
    const auto rebias = hn::Set(du32, kRebias);
    const auto normal = hn::Add(shifted, rebias);
    const auto quiet =
        hn::IfThenElseZero(hn::Gt(magnitude, hn::Set(du32, kInfinity)), hn::Set(du32, kQuiet));
    const auto special = hn::Or(hn::Add(normal, rebias), quiet);
    const auto finite = hn::IfThenElse(hn::Lt(magnitude, hn::Set(du32, 0x0400)), subnormal, normal);
    const auto result =
        hn::IfThenElse(hn::Lt(magnitude, hn::Set(du32, kInfinity)), finite, special);
    return hn::BitCast(df, hn::Or(result, sign));
#endif
  }

 private:
  static constexpr uint32_t kSmallestNormal = 113u << 23;  // 2^-14
  static constexpr uint32_t kRebias = 112u << 23;          // from exponent bias 15 to 127
  static constexpr uint32_t kQuiet = 1u << 22;
};

struct F32Format {
  using Bits = uint32_t;
  static constexpr Bits kInfinity = 0x7F80'0000;

  static float value(Bits bits) { return std::bit_cast<float>(bits); }

  template <class DF>
  static HWY_INLINE hn::Vec<DF> load(DF df, const uint8_t* from) {
    return load_elements(df, from);
  }
};

struct F64Format {
  using Bits = uint64_t;
  static constexpr Bits kInfinity = 0x7FF0'0000'0000'0000;

  static double value(Bits bits) { return std::bit_cast<double>(bits); }
};

// The elements at an address as doubles.
template <class Format, class DD>
HWY_INLINE hn::Vec<DD> load_doubles(DD dd, const uint8_t* from) {
  if constexpr (sizeof(typename Format::Bits) == sizeof(double)) {
    return load_elements(dd, from);
  } else {
    return hn::PromoteTo(dd, Format::load(hn::Rebind<float, DD>(), from));
  }
}

}  // namespace stkit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard per target
