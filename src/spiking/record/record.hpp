// What a record declares, observes and writes.
//
// A record is one file of this folder: a description, what it does on a rank, and a RecordEntry of the file's name,
// from which CMake writes the list of all.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "comm/communicator.hpp"
#include "config/table.hpp"
#include "io/result_file.hpp"
#include "spiking/description.hpp"
#include "spiking/grid.hpp"
#include "spiking/network.hpp"
#include "spiking/result_size.hpp"
#include "spiking/spike_history.hpp"

namespace lpl::spiking {

inline constexpr Step kNever = std::numeric_limits<Step>::max();

// Does on rank 0 what only that does in a collective call. The others cannot know where it goes wrong: the call is
// completed everywhere, and rethrow() says so later.
class OnRoot {
 public:
  explicit OnRoot(const Communicator& comm) : is_root_(comm.rank() == 0) {}
  void operator()(const std::function<void()>& body) {
    if (!is_root_ || error_) return;
    try {
      body();
    } catch (...) {
      error_ = std::current_exception();
    }
  }
  void rethrow() {
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  bool is_root_;
  std::exception_ptr error_;
};

// What a record may look at.
struct RecordPlace {
  const SimulationDescription& simulation;
  const Network& network;
  Communicator& comm;
  OnRoot& on_root;

  // The neurons or inputs of a source whose spikes this rank answers for.
  LocalRange own(std::size_t source) const;
};

class Record {
 public:
  virtual ~Record() = default;

  // Collective, first of all.
  virtual void prepare() {}
  // Rank 0: makes its place in the file, or opens what is there.
  virtual void open(ResultFile& file) = 0;

  // The end of the next step after `now` whose end state is sampled.
  virtual Step next_end(Step /*now*/) const { return kNever; }
  // Local: takes this rank's spikes of steps [from, to), and samples where due at the end of step to - 1.
  virtual void observe(Step /*from*/, Step /*to*/, OwnSpikes /*spikes*/) {}
  // Whether gather() must be called now, which follows from `now` alone.
  virtual bool gather_due(Step /*now*/) const { return false; }
  // Whether much is buffered on this rank, so that gather() should be called soon.
  virtual bool is_full() const { return false; }
  // Collective: brings what is buffered to rank 0 and writes it.
  virtual void gather(Step /*now*/) {}
  // Collective: the end of a phase that is over, or "initial" at step 0.
  virtual void end_phase(const std::string& /*name*/, Step /*now*/) {}

  // What it must know to go on: collective, after gather(), on rank 0; and given back to all ranks.
  virtual std::vector<std::int64_t> state() const { return {}; }
  virtual std::size_t state_size() const { return 0; }
  virtual void restore(std::span<const std::int64_t> /*state*/) {}
};

struct RecordHead {
  std::string name;
  RecordWindow window;
  std::vector<StepRange> windows;  // an entry a phase
};

// A record as it is described.
struct RecordDescription : RecordHead {
  virtual ~RecordDescription() = default;
  // The network is built. Throws ConfigError.
  virtual std::unique_ptr<Record> make(const RecordPlace& place) const = 0;
  virtual void add_size(SizeEstimate& estimate) const = 0;
  // The population whose membranes before clamps it looks at, if any.
  virtual std::optional<std::size_t> clamped() const { return {}; }
  // Whether it would have gone on at step `now`, where a phase ends, had the phase been longer.
  virtual bool is_cut_short(Step /*now*/) const { return false; }
};

// What snapshots of weights beside those at the ends of phases are called.
bool is_snapshot(const std::string& name);

// The window that a step lies in, if any.
const StepRange* active(const std::vector<StepRange>& windows, Step step);

// What is known where a record is read.
struct RecordReading {
  Table& table;
  std::string_view what;
  const RecordHead& record;
  const SimulationDescription& simulation;
  const Grid& grid;
  std::set<std::pair<std::string, std::string>>& taken;  // places in the file

  // The first to ask for a place gets it.
  bool claim(const std::string& kind, const std::string& name) const { return taken.emplace(kind, name).second; }
  // Of `what`; fails where another has it: a thing is recorded by one record of a kind only.
  void claim_only(const std::string& name) const;
  // The sources, or the one source, under `of`.
  std::vector<std::size_t> sources() const;
  std::size_t source() const;
  // The connection, or population, under `of`.
  std::size_t connection() const;
  std::size_t population() const;
  // At `every`, of which a multiple must lie in a window.
  Step sampled_every() const;
  // Fails where the record's name is one that a snapshot of weights has.
  void refuse_snapshot_name() const;
};

struct RecordEntry {
  std::string_view what, help;
  std::shared_ptr<RecordDescription> (*read)(const RecordReading& reading);
};
std::span<const RecordEntry> records();  // by what

}  // namespace lpl::spiking
