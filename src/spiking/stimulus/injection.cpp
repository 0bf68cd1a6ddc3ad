// type = "injection": spikes of a stimulus that are added to those of neurons, which themselves do not notice.
#include <fmt/format.h>

#include "spiking/layout.hpp"
#include "spiking/model/equations.hpp"
#include "spiking/neurons.hpp"
#include "spiking/reading.hpp"
#include "spiking/stimulus/device.hpp"

namespace lpl::spiking {
namespace {

struct Injection final : Device {
  std::unique_ptr<Actor> make(double dt, std::uint64_t seed, Neurons& target) const override;
  bool injects() const override { return true; }
  std::shared_ptr<const SpikingStimulus> source;
};

class InjectionActor final : public Actor {
 public:
  InjectionActor(const Injection& device, double dt, std::uint64_t seed, Neurons& target)
      : device_(device), target_(target), maker_(device.source->make(dt, seed)) {}

  void act(Step from, Step to) override {
    if (!history_) begin(from);
    maker_->fill(*history_, to);
    device_.for_each_part(from, to, [&](Step begin, Step end) {
      for (Step step = begin; step < end; ++step)
        for (const NeuronId input : history_->at(step))
          if (const NeuronId neuron = device_.neurons[input]; target_.range().holds(neuron))
            target_.inject(neuron, static_cast<std::size_t>(step - from));
    });
  }

 private:
  // What is made ahead begins anywhere.
  void begin(Step now) {
    const Step first = now / SpikeMaker::kMostAhead * SpikeMaker::kMostAhead;
    history_.emplace(kLongestEpoch + SpikeMaker::kMostAhead);
    history_->load({.end = first, .count = {}, .ids = {}});
    maker_->seek(first);
  }

  const Injection& device_;
  Neurons& target_;
  std::unique_ptr<SpikeMaker> maker_;
  std::optional<SpikeHistory> history_;
};

std::unique_ptr<Actor> Injection::make(double dt, std::uint64_t seed, Neurons& target) const {
  return std::make_unique<InjectionActor>(*this, dt, seed, target);
}

struct Name {
  const std::string& name;
};

Stimulus read(const StimulusReading& reading) {
  Table& table = reading.table;
  const auto device = std::make_shared<Injection>();
  std::vector<Name> stimuli;
  for (const auto& stimulus : reading.stimuli) stimuli.push_back({stimulus->name});
  device->source = reading.stimuli[named(table, "from", table.text("from"), stimuli, "earlier stimulus with spikes")];
  const Population& target = read_target(reading, *device);
  if (!target.cell.text->when)
    table.fail("to", fmt::format("the model '{}' of '{}' does not spike", target.cell.model, target.name));
  if (device->neurons.size() != device->source->size)
    table.fail("from",
               fmt::format("'{}' has {} inputs, but there are {} neurons to add their spikes to; the numbers must "
                           "be equal, input n going to the n-th of 'neurons'",
                           device->source->name, device->source->size, device->neurons.size()));
  return {.spikes = nullptr, .device = device};
}

}  // namespace

extern const StimulusEntry injection_stimulus{"injection", "adds the spikes of a stimulus to those of neurons", read};

}  // namespace lpl::spiking
