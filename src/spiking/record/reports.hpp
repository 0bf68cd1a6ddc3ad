// Samples of neurons as SONATA's reports.
#pragma once

#include "spiking/record/record.hpp"

namespace lpl::spiking {

// What is sampled of which neurons.
struct ReportedNeurons {
  // The population under `of`, `neurons`, `every`; `variable` is read before.
  static ReportedNeurons read(const RecordReading& reading, std::string variable);
  void add_size(SizeEstimate& estimate, const std::vector<StepRange>& windows) const;
  // Calls visit(i, rank, local) for each neuron, that which lives there as `local`.
  template <class Visit>
  void place(const RecordPlace& place, Visit&& visit) const {
    const NeuronId size = place.simulation.populations[population].size;
    for (int rank = 0; rank < place.comm.size(); ++rank) {
      const LocalRange range = local_range(size, rank, place.comm.size());
      for (std::size_t i = 0; i < neurons.size(); ++i)
        if (range.holds(neurons[i])) visit(i, rank, neurons[i] - range.first);
    }
  }

  std::size_t population = 0;
  std::string variable;
  std::vector<NeuronId> neurons;  // ascending
  Step every = 0;
  std::string group;  // in /report
};

// Of one record, on rank 0: a report for each stretch of samples without a gap.
class Reports {
 public:
  void open(ResultFile& file, const SimulationDescription& simulation, const RecordHead& record,
            const ReportedNeurons& of, const std::string& units);
  void append(const std::vector<Step>& steps, const std::vector<double>& times, const std::vector<float>& values);

 private:
  struct Report {
    Step end;
    ReportSeries series;
  };
  std::vector<Report> reports_;
};

}  // namespace lpl::spiking
