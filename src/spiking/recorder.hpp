// What a run writes down, and when.
//
// A sample "at time t = k dt" shows the end of step k; the engine therefore ends an epoch after each step that is
// sampled. Spikes, counts of them, and samples are buffered where the neurons live and gathered a batch at a time; rank
// 0 writes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "io/result_file.hpp"
#include "spiking/network.hpp"
#include "spiking/record/record.hpp"
#include "spiking/spike_history.hpp"

namespace lpl::spiking {

// What a recorder that goes on must know, after flush().
struct RecorderState {
  Step now = 0, end = 0;  // of the recording, and of the run as it was described then
  ResultFileState file;
  std::vector<std::vector<std::int64_t>> records;  // the state of each
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& now& end& file& records;
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

  // Local: takes this rank's spikes of steps [from, to) and samples state where due at the end of step to - 1.
  void observe(Step from, Step to, OwnSpikes spikes);
  // Whether much is buffered on this rank, so that gather() should be called soon.
  bool is_full() const;
  // Whether gather() must be called now, which follows from `now` alone.
  bool gather_due(Step now) const;
  // Collective: brings what is buffered to rank 0 and writes it.
  void gather(Step now);

  // Collective: what is recorded of the end of a phase, or of step 0 ("initial").
  void end_phase(const std::string& name, Step now);
  // Collective: the same, and the file is as it would be if the run ended here.
  void flush(Step now);
  // Local: throws what went wrong on rank 0 in the collective calls above.
  void check() { on_root_.rethrow(); }
  // Collective, after flush(); of use on rank 0: what it takes to go on from here, with the file on the disk itself.
  RecorderState state(Step now);
  // Rank 0: sets the status, "complete", "interrupted" or, for a reason, "stopped", and closes the file.
  void finish(const std::string& status, double wall, double model, const std::string& reason);
  // Rank 0: marks the file as failed and lets go of it.
  void fail();

 private:
  void refuse_other_end(const RecorderState& resume) const;
  void restore(const RecorderState& resume);
  void open_records();
  void flush_when_due();

  const SimulationDescription& simulation_;
  Communicator& comm_;
  OnRoot on_root_;
  std::unique_ptr<ResultFile> file_;  // rank 0
  std::vector<std::unique_ptr<Record>> records_;
  double last_flush_ = 0;
};

}  // namespace lpl::spiking
