// Checkpoints of lpl_sim whose checksum is right: edits of the state of a small run, from which it goes on. What the
// result file holds is left as it is, since HDF5 reads that, not this project.
#include <memory>

#include "fuzz/edits.hpp"
#include "fuzz/forged.hpp"
#include "fuzz/harness.hpp"
#include "spiking/engine.hpp"

namespace {

using namespace lpl;
using namespace lpl::spiking;

constexpr const char* kNetwork = R"(
[simulation]
dt = "0.1 ms"
seed = 1
[[stimulus]]
name = "input"
type = "poisson"
size = 3
rate = "200 Hz"
[[population]]
name = "exc"
cell = "cell"
size = 2
[[population]]
name = "inh"
cell = "cell"
size = 1
[cell.cell]
model = "lif"
[[connection]]
name = "input_exc"
from = "input"
to = "exc"
density = 1.0
weight = 0.5
plasticity = "lpl"
[[connection]]
name = "inh_exc"
from = "inh"
to = "exc"
receptor = "GABA"
density = 1.0
weight = 0.3
plasticity = "inhibitory"
[plasticity.lpl]
rule = "lpl"
[plasticity.inhibitory]
type = "symmetric_stdp"
[[record]]
what = "spikes"
of = "exc"
[[record]]
what = "rates"
of = "exc"
every = "3 ms"
[[phase]]
name = "first"
duration = "5 ms"
[[phase]]
name = "second"
duration = "5 ms"
)";

class Run {
 public:
  Run() {
    run({.path = checkpoint_});
    forged_ = std::make_unique<fuzz::ForgedCheckpoint>(checkpoint_);
    kept_ = whole_file(result_);
  }
  void go_on_from(FuzzedDataProvider& input) {
    auto state = from_bytes<SimulationState>(fuzz::edited(forged_->payload(), input));
    state.recorder.file = from_bytes<SimulationState>(forged_->payload()).recorder.file;
    forged_->write(to_bytes(state));
    fuzz::folder().write("f.h5", kept_);
    run({.resume_from = checkpoint_});
  }

 private:
  void run(const CheckpointOptions& checkpoints) {
    Engine(simulation_, *comm_)
        .run(result_, {.program = "lpl_sim", .command_line = "", .dt = simulation_.dt, .description = ""},
             ProgressStyle::none, checkpoints);
  }
  std::unique_ptr<Communicator> comm_ = make_serial_communicator();
  SimulationDescription simulation_ = read_simulation_text(kNetwork, fuzz::folder().path("f.sim"));
  std::string result_ = fuzz::folder().path("f.h5"), checkpoint_ = fuzz::folder().path("f.checkpoint"), kept_;
  std::unique_ptr<fuzz::ForgedCheckpoint> forged_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Run run;
  FuzzedDataProvider input(data, size);
  try {
    fuzz::refusable([&] { run.go_on_from(input); });
  } catch (const boost::archive::archive_exception&) {
  }
  return 0;
}
