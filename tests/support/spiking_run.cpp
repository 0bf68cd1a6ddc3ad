#include "support/spiking_run.hpp"

#include <cmath>

#include "io/hdf5.hpp"
#include "spiking/engine.hpp"

namespace lpl::test {

void run_to_file(const spiking::SimulationDescription& simulation, Communicator& comm, const std::string& path) {
  spiking::Engine engine(simulation, comm);
  engine.run(path,
             {.program = "test",
              .command_line = "",
              .ranks = comm.size(),
              .seed = simulation.seed,
              .dt = simulation.dt,
              .description = simulation.canonical_text},
             ProgressStyle::none);
}

RecordedSpikes read_recorded_spikes(const std::string& path, const std::string& population, double dt) {
  const h5::File file = h5::File::open_read_only(path);
  RecordedSpikes spikes;
  for (const double time : file.read<double>("/spikes/" + population + "/timestamps"))
    spikes.step.push_back(std::llround(time * 1e-3 / dt));
  for (const std::uint64_t id : file.read<std::uint64_t>("/spikes/" + population + "/node_ids"))
    spikes.id.push_back(static_cast<NeuronId>(id));
  return spikes;
}

std::vector<float> read_recorded_weights(const std::string& path, const std::string& connection,
                                         const std::string& snapshot) {
  return h5::File::open_read_only(path).read<float>("/weights/" + connection + "/" + snapshot + "/value");
}

}  // namespace lpl::test
