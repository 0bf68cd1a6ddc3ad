// What a run writes down, and when.
//
// A sample "at time t = k dt" shows the end of step k; the engine therefore ends an epoch after each step that is
// sampled. Spikes and rates need no communication (every rank knows all spikes; rank 0 writes). Samples of state and
// weights are buffered where the neurons live and gathered a batch at a time.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "io/result_file.hpp"
#include "spiking/network.hpp"
#include "spiking/record_windows.hpp"
#include "spiking/spike_history.hpp"

namespace lpl::spiking {

// What a recorder that goes on must know, after flush().
struct RecorderState {
  Step now = 0, end = 0;  // of the recording, and of the run as it was described then
  ResultFileState file;
  std::vector<std::int64_t> rate_counts;  // spikes of unfinished bins, by rate record
  Step snapshots_done = -1;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& now& end& file& rate_counts& snapshots_done;
  }
};

class Recorder {
 public:
  // Collective. Rank 0 creates the result file at `path`, or goes on from `resume` in that which is there. `resume`
  // (nullptr: from the beginning) is null on all ranks or on none. The last phase may have another length now. Throws
  // on all ranks alike.
  Recorder(const SimulationDescription& simulation, const Network& network, Communicator& comm, const std::string& path,
           const RunFacts& facts, const RecorderState* resume);

  // The end of the next step after `now` whose end state is sampled (a large number where there is none).
  Step next_sample_end(Step now) const;

  // Local: takes the spikes of steps [from, to) and samples state where due at the end of step to - 1.
  void observe(Step from, Step to, const std::vector<SpikeHistory>& spikes);
  // True on all ranks alike where gather() must be called now.
  bool gather_due(Step now) const;
  // Collective: brings buffered samples and snapshots to rank 0 and writes them.
  void gather(Step now);

  // Collective: the weights at the end of a phase that is recorded, or at step 0 ("initial").
  void snapshot(const std::string& name, Step now);
  // Collective: writes all that is buffered.
  void flush(Step now);
  // Local: throws what went wrong on rank 0 in the collective calls above. They complete on all ranks first, because
  // the other ranks cannot know.
  void check();
  // Rank 0, after flush(): what it takes to go on from here, with the file on the disk itself.
  RecorderState state(Step now);
  // Rank 0: sets the status, "complete", "interrupted" or, for a reason, "stopped", and closes the file.
  void finish(const std::string& status, double wall, double model, const std::string& reason);
  // Rank 0: marks the file as failed and lets go of it.
  void fail();

 private:
  struct SpikeRecord {
    std::size_t source;
    std::vector<StepRange> windows;
    std::unique_ptr<SpikeSeries> series;  // rank 0
    std::vector<double> times;
    std::vector<std::uint64_t> ids;
  };
  struct RateRecord {
    std::size_t source;
    std::vector<StepRange> windows;
    Step every;
    std::unique_ptr<RateSeries> series;
    std::int64_t count = 0;
    std::vector<double> begins, ends;
    std::vector<float> rates;
  };
  // The samples of a stretch without a gap.
  struct Report {
    Step end;
    ReportSeries series;
  };
  // A record that is sampled at the ends of steps k with k mod every = 0.
  struct SampleRecord {
    const RecordDescription* description;
    std::vector<StepRange> windows;
    std::vector<std::size_t> local;                 // local neurons or synapses
    std::vector<std::vector<std::size_t>> columns;  // rank 0: by rank, the columns that it fills
    std::size_t width = 0;                          // of a row over all ranks
    std::vector<Report> reports;                    // state
    std::unique_ptr<SampleSeries> series;           // synapses, group_weights
    std::vector<Step> steps;
    std::vector<std::int64_t> values;  // floats as bits, or sums in fixed point
    std::vector<double> group_sizes;   // group_weights
    double fixed_point = 1;            // group_weights: what 1 is in `values`
  };

  struct SnapshotRecord {
    const RecordDescription* description;
    std::vector<StepRange> windows;
  };

  void refuse_other_end(const RecorderState& resume) const;
  void add_spike_record(const RecordDescription& record);
  void add_sample_record(const RecordDescription& record);
  bool snapshot_due(const SnapshotRecord& record, Step now) const;
  void create_series();
  void create_reports();
  void sample(SampleRecord& record);
  void gather_samples(SampleRecord& record);
  void append_samples(SampleRecord& record, const std::vector<float>& values);
  void write_snapshot(const RecordDescription& record, const std::string& name, Step now);
  void write_spikes();
  void flush_when_due();
  void on_root(const std::function<void()>& body);
  const Variable& variable_of(const RecordDescription& record) const;  // state, synapses

  const SimulationDescription& simulation_;
  const Network& network_;
  Communicator& comm_;
  std::unique_ptr<ResultFile> file_;  // rank 0
  std::vector<SpikeRecord> spikes_;
  std::vector<RateRecord> rates_;
  std::vector<SampleRecord> samples_;
  std::vector<SnapshotRecord> snapshots_;
  double last_flush_ = 0;
  Step snapshots_done_ = -1;
  std::exception_ptr error_;
};

}  // namespace lpl::spiking
