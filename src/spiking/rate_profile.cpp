#include <algorithm>
#include <cmath>

#include "spiking/description.hpp"

namespace lpl::spiking {

RateProfile RateProfile::constant(double rate) {
  RateProfile profile;
  profile.times_ = {0, 1};
  profile.rates_ = {rate, rate};
  return profile;
}

RateProfile RateProfile::sampled(std::vector<double> times, std::vector<double> rates) {
  RateProfile profile;
  if (times.size() == 1) return constant(rates.front());
  if (rates.front() != rates.back()) {
    times.push_back(2 * times.back() - times[times.size() - 2]);
    rates.push_back(rates.front());
  }
  profile.period_ = times.back();
  profile.times_ = std::move(times);
  profile.rates_ = std::move(rates);
  return profile;
}

RateProfile RateProfile::regular(double interval, std::vector<double> rates) {
  RateProfile profile;
  rates.push_back(rates.front());
  for (std::size_t i = 0; i < rates.size(); ++i) profile.times_.push_back(static_cast<double>(i) * interval);
  profile.period_ = profile.times_.back();
  profile.rates_ = std::move(rates);
  return profile;
}

std::size_t RateProfile::interval_of(double phase) const {
  const auto after = std::upper_bound(times_.begin(), times_.end(), phase);
  const auto index = static_cast<std::size_t>(after - times_.begin());
  return std::clamp<std::size_t>(index, 1, times_.size() - 1) - 1;
}

double RateProfile::at(double time) const { return Walk(*this, time).at(0); }

RateProfile::Walk::Walk(const RateProfile& profile, double begin)
    : profile_(profile),
      phase_(begin - std::floor(begin / profile.period_) * profile.period_),
      interval_(profile.interval_of(phase_)) {}

double RateProfile::Walk::at(double elapsed) {
  const auto& times = profile_.times_;
  const auto& rates = profile_.rates_;
  while (phase_ + elapsed > times[interval_ + 1]) {
    if (++interval_ + 1 < times.size()) continue;
    interval_ = 0;
    phase_ -= profile_.period_;
  }
  const double fraction = (phase_ + elapsed - times[interval_]) / (times[interval_ + 1] - times[interval_]);
  return rates[interval_] + fraction * (rates[interval_ + 1] - rates[interval_]);
}

double RateProfile::maximum(double begin, double end) const {
  if (end - begin >= period_) return *std::max_element(rates_.begin(), rates_.end());
  const double phase = begin - std::floor(begin / period_) * period_;
  const double last = phase + (end - begin);
  std::size_t i = interval_of(phase);
  double bound = std::max(rates_[i], rates_[i + 1]);
  double offset = 0;
  while (times_[i + 1] + offset < last) {
    if (++i + 1 == times_.size()) {
      i = 0;
      offset += period_;
    }
    bound = std::max(bound, rates_[i + 1]);
  }
  return bound;
}

}  // namespace lpl::spiking
