// Elementary functions of numbers: float, double and lanes of either (spiking/model/lanes.hpp). Built of + - * /,
// comparisons and bits, nothing fused: one argument gives one result, in a scalar and in vectors of every width, under
// every compiler. Within 2 ulp of the exact value, but
//   - denormal numbers may count as zero, as argument and as result;
//   - sin and cos: |x| <= 2^20; beyond, errors grow to that of rounding x itself (NaN from 2^30);
//   - power of doubles: |b| <= 20, beyond in proportion to b; exprel: infinite where exp is.
// Files of vector kernels include this once a target of Highway.
#if defined(LPL_CORE_ELEMENTARY) == defined(HWY_TARGET_TOGGLE)
#ifdef LPL_CORE_ELEMENTARY
#undef LPL_CORE_ELEMENTARY
#else
#define LPL_CORE_ELEMENTARY
#endif

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#ifdef HWY_NAMESPACE
#define LPL_INLINE HWY_INLINE
HWY_BEFORE_NAMESPACE();
namespace lpl::elementary::HWY_NAMESPACE {
#else
#define LPL_INLINE inline
namespace lpl::elementary {
#endif

// --- What a number offers; lanes offer the same --------------------------------------------------------------------

template <class T>
requires std::is_floating_point_v<T> T element(T);
inline float filled(float, double value) { return static_cast<float>(value); }
inline double filled(double, double value) { return value; }
inline std::uint32_t filled(std::uint32_t, std::uint64_t value) { return static_cast<std::uint32_t>(value); }
inline std::uint64_t filled(std::uint64_t, std::uint64_t value) { return value; }
inline std::uint32_t bits(float a) { return std::bit_cast<std::uint32_t>(a); }
inline std::uint64_t bits(double a) { return std::bit_cast<std::uint64_t>(a); }
inline float number(std::uint32_t a) { return std::bit_cast<float>(a); }
inline double number(std::uint64_t a) { return std::bit_cast<double>(a); }
inline double wide(float a) { return static_cast<double>(a); }
inline float narrow(double a) { return static_cast<float>(a); }
#define LPL_SCALAR   \
  template <class T> \
  requires std::is_floating_point_v<T>
LPL_SCALAR T min(T a, T b) { return a < b ? a : b; }
LPL_SCALAR T max(T a, T b) { return a > b ? a : b; }
LPL_SCALAR T abs(T a) { return std::fabs(a); }
LPL_SCALAR T sqrt(T a) { return std::sqrt(a); }
LPL_SCALAR T select(bool condition, T yes, T no) { return condition ? yes : no; }
LPL_SCALAR bool equal(T a, T b) { return a == b; }
// Keeps the sign of zero.
LPL_SCALAR T floor(T a) {
  if (!(std::fabs(a) < T{1} / std::numeric_limits<T>::epsilon())) return a;
  const T whole = static_cast<T>(static_cast<std::int64_t>(a));
  return std::copysign(whole > a ? whole - T{1} : whole, a);
}
#undef LPL_SCALAR
inline bool both(bool a, bool b) { return a && b; }

// --- The formats ---------------------------------------------------------------------------------------------------

template <class X>
using Element = decltype(element(std::declval<X>()));
template <class X>
inline constexpr bool kSingle = std::is_same_v<Element<X>, float>;
template <class X>
inline constexpr int kMantissa = std::numeric_limits<Element<X>>::digits - 1;
template <class X>
inline constexpr int kBias = std::numeric_limits<Element<X>>::max_exponent - 1;
// Where the unit is the last bit: adding it rounds to an integer, which the lowest bits then hold.
template <class X>
inline constexpr double kRounder = kSingle<X> ? 0x1.8p23 : 0x1.8p52;
template <class X>
inline constexpr double kLeast = static_cast<double>(std::numeric_limits<Element<X>>::min());
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// c0 + z (c1 + z (...)).
template <class X>
LPL_INLINE X polynomial(const X& z, double c0) {
  return filled(z, c0);
}
template <class X, class... Coefficients>
LPL_INLINE X polynomial(const X& z, double c0, Coefficients... others) {
  return filled(z, c0) + z * polynomial(z, others...);
}

// log 2 in two parts; the first has so few bits that its product with the integer n is exact.
template <class X>
inline constexpr double kLog2High = kSingle<X> ? 0.693145751953125 : 0.6931471805598903;
template <class X>
inline constexpr double kLog2Low = kSingle<X> ? 1.4286068203094173e-06 : 5.497923018708371e-14;

// --- Exponentials: x = n log 2 + r, |r| <= (log 2) / 2 ---------------------------------------------------------------

template <class X>
struct Reduced {
  X n;  // integer, above kRounder
  X q;  // exp(r) - 1
};
template <class X>
LPL_INLINE Reduced<X> reduced(const X& x) {
  const X n = x * filled(x, 1.4426950408889634) + filled(x, kRounder<X>);
  const X whole = n - filled(x, kRounder<X>);
  const X near = x - whole * filled(x, kLog2High<X>), rest = whole * filled(x, kLog2Low<X>);
  const X r = near - rest, lost = (near - r) - rest;
  X p;
  if constexpr (kSingle<X>)
    p = polynomial(r, 0.5, 0.16666576666119928, 0.04166655421298415, 0.008363232883682618, 0.0013926250831497611);
  else
    p = polynomial(r, 0.5000000000000001, 0.16666666666666669, 0.041666666666623824, 0.008333333333330039,
                   0.0013888888917367081, 0.00019841269863171557, 2.4801521057868204e-05, 2.7557268276905696e-06,
                   2.7620201591031547e-07, 2.5100472505694996e-08);
  return {n, r + (r * r * p + lost)};
}
// a 2^n for normal results.
template <class X>
LPL_INLINE X scaled(const X& a, const X& n) {
  return number(bits(a) + (bits(n) << kMantissa<X>));
}
template <class X>
inline constexpr double kLargestExponent = kSingle<X> ? 88.72283172607422 : 709.782712893384;

template <class X>
LPL_INLINE X exp(const X& x) {
  const Reduced<X> part = reduced(x);
  // exp of the largest exponent is below 2^n: 1 + q is below 1 there.
  const X result =
      select(x <= filled(x, kLargestExponent<X>), scaled(filled(x, 1) + part.q, part.n), x + filled(x, kInfinity));
  return select(x < filled(x, kSingle<X> ? -87.33654022216797 : -708.3964185322641), filled(x, 0), result);
}

template <class X>
LPL_INLINE X expm1(const X& x) {
  const Reduced<X> part = reduced(x);
  const X half = filled(x, 0.5);
  const X s = scaled(half, part.n);  // 2^n / 2: 2^n itself may be too large
  const X result =
      select(x <= filled(x, kLargestExponent<X>), filled(x, 2) * (s * part.q + (s - half)), x + filled(x, kInfinity));
  return select(x < filled(x, kSingle<X> ? -18.0 : -38.0), filled(x, -1), result);
}

// (exp(x) - 1) / x.
template <class X>
LPL_INLINE X exprel(const X& x) {
  const X result = select(x <= filled(x, kLargestExponent<X>), expm1(x) / x, x + filled(x, kInfinity));
  return select(equal(x, filled(x, 0)), filled(x, 1), result);
}

template <class X>
LPL_INLINE X tanh(const X& x) {
  const X size = abs(x), z = x * x;
  X p;
  if constexpr (kSingle<X>)
    p = polynomial(z, -0.3333333200171104, 0.13333112910672093, -0.053909267852378116, 0.021308401287001972,
                   -0.006608371256918572);
  else
    p = polynomial(z, -0.3333333333333333, 0.1333333333333271, -0.05396825396742711, 0.021869488493351966,
                   -0.008863234390552772, 0.0035921102829827483, -0.0014556610653503473, 0.0005889322836960864,
                   -0.0002346235564045879, 8.509481082749288e-05, -2.059003703476761e-05);
  const X one = filled(x, 1);
  const X large = one - filled(x, 2) / (exp(size + size) + one);
  return select(size < filled(x, 0.55), x + x * z * p, select(x < filled(x, 0), -large, large));
}

// --- Logarithms: x = 2^n (1 + f), 1 + f within sqrt(1/2) .. sqrt(2)
// ---------------------------------------------------

template <class X>
struct Decomposed {
  X n, f;
};
template <class X>
LPL_INLINE Decomposed<X> decomposed(const X& x) {
  constexpr std::uint64_t kOne = kSingle<X> ? 0x3f800000 : 0x3ff0000000000000;
  constexpr std::uint64_t kRootHalf = kSingle<X> ? 0x3f3504f3 : 0x3fe6a09e667f3bcd;
  constexpr double kUnit = kSingle<X> ? 0x1p23 : 0x1p52;
  const auto whole = bits(x);
  const auto shifted = whole + filled(whole, kOne - kRootHalf);
  const auto n = (shifted >> kMantissa<X>) | bits(filled(x, kUnit));
  const auto m = (shifted & filled(whole, (std::uint64_t{1} << kMantissa<X>)-1)) + filled(whole, kRootHalf);
  return {number(n) - filled(x, kUnit + kBias<X>), number(m) - filled(x, 1)};
}
// log(1 + f) = s (2 + R(s^2)), s = f / (2 + f).
template <class X>
LPL_INLINE X remainder_of_log(const X& z) {
  if constexpr (kSingle<X>)
    return z * polynomial(z, 0.6666668509542907, 0.39988757716604845, 0.29580985929974424);
  else
    return z * polynomial(z, 0.666666666666667, 0.3999999999989889, 0.28571428626253836, 0.22222211089379496,
                          0.1818289243253687, 0.15331611722055008, 0.14617807153417325);
}
// n log 2 + log(1 + f) + more.
template <class X>
LPL_INLINE X log_of(const X& n, const X& f, const X& more) {
  const X s = f / (filled(f, 2) + f);
  const X half_square = filled(f, 0.5) * f * f;
  const X small = s * (half_square + remainder_of_log(s * s)) + (n * filled(f, kLog2Low<X>) + more);
  return n * filled(f, kLog2High<X>) - ((half_square - small) - f);
}

template <class X>
LPL_INLINE X log(const X& x) {
  const Decomposed<X> part = decomposed(x);
  const X result = select(x < filled(x, kInfinity), log_of(part.n, part.f, filled(x, 0)), x + x);
  const X outside = select(x > filled(x, -kLeast<X>), filled(x, -kInfinity), filled(x, kNaN));
  return select(x < filled(x, kLeast<X>), outside, result);
}

template <class X>
LPL_INLINE X log1p(const X& x) {
  const X one = filled(x, 1), zero = filled(x, 0);
  const X u = one + x;
  const Decomposed<X> part = decomposed(u);
  const auto near = equal(part.n, zero);
  // What rounding took from 1 + x.
  const X lost = select(u > filled(x, 2), one - (u - x), x - (u - one)) / u;
  const X inside = log_of(part.n, select(near, x, part.f), select(near, zero, lost));
  const X result = select(x < filled(x, kInfinity), inside, x + x);
  const X outside = select(equal(x, -one), filled(x, -kInfinity), filled(x, kNaN));
  return select(x > -one, result, outside);
}

// --- Powers ----------------------------------------------------------------------------------------------------------

// a b = high + low, without rounding.
template <class X>
struct Pair {
  X high, low;
};
template <class X>
LPL_INLINE Pair<X> exact_product(const X& a, const X& b) {
  const X split = filled(a, 0x1p27 + 1);
  const X a_shifted = split * a, b_shifted = split * b;
  const X a1 = a_shifted - (a_shifted - a), b1 = b_shifted - (b_shifted - b);
  const X a2 = a - a1, b2 = b - b1;
  const X product = a * b;
  return {product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2};
}
template <class X>
LPL_INLINE Pair<X> exact_difference(const X& a, const X& b) {
  const X difference = a - b;
  const X v = difference - a;
  return {difference, (a - (difference - v)) - (b + v)};
}
// log a of a normal, finite a, to some ten bits more than a double has.
template <class X>
LPL_INLINE Pair<X> long_log(const X& a) {
  const Decomposed<X> part = decomposed(a);
  const X two = filled(a, 2);
  const X t = two + part.f;
  const X t_lost = part.f - (t - two);
  const X s = part.f / t;
  const Pair<X> back = exact_product(s, t);
  const X s_lost = (((part.f - back.high) - back.low) - s * t_lost) / t;
  const Pair<X> sum = exact_difference(part.n * filled(a, kLog2High<X>), -(s + s));
  const X low = sum.low + ((s_lost + s_lost) + s * remainder_of_log(s * s) + part.n * filled(a, kLog2Low<X>));
  const X high = sum.high + low;
  return {high, low - (high - sum.high)};
}

template <class X>
LPL_INLINE X power(const X& a, const X& b) {
  X result;
  if constexpr (kSingle<X>) {
    result = narrow(exp(wide(b) * log(wide(a))));
  } else {
    const Pair<X> logarithm = long_log(a);
    const Pair<X> exponent = exact_product(b, logarithm.high);
    const X e = exp(exponent.high);
    const X low = exponent.low + b * logarithm.low;
    const X exact = e + select(e < filled(a, kInfinity), e * low, filled(a, 0));
    const auto regular = both(a >= filled(a, kLeast<X>), a < filled(a, kInfinity));
    result = select(regular, exact, exp(b * log(a)));
  }
  return select(equal(b, filled(b, 0)), filled(b, 1), result);
}

// --- Trigonometry: x = n pi/2 + r, |r| <= pi/4
// -------------------------------------------------------------------------

template <class X>
struct Quarter {
  X n;  // 0, 1, 2, 3
  X r;
};
// n modulo 4.
template <class X>
LPL_INLINE X modulo_four(const X& n) {
  return n - filled(n, 4) * floor(n * filled(n, 0.25));
}
template <class X>
LPL_INLINE Quarter<X> quarter(const X& x) {
  if constexpr (kSingle<X>) {
    const auto part = quarter(wide(x));
    return {narrow(part.n), narrow(part.r)};
  } else {
    const X inside = select(abs(x) < filled(x, 0x1p30), x, filled(x, kNaN));
    const X n = (inside * filled(x, 0.6366197723675814) + filled(x, kRounder<X>)) - filled(x, kRounder<X>);
    // pi/2 in three parts, of which two have exact products with n.
    const Pair<X> rest =
        exact_difference(inside - n * filled(x, 1.5707963267341256), n * filled(x, 6.077100506303966e-11));
    return {modulo_four(n), rest.high + (rest.low - n * filled(x, 2.0222662487959506e-21))};
  }
}
template <class X>
LPL_INLINE X sine(const Quarter<X>& part) {
  const X& r = part.r;
  const X z = r * r, half = filled(r, 0.5) * z, one = filled(r, 1);
  X s, c;
  if constexpr (kSingle<X>) {
    s = polynomial(z, -0.16666664656312208, 0.008332747104664527, -0.0001958763909873721);
    c = polynomial(z, 0.041666664653488304, -0.0013888301867530717, 2.4547689768360126e-05);
  } else {
    s = polynomial(z, -0.16666666666666666, 0.008333333333330936, -0.00019841269836740532, 2.7557316093198404e-06,
                   -2.505112989645018e-08, 1.5917988979397204e-10);
    c = polynomial(z, 0.041666666666666664, -0.0013888888888887389, 2.48015872987544e-05, -2.755731726587793e-07,
                   2.087614504938899e-09, -1.138254464392478e-11);
  }
  const X sine = r + r * z * s;
  const X near = one - half;
  const X cosine = near + (((one - near) - half) + z * z * c);
  const X value = select(equal(part.n - filled(r, 2) * floor(part.n * filled(r, 0.5)), one), cosine, sine);
  return select(part.n > filled(r, 1.5), -value, value);
}
template <class X>
LPL_INLINE X sin(const X& x) {
  return sine(quarter(x));
}
template <class X>
LPL_INLINE Quarter<X> next(const Quarter<X>& part) {
  return {modulo_four(part.n + filled(part.n, 1)), part.r};
}
template <class X>
LPL_INLINE X cos(const X& x) {
  return sine(next(quarter(x)));
}

// --- Random numbers, of words all of whose values are equally likely
// --------------------------------------------------

// On (0, 1), never 0 or 1.
template <class W>
LPL_INLINE auto uniform_of(const W& word) {
  using X = decltype(number(word));
  const X one = filled(X{}, 1);
  const X above = number((word >> (8 * static_cast<int>(sizeof(Element<X>)) - kMantissa<X>)) | bits(one));
  return (above - one) + filled(one, kSingle<X> ? 0x1p-24 : 0x1p-53);
}
// Box and Muller: of mean 0 and deviation 1; at most 5.8 (float) or 8.6 (double) deviations.
template <class W>
LPL_INLINE auto normal_of(const W& first, const W& second) {
  const auto turns = uniform_of(second);
  using X = std::remove_cv_t<decltype(turns)>;
  const X n = (filled(turns, 4) * turns + filled(turns, kRounder<X>)) - filled(turns, kRounder<X>);
  const X r = (turns - filled(turns, 0.25) * n) * filled(turns, 6.283185307179586);
  return sqrt(filled(turns, -2) * log(uniform_of(first))) * sine(next(Quarter<X>{n, r}));
}

}  // namespace
#undef LPL_INLINE
#ifdef HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
#endif
