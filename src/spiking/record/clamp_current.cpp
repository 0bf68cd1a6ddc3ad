// what = "clamp_current".
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spiking/model/catalogue.hpp"
#include "spiking/record/reports.hpp"
#include "spiking/record/sampled.hpp"
#include "spiking/stimulus/stimulus.hpp"

namespace lpl::spiking {
namespace {

struct ClampCurrent final : RecordDescription {
  std::unique_ptr<Record> make(const RecordPlace& place) const override;
  void add_size(SizeEstimate& estimate) const override { of.add_size(estimate, windows); }
  std::optional<std::size_t> clamped() const override { return of.population; }
  ReportedNeurons of;
};

// A model with a capacitance has a current; of others, the rate at which clamps move the membrane is known.
bool has_capacitance(const Cell& cell) {
  const ParameterText* const capacitance = cell.text->parameter("C");
  return capacitance && capacitance->dimension == Dimension::capacitance;
}

// From where a step would have left the membrane to where the clamp holds it.
class ClampSamples final : public ChosenValues {
 public:
  ClampSamples(const RecordPlace& place, const ClampCurrent& record)
      : ChosenValues(place, record, record.of.every, record.of.neurons.size()),
        record_(record),
        neurons_(*place.network.populations[record.of.population]),
        population_(place.simulation.populations[record.of.population]) {
    record.of.place(place, [&](std::size_t i, int rank, std::size_t local) {
      add(i, rank, local);
      if (rank != place.comm.rank()) return;
      const double capacitance = has_capacitance(population_.cell)
                                     ? values_of(population_, record.of.neurons[i], place.simulation.seed)("C")
                                     : 1;
      factor_.resize(local + 1, 0);
      factor_[local] = capacitance / place.simulation.dt;
    });
  }

  void open(ResultFile& file) override {
    reports_.open(file, place_.simulation, record_, record_.of, has_capacitance(population_.cell) ? "A" : "V/s");
  }

 private:
  // 0 where no clamp acts.
  float value(std::size_t neuron, Step step) const override {
    const std::size_t cell = place_.network.layout.target_of(neuron) + static_cast<std::size_t>(step) * kBlock;
    const double clamp = neurons_.clamp()[cell], free = neurons_.unclamped()[cell];
    return std::isnan(clamp) ? 0.0f : static_cast<float>((clamp - free) * factor_[neuron]);
  }
  void append(const std::vector<double>& times, const std::vector<float>& values) override {
    reports_.append(steps_, times, values);
  }

  const ClampCurrent& record_;
  const Neurons& neurons_;
  const Population& population_;
  std::vector<double> factor_;  // by local neuron
  Reports reports_;             // rank 0
};

std::unique_ptr<Record> ClampCurrent::make(const RecordPlace& place) const {
  return std::make_unique<ClampSamples>(place, *this);
}

std::shared_ptr<RecordDescription> read(const RecordReading& reading) {
  const auto record = std::make_shared<ClampCurrent>();
  record->of = ReportedNeurons::read(reading, "clamp_current");
  const SimulationDescription& simulation = reading.simulation;
  const bool clamped = std::ranges::any_of(simulation.devices, [&](const auto& device) {
    return device->clamps() && device->population == record->of.population;
  });
  if (!clamped)
    reading.table.fail("of", fmt::format("no stimulus of the type \"clamp\" acts on '{}'",
                                         simulation.populations[record->of.population].name));
  return record;
}

}  // namespace

extern const RecordEntry clamp_current_record{"clamp_current", "the current that clamps need", read};

}  // namespace lpl::spiking
