#pragma once

#include <cstddef>
#include <vector>

namespace lpl::spiking {

// A rate over time: intervals in which it is linear, looped.
class RateProfile {
 public:
  static RateProfile constant(double rate);
  // Samples at `times` (ascending from 0), linear in between. The loop begins again at the last of them: where first
  // and last rate differ, the rate jumps there.
  static RateProfile sampled(std::vector<double> times, const std::vector<double>& rates);
  // Rates at multiples of `interval`, looping after the last interval.
  static RateProfile regular(double interval, std::vector<double> rates);

  struct Interval {
    double length;    // [s]
    double from, to;  // [Hz]
  };
  static RateProfile of(const std::vector<Interval>& intervals);
  std::vector<Interval> intervals() const;

  double at(double time) const;                    // [Hz]
  double maximum(double begin, double end) const;  // upper bound of at() on [begin, end]
  double maximum() const;
  double period() const { return times_.back(); }
  bool is_constant() const { return from_.size() == 1 && from_.front() == to_.front(); }
  // Whether it is made of samples at multiples of one interval, without a jump.
  bool is_regular() const;

  // at() for rising times from `begin` on, without searching.
  class Walk {
   public:
    Walk(const RateProfile& profile, double begin);
    double at(double elapsed);  // the rate at begin + elapsed; `elapsed` must not fall

   private:
    const RateProfile& profile_;
    double phase_;
    std::size_t interval_;
  };

 private:
  std::size_t interval_of(double phase) const;
  std::vector<double> times_;      // where intervals begin; the last one ends at the last time, the period
  std::vector<double> from_, to_;  // rates at an interval's beginning and end
};

}  // namespace lpl::spiking
