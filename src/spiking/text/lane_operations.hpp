// The operations of programs on lanes: what the machines of neurons and of synapses share. For files of vector kernels,
// once a target of Highway.
#if defined(LPL_SPIKING_TEXT_LANE_OPERATIONS) == defined(HWY_TARGET_TOGGLE)
#ifdef LPL_SPIKING_TEXT_LANE_OPERATIONS
#undef LPL_SPIKING_TEXT_LANE_OPERATIONS
#else
#define LPL_SPIKING_TEXT_LANE_OPERATIONS
#endif

#include <bit>
#include <type_traits>

#include "spiking/model/lanes.hpp"
#include "spiking/text/lane_code.hpp"

HWY_BEFORE_NAMESPACE();
namespace lpl::spiking::HWY_NAMESPACE {
namespace e = lpl::elementary::HWY_NAMESPACE;

// Where instructions work. A register is a column of 16 numbers for each block.
template <class T>
struct Frame {
  const T* constants;
  T* columns;
  std::size_t stride;  // of columns
  std::size_t blocks;  // of columns that are in use
};

// An operand: a column or a constant.
template <class T, bool kConstant>
class Operand {
 public:
  HWY_INLINE Operand(const Frame<T>& frame, std::uint16_t number) {
    if constexpr (kConstant)
      value_ = set(frame.constants[number]);
    else
      from_ = frame.columns + number * frame.stride;
  }
  HWY_INLINE Lanes<T> operator[](std::size_t b) const {
    if constexpr (kConstant)
      return value_;
    else
      return load(from_ + b * kBlock);
  }

 private:
  Lanes<T> value_;
  const T* from_;
};

template <class T, class Value>
HWY_INLINE void fill(Frame<T>& frame, std::uint16_t column, Value value) {
  T* const to = frame.columns + column * frame.stride;
  const std::size_t blocks = frame.blocks;
  for (std::size_t b = 0; b < blocks; ++b) store(value(b), to + b * kBlock);
}
// The same where a value costs less than the loop: four blocks at once, the last ones perhaps without a use.
template <class T, class Value>
HWY_INLINE void fill_by_four(Frame<T>& frame, std::uint16_t column, Value value) {
  T* const to = frame.columns + column * frame.stride;
  const std::size_t blocks = frame.blocks;
  for (std::size_t b = 0; b < blocks; b += 4) {
    store(value(b), to + b * kBlock);
    store(value(b + 1), to + (b + 1) * kBlock);
    store(value(b + 2), to + (b + 2) * kBlock);
    store(value(b + 3), to + (b + 3) * kBlock);
  }
}
template <bool kCheap, class T, class Value>
HWY_INLINE void fill_with(Frame<T>& frame, std::uint16_t column, Value value) {
  if constexpr (kCheap)
    fill_by_four(frame, column, value);
  else
    fill(frame, column, value);
}

template <class T>
HWY_INLINE Lanes<T> from_truth(const Mask<T>& truth) {
  return select(truth, set(T{1}), set(T{0}));
}
template <class T>
HWY_INLINE Mask<T> truth(const Lanes<T>& a) {
  return unequal(a, set(T{0}));
}

template <Op op, class T>
HWY_INLINE Lanes<T> value_of(const Lanes<T>& a, const Lanes<T>& b, const Lanes<T>& c) {
  if constexpr (op == Op::copy) return a;
  if constexpr (op == Op::negate) return -a;
  if constexpr (op == Op::add) return a + b;
  if constexpr (op == Op::subtract) return a - b;
  if constexpr (op == Op::multiply) return a * b;
  if constexpr (op == Op::divide) return a / b;
  if constexpr (op == Op::fma) return fma(a, b, c);
  if constexpr (op == Op::fnma) return fnma(a, b, c);
  if constexpr (op == Op::min) return min(a, b);
  if constexpr (op == Op::max) return max(a, b);
  if constexpr (op == Op::abs) return abs(a);
  if constexpr (op == Op::sqrt) return sqrt(a);
  if constexpr (op == Op::floor) return floor(a);
  if constexpr (op == Op::exp) return e::exp(a);
  if constexpr (op == Op::expm1) return e::expm1(a);
  if constexpr (op == Op::log) return e::log(a);
  if constexpr (op == Op::log1p) return e::log1p(a);
  if constexpr (op == Op::exprel) return e::exprel(a);
  if constexpr (op == Op::tanh) return e::tanh(a);
  if constexpr (op == Op::sin) return e::sin(a);
  if constexpr (op == Op::cos) return e::cos(a);
  if constexpr (op == Op::power) return e::power(a, b);
  if constexpr (op == Op::greater) return from_truth(a > b);
  if constexpr (op == Op::greater_equal) return from_truth(a >= b);
  if constexpr (op == Op::less) return from_truth(a < b);
  if constexpr (op == Op::less_equal) return from_truth(a <= b);
  if constexpr (op == Op::equal) return from_truth(equal(a, b));
  if constexpr (op == Op::both) return from_truth(both(truth(a), truth(b)));
  if constexpr (op == Op::either) return from_truth(either(truth(a), truth(b)));
  if constexpr (op == Op::negation) return from_truth(equal(a, set(T{0})));
  if constexpr (op == Op::select) return select(truth(a), b, c);
}

// F: a Frame, or what is one.
template <class F, Op op, unsigned kConstants>
void compute(const LaneInstruction& code, F& frame) {
  using T = std::remove_pointer_t<decltype(frame.columns)>;
  constexpr bool kCheap = op < Op::exp || op > Op::power;
  constexpr unsigned kOperands = std::popcount(registers_read(op));
  const Operand<T, (kConstants & 1) != 0> a(frame, code.a);
  if constexpr (kOperands == 1) {
    fill_with<kCheap, T>(frame, code.to, [&](std::size_t i) HWY_ATTR { return value_of<op>(a[i], a[i], a[i]); });
  } else {
    const Operand<T, (kConstants & 2) != 0> b(frame, code.b);
    if constexpr (kOperands == 2) {
      fill_with<kCheap, T>(frame, code.to, [&](std::size_t i) HWY_ATTR { return value_of<op>(a[i], b[i], b[i]); });
    } else {
      const Operand<T, (kConstants & 4) != 0> c(frame, code.c);
      fill_with<kCheap, T>(frame, code.to, [&](std::size_t i) HWY_ATTR { return value_of<op>(a[i], b[i], c[i]); });
    }
  }
}

template <class F>
using Handler = void (*)(const LaneInstruction&, F&);

}  // namespace lpl::spiking::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
