// lpl_sim: simulates a spiking network described by a .sim file. Options -> description -> engine -> exit code.
#include <fmt/format.h>

#include "core/text.hpp"
#include "program.hpp"
#include "spiking/check.hpp"
#include "spiking/engine.hpp"
#include "spiking/kernels.hpp"

namespace {

using namespace lpl;

void print_summary(const RunSummary& s, const std::string& where, std::int64_t memory, const std::string& out) {
  fmt::print("ranks        {}, {}, vectors {}\n", where, mpi_library(), vector_target());
  fmt::print("network      {} neurons, {} synapses, built in {:.2f} s\n", s.neurons, s.synapses, s.build_seconds);
  fmt::print("spikes       {} of neurons, {} of stimuli\n", s.spikes, s.input_spikes);
  std::vector<std::string> shares;
  for (std::size_t a = 0; a < s.activity_seconds.size(); ++a)
    shares.push_back(fmt::format("{} {:.1f} %", kActivityNames[a], 100 * s.activity_seconds[a] / s.wall_seconds));
  fmt::print("time         {:.2f} s wall for {:.6g} s model time, real-time factor {:.3g}\n", s.wall_seconds,
             s.model_seconds, s.wall_seconds / s.model_seconds);
  fmt::print("shares       {}\n", join(shares, ", "));
  fmt::print("peak memory  {:.1f} MiB per rank at most\n", static_cast<double>(memory) / (1 << 20));
  fmt::print("output       {}\n", out);
}

ExitCode run(const ProgramOptions& options, Communicator& comm) {
  SimulationDescription simulation;
  agree(comm, [&] { simulation = read_simulation(options.description, options.overrides, options.seed); });
  if (options.check) {
    check_network(simulation, comm);
    return ExitCode::done;
  }
  Engine engine(simulation, comm);
  const RunFacts facts{.program = "lpl_sim",
                       .command_line = options.command_line,
                       .ranks = comm.size(),
                       .seed = simulation.seed,
                       .dt = simulation.dt,
                       .description = simulation.canonical_text};
  const RunSummary summary = engine.run(options.out, facts, options.progress);
  const std::string where = placement(comm);
  const std::int64_t memory = peak_memory(comm);
  if (comm.rank() == 0) print_summary(summary, where, memory, options.out);
  return ExitCode::done;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(
      argc, argv,
      {.name = "lpl_sim",
       .suffix = ".sim",
       .purpose = "Simulates a spiking network with latent predictive learning, described by a .sim file.",
       .engine = fmt::format("vectors {}", vector_target()),
       .run = run});
}
