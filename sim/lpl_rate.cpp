// lpl_rate: trains a deep network by layer-local latent predictive learning, described by a .rate file.
// Options -> description -> engine -> exit code.
#include <fmt/format.h>

#include "program.hpp"
#include "rate/cpu/backend.hpp"
#include "rate/run.hpp"

namespace {

using namespace lpl;

void print_summary(const TrainingSummary& s, const std::string& device, const std::string& where, std::int64_t memory,
                   const std::string& out) {
  fmt::print("ranks        {}, {}\n", where, mpi_library());
  fmt::print("device       {}\n", device);
  fmt::print("network      {} parameters\n", s.parameters);
  fmt::print("training     {} epochs, {} steps, {} pairs, {:.4g} pairs/s, last loss {:.5g}\n", s.epochs, s.steps,
             s.samples, static_cast<double>(s.samples) / s.wall_seconds, s.final_total);
  fmt::print("time         {:.2f} s wall\n", s.wall_seconds);
  fmt::print("peak memory  {:.1f} MiB per rank at most\n", static_cast<double>(memory) / (1 << 20));
  fmt::print("output       {}\n", out);
}

ExitCode run(const ProgramOptions& options, Communicator& comm) {
  TrainingDescription training;
  agree(comm, [&] { training = read_training(options.description, options.overrides, options.seed); });
  const std::unique_ptr<Backend> backend = make_cpu_backend(comm);
  const RunFacts facts{.program = "lpl_rate",
                       .command_line = options.command_line,
                       .ranks = comm.size(),
                       .seed = training.seed,
                       .dt = 0,
                       .description = training.canonical_text};
  const TrainingSummary summary = run_training(training, *backend, comm, facts, options.out, options.progress);
  const std::string where = placement(comm);
  const std::int64_t memory = peak_memory(comm);
  if (comm.rank() == 0) print_summary(summary, backend->description(), where, memory, options.out);
  return ExitCode::done;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv,
                     {.name = "lpl_rate",
                      .suffix = ".rate",
                      .purpose = "Trains a deep network by latent predictive learning, described by a .rate file.",
                      .engine = "CPU",
                      .run = run});
}
