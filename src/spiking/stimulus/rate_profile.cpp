#include "spiking/stimulus/rate_profile.hpp"

#include <algorithm>
#include <cmath>

namespace lpl::spiking {

RateProfile RateProfile::constant(double rate) { return sampled({0, 1}, {rate, rate}); }

RateProfile RateProfile::sampled(std::vector<double> times, const std::vector<double>& rates) {
  if (times.size() == 1) return constant(rates.front());
  RateProfile profile;
  profile.times_ = std::move(times);
  profile.from_.assign(rates.begin(), rates.end() - 1);
  profile.to_.assign(rates.begin() + 1, rates.end());
  return profile;
}

RateProfile RateProfile::regular(double interval, std::vector<double> rates) {
  rates.push_back(rates.front());
  std::vector<double> times;
  for (std::size_t i = 0; i < rates.size(); ++i) times.push_back(static_cast<double>(i) * interval);
  return sampled(std::move(times), rates);
}

RateProfile RateProfile::of(const std::vector<Interval>& intervals) {
  RateProfile profile;
  profile.times_ = {0};
  for (const Interval& interval : intervals) {
    profile.times_.push_back(profile.times_.back() + interval.length);
    profile.from_.push_back(interval.from);
    profile.to_.push_back(interval.to);
  }
  return profile;
}

std::vector<RateProfile::Interval> RateProfile::intervals() const {
  std::vector<Interval> list;
  for (std::size_t i = 0; i < from_.size(); ++i) list.push_back({times_[i + 1] - times_[i], from_[i], to_[i]});
  return list;
}

bool RateProfile::is_regular() const {
  const double interval = times_[1] - times_[0];
  for (std::size_t i = 0; i < from_.size(); ++i) {
    if (std::abs(times_[i + 1] - times_[i] - interval) > 1e-6 * interval) return false;
    if (to_[i] != from_[(i + 1) % from_.size()]) return false;
  }
  return true;
}

std::size_t RateProfile::interval_of(double phase) const {
  const auto after = std::upper_bound(times_.begin(), times_.end(), phase);
  const auto index = static_cast<std::size_t>(after - times_.begin());
  return std::clamp<std::size_t>(index, 1, times_.size() - 1) - 1;
}

double RateProfile::at(double time) const { return Walk(*this, time).at(0); }

RateProfile::Walk::Walk(const RateProfile& profile, double begin)
    : profile_(profile),
      phase_(begin - std::floor(begin / profile.period()) * profile.period()),
      interval_(profile.interval_of(phase_)) {}

double RateProfile::Walk::at(double elapsed) {
  const auto& times = profile_.times_;
  while (phase_ + elapsed > times[interval_ + 1]) {
    if (++interval_ + 1 < times.size()) continue;
    interval_ = 0;
    phase_ -= profile_.period();
  }
  const double fraction = (phase_ + elapsed - times[interval_]) / (times[interval_ + 1] - times[interval_]);
  const double from = profile_.from_[interval_];
  return from + fraction * (profile_.to_[interval_] - from);
}

double RateProfile::maximum() const {
  return std::max(*std::max_element(from_.begin(), from_.end()), *std::max_element(to_.begin(), to_.end()));
}

double RateProfile::maximum(double begin, double end) const {
  if (end - begin >= period()) return maximum();
  const double phase = begin - std::floor(begin / period()) * period();
  const double last = phase + (end - begin);
  std::size_t i = interval_of(phase);
  double bound = std::max(from_[i], to_[i]);
  double offset = 0;
  while (times_[i + 1] + offset < last) {
    if (++i + 1 == times_.size()) {
      i = 0;
      offset += period();
    }
    bound = std::max({bound, from_[i], to_[i]});
  }
  return bound;
}

}  // namespace lpl::spiking
