// A form of short-term plasticity is a struct:
//   std::array<std::string_view, N> kValues              what it keeps of a source
//   std::array<double, N> initial                        how that begins
//   double spike(std::array<double, N>& values, SinceSpike since) const     the factor of a spike
// and a ShortTermEntry that reads it.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/elementary.hpp"
#include "spiking/description.hpp"
#include "spiking/short_term/short_term.hpp"

namespace lpl::spiking {

// What is left after some steps of what decays: exp(-steps dt/tau), nothing where tau is 0.
class Decay {
 public:
  Decay() = default;
  Decay(double tau, double dt) : rate_(tau > 0 ? -dt / tau : 0), forgets_(tau == 0) {}
  double after(double steps) const { return forgets_ ? 0 : elementary::exp(steps * rate_); }
  double rate() const { return rate_; }  // of its logarithm, a step

 private:
  double rate_ = 0;
  bool forgets_ = false;
};

// What has passed for a source when it spikes.
struct SinceSpike {
  Step steps;  // since its last spike; before the first one since the run's beginning, the spike's own step included
  bool first;
};

template <class Form>
class ShortTermOf final : public ShortTerm {
 public:
  ShortTermOf(const Form& form, const ShortTermPlace& place)
      : form_(form),
        connection_(place.connection.name),
        source_(place.connection.from),
        pre_size_(place.pre_size),
        heard_(place.synapses.heard),
        over_(heard_.size(), kNotYet) {
    for (std::size_t v = 0; v < kCount; ++v) values_[v].assign(heard_.size(), form.initial[v]);
  }

  float factor(std::size_t row, Step emitted) override {
    std::array<double, kCount> values;
    for (std::size_t v = 0; v < kCount; ++v) values[v] = values_[v][row];
    const bool first = over_[row] == kNotYet;
    const double factor = form_.spike(values, {emitted + 1 - (first ? 0 : over_[row]), first});
    for (std::size_t v = 0; v < kCount; ++v) values_[v][row] = values[v];
    over_[row] = emitted + 1;
    return static_cast<float>(factor);
  }

  std::unique_ptr<ShortTerm> copy() const override { return std::make_unique<ShortTermOf>(*this); }

  void follow(const ShortTerm& copy, std::size_t row, Step emitted) override {
    const auto& ahead = static_cast<const ShortTermOf&>(copy);
    if (ahead.over_[row] != emitted + 1) {  // it has seen a later one, too
      factor(row, emitted);
      return;
    }
    for (std::size_t v = 0; v < kCount; ++v) values_[v][row] = ahead.values_[v][row];
    over_[row] = ahead.over_[row];
  }

  void list(Variables& variables) override {
    const auto add = [&](std::string_view name, const char* unit, auto values) {
      variables.add({.name = connection_ + ".short_term." + std::string(name),
                     .unit = unit,
                     .by = By::source,
                     .owner = source_,
                     .data = values,
                     .heard = &heard_,
                     .sources = pre_size_});
    };
    for (std::size_t v = 0; v < kCount; ++v) add(Form::kValues[v], "1", std::span<double>(values_[v]));
    add("since", "steps", std::span<Step>(over_));
  }

 private:
  static constexpr std::size_t kCount = Form::kValues.size();

  Form form_;
  std::string connection_;
  std::size_t source_;
  NeuronId pre_size_;
  const std::vector<NeuronId>& heard_;
  std::array<std::vector<double>, kCount> values_;  // by row, of the last spike
  std::vector<Step> over_;                          // steps that were over after it
};

template <class Form>
struct ShortTermDescriptionOf final : ShortTermDescription {
  explicit ShortTermDescriptionOf(const Form& described) : form(described) {}
  std::unique_ptr<ShortTerm> make(const ShortTermPlace& place) const override {
    return std::make_unique<ShortTermOf<Form>>(form, place);
  }
  Form form;
};

}  // namespace lpl::spiking
