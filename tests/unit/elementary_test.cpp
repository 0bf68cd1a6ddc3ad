// Elementary functions against long double: random arguments over the whole useful range, and the edges.
#include "core/elementary.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace lpl {
namespace {

namespace e = elementary;

template <class T>
constexpr T kInf = std::numeric_limits<T>::infinity();

// The distance of `got` from the exact value, in units of the last place there.
template <class T>
double ulps(T got, long double exact) {
  if (std::isinf(got) || std::isnan(got))
    return std::isinf(static_cast<T>(exact)) && got == static_cast<T>(exact) ? 0 : 1e9;
  const long double least = std::numeric_limits<T>::min();
  if (std::fabs(exact) < least) return std::fabs(got) <= least ? 0 : 1e9;
  int exponent = 0;
  std::frexp(exact, &exponent);
  return static_cast<double>(std::fabs(static_cast<long double>(got) - exact) /
                             std::ldexp(1.0L, exponent - std::numeric_limits<T>::digits));
}

template <class T>
class Elementary : public testing::Test {
 protected:
  // Half of the arguments evenly from low to high, half evenly in their logarithm down to 1e-6 of that.
  template <class Function, class Exact>
  void check(const char* name, Function function, Exact exact, double low, double high) {
    double worst = 0;
    T worst_at = 0;
    for (int i = 0; i < 200000; ++i) {
      double x = std::uniform_real_distribution(low, high)(random);
      if (i % 2 == 0) x *= std::exp(std::uniform_real_distribution(-14.0, 0.0)(random));
      const auto argument = static_cast<T>(x);
      if (static_cast<double>(argument) < low || static_cast<double>(argument) > high) continue;
      const double error = ulps<T>(function(argument), exact(static_cast<long double>(argument)));
      if (error > worst) {
        worst = error;
        worst_at = argument;
      }
    }
    EXPECT_LE(worst, 2) << name << " at " << testing::PrintToString(worst_at);
  }
  std::mt19937_64 random{1};
};
using Numbers = testing::Types<float, double>;
TYPED_TEST_SUITE(Elementary, Numbers);

TYPED_TEST(Elementary, FunctionsAreWithinTwoUnitsOfTheLastPlace) {
  using T = TypeParam;
  constexpr bool kFloat = std::is_same_v<T, float>;
  const double low = kFloat ? -87.33 : -708.39, high = kFloat ? 88.72283 : 709.7827;
  this->check(
      "exp", [](T x) { return e::exp(x); }, [](long double x) { return std::exp(x); }, low, high);
  this->check(
      "exp", [](T x) { return e::exp(x); }, [](long double x) { return std::exp(x); }, -1, 1);
  this->check(
      "expm1", [](T x) { return e::expm1(x); }, [](long double x) { return std::expm1(x); }, low, high);
  this->check(
      "expm1", [](T x) { return e::expm1(x); }, [](long double x) { return std::expm1(x); }, -1, 1);
  const auto exprel = [](long double x) { return x == 0 ? 1.0L : std::expm1(x) / x; };
  this->check(
      "exprel", [](T x) { return e::exprel(x); }, exprel, low, high);
  this->check(
      "exprel", [](T x) { return e::exprel(x); }, exprel, -1, 1);
  this->check(
      "exprel", [](T x) { return e::exprel(x); }, exprel, -1e-20, 1e-20);
  this->check(
      "log", [](T x) { return e::log(x); }, [](long double x) { return std::log(x); }, 0, 1e30);
  this->check(
      "log", [](T x) { return e::log(x); }, [](long double x) { return std::log(x); }, 1e-30, 3);
  this->check(
      "log", [](T x) { return e::log(x); }, [](long double x) { return std::log(x); }, 0.99, 1.01);
  this->check(
      "log1p", [](T x) { return e::log1p(x); }, [](long double x) { return std::log1p(x); }, -1, 5);
  this->check(
      "log1p", [](T x) { return e::log1p(x); }, [](long double x) { return std::log1p(x); }, -1, 1e30);
  this->check(
      "log1p", [](T x) { return e::log1p(x); }, [](long double x) { return std::log1p(x); }, -1e-9, 1e-9);
  this->check(
      "tanh", [](T x) { return e::tanh(x); }, [](long double x) { return std::tanh(x); }, -3, 3);
  this->check(
      "tanh", [](T x) { return e::tanh(x); }, [](long double x) { return std::tanh(x); }, -100, 100);
  for (const double range : {1.0, 10.0, 1000.0, 0x1p20}) {
    this->check(
        "sin", [](T x) { return e::sin(x); }, [](long double x) { return std::sin(x); }, -range, range);
    this->check(
        "cos", [](T x) { return e::cos(x); }, [](long double x) { return std::cos(x); }, -range, range);
  }
  for (const double b : {-20.0, -3.7, -0.5, 0.01, 1.5, 2.0, 17.3, 20.0})
    for (const double largest : {1.5, 1e3}) {
      const auto exponent = static_cast<T>(b);
      this->check(
          "power", [exponent](T x) { return e::power(x, exponent); },
          [exponent](long double x) { return std::pow(x, static_cast<long double>(exponent)); }, 1e-20, largest);
    }
}

TYPED_TEST(Elementary, FunctionsKnowTheirEdges) {
  using T = TypeParam;
  constexpr T inf = kInf<T>, nan = std::numeric_limits<T>::quiet_NaN(), least = std::numeric_limits<T>::min();
  const T largest = std::is_same_v<T, float> ? static_cast<T>(88.72283172607422) : static_cast<T>(709.782712893384);
  for (T (*function)(const T&) :
       {&e::exp<T>, &e::expm1<T>, &e::log<T>, &e::log1p<T>, &e::exprel<T>, &e::tanh<T>, &e::sin<T>, &e::cos<T>})
    EXPECT_TRUE(std::isnan(function(nan)));
  EXPECT_EQ(e::exp(T{0}), 1);
  EXPECT_EQ(e::exp(inf), inf);
  EXPECT_EQ(e::exp(-inf), 0);
  EXPECT_TRUE(std::isfinite(e::exp(largest)));
  EXPECT_LE(ulps(e::exp(largest), std::exp(static_cast<long double>(largest))), 1);
  EXPECT_EQ(e::exp(std::nextafter(largest, inf)), inf);
  EXPECT_EQ(e::exp(-largest * T{1.2f}), 0);
  EXPECT_GE(e::exp(std::log(least)), 0);
  EXPECT_EQ(e::expm1(T{0}), 0);
  EXPECT_EQ(e::expm1(inf), inf);
  EXPECT_EQ(e::expm1(-inf), -1);
  EXPECT_TRUE(std::isfinite(e::expm1(largest)));
  EXPECT_EQ(e::exprel(T{0}), 1);
  EXPECT_EQ(e::exprel(inf), inf);
  EXPECT_EQ(e::exprel(-inf), 0);
  EXPECT_EQ(e::log(T{1}), 0);
  EXPECT_EQ(e::log(T{0}), -inf);
  EXPECT_EQ(e::log(least / 2), -inf);
  EXPECT_EQ(e::log(inf), inf);
  EXPECT_TRUE(std::isnan(e::log(T{-1})));
  EXPECT_LE(ulps(e::log(least), std::log(static_cast<long double>(least))), 1);
  EXPECT_EQ(e::log1p(T{0}), 0);
  EXPECT_EQ(e::log1p(T{-1}), -inf);
  EXPECT_EQ(e::log1p(inf), inf);
  EXPECT_TRUE(std::isnan(e::log1p(T{-2})));
  EXPECT_EQ(e::tanh(inf), 1);
  EXPECT_EQ(e::tanh(-inf), -1);
  EXPECT_EQ(e::tanh(T{0}), 0);
  EXPECT_EQ(e::sin(T{0}), 0);
  EXPECT_EQ(e::cos(T{0}), 1);
  EXPECT_TRUE(std::isnan(e::sin(inf)));
  EXPECT_TRUE(std::isnan(e::cos(static_cast<T>(0x1p31))));
  EXPECT_EQ(e::power(T{0}, T{2}), 0);
  EXPECT_EQ(e::power(T{0}, T{-1}), inf);
  EXPECT_EQ(e::power(T{0}, T{0}), 1);
  EXPECT_EQ(e::power(T{2}, T{0.5f} * T{4}), 4);
  EXPECT_EQ(e::power(inf, T{2}), inf);
  EXPECT_EQ(e::power(T{1e10f}, T{100}), inf);
  EXPECT_TRUE(std::isnan(e::power(T{-1}, T{0.5f})));
  EXPECT_EQ(e::floor(T{-0.5f}), -1);
  EXPECT_TRUE(std::signbit(e::floor(T{-0.0f})));
  EXPECT_EQ(e::floor(static_cast<T>(1e30)), static_cast<T>(1e30));
}

// Moments of uniform and normal numbers from counted words.
TYPED_TEST(Elementary, RandomNumbersHaveTheirMoments) {
  using T = TypeParam;
  using Word = decltype(e::bits(T{}));
  constexpr int kCount = 1000000;
  double sum = 0, squares = 0, fourth = 0, mean = 0, least = 1, most = 0;
  for (int i = 0; i < kCount; ++i) {
    const auto first = static_cast<Word>(this->random()), second = static_cast<Word>(this->random());
    const auto u = static_cast<double>(e::uniform_of(first));
    mean += u;
    least = std::min(least, u);
    most = std::max(most, u);
    const auto n = static_cast<double>(e::normal_of(first, second));
    sum += n;
    squares += n * n;
    fourth += n * n * n * n;
  }
  EXPECT_NEAR(mean / kCount, 0.5, 5 * 0.29 / 1000);
  EXPECT_GT(least, 0);
  EXPECT_LT(most, 1);
  EXPECT_NEAR(sum / kCount, 0, 5.0 / 1000);
  EXPECT_NEAR(squares / kCount, 1, 5 * 1.42 / 1000);
  EXPECT_NEAR(fourth / kCount, 3, 5 * 9.8 / 1000);
  EXPECT_GT(e::uniform_of(Word{0}), 0);
  EXPECT_LT(e::uniform_of(static_cast<Word>(~Word{0})), 1);
  EXPECT_TRUE(std::isfinite(e::normal_of(Word{0}, Word{0})));
  EXPECT_TRUE(std::isfinite(e::normal_of(static_cast<Word>(~Word{0}), Word{0})));
}

}  // namespace
}  // namespace lpl
