// lpl_sim: simulates a spiking network described by a .sim file. Options -> description -> engine -> exit code.
#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "comm/communicator.hpp"
#include "core/errors.hpp"
#include "core/text.hpp"
#include "core/version.hpp"
#include "spiking/check.hpp"
#include "spiking/engine.hpp"

namespace {

using namespace lpl;

struct Options {
  std::string description;
  std::string out;
  std::vector<std::string> overrides;
  std::optional<std::uint64_t> seed;
  bool check = false;
  std::string progress = "auto";
};

ProgressStyle style_of(const std::string& word) {
  if (word == "bar") return ProgressStyle::bar;
  if (word == "lines") return ProgressStyle::lines;
  return word == "none" ? ProgressStyle::none : ProgressStyle::automatic;
}

std::string joined(int argc, char** argv) { return join(std::vector<std::string>(argv, argv + argc), " "); }

std::string default_output(const std::string& description) {
  return std::filesystem::path(description).stem().string() + ".h5";
}

// The cores that this process may run on, such as "0" or "0,1".
std::string binding() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  sched_getaffinity(0, sizeof cores, &cores);
  std::vector<std::string> list;
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &cores)) list.push_back(fmt::format("{}", core));
  return list.size() > 8 ? fmt::format("{} cores", list.size()) : join(list, ",");
}

std::int64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024L;
}

void print_summary(const RunSummary& s, Communicator& comm, const std::vector<std::string>& bindings,
                   std::int64_t peak_memory, const std::string& out) {
  fmt::print("ranks        {} (cores {}), {}, vectors {}\n", comm.size(), join(bindings, " | "), mpi_library(),
             vector_target());
  fmt::print("network      {} neurons, {} synapses, built in {:.2f} s\n", s.neurons, s.synapses, s.build_seconds);
  fmt::print("spikes       {} of neurons, {} of stimuli\n", s.spikes, s.input_spikes);
  std::vector<std::string> shares;
  for (std::size_t a = 0; a < s.activity_seconds.size(); ++a)
    shares.push_back(fmt::format("{} {:.1f} %", kActivityNames[a], 100 * s.activity_seconds[a] / s.wall_seconds));
  fmt::print("time         {:.2f} s wall for {:.6g} s model time, real-time factor {:.3g}\n", s.wall_seconds,
             s.model_seconds, s.wall_seconds / s.model_seconds);
  fmt::print("shares       {}\n", join(shares, ", "));
  fmt::print("peak memory  {:.1f} MiB per rank at most\n", static_cast<double>(peak_memory) / (1 << 20));
  fmt::print("output       {}\n", out);
}

void run(const Options& options, Communicator& comm, const std::string& command_line) {
  SimulationDescription simulation;
  agree(comm, [&] { simulation = read_simulation(options.description, options.overrides, options.seed); });
  if (options.check) return check_network(simulation, comm);
  const std::string out = options.out.empty() ? default_output(options.description) : options.out;
  Engine engine(simulation, comm);
  const RunFacts facts{.program = "lpl_sim",
                       .command_line = command_line,
                       .ranks = comm.size(),
                       .seed = simulation.seed,
                       .dt = simulation.dt,
                       .description = simulation.canonical_text};
  const RunSummary summary = engine.run(out, facts, style_of(options.progress));
  const std::int64_t peak = comm.max(peak_memory_bytes());
  const auto bindings = comm.gather(binding());
  if (comm.rank() == 0) print_summary(summary, comm, bindings, peak, out);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string command_line = joined(argc, argv);
  auto comm = make_mpi_communicator(argc, argv);
  Options options;
  CLI::App app{"Simulates a spiking network with latent predictive learning, described by a .sim file."};
  app.add_option("description", options.description, "The .sim file")->required();
  app.add_option("--out", options.out, "Result file; default: the description's name with .h5, here");
  app.add_option("--set", options.overrides, "KEY=VALUE: change the description, such as phase.learn.duration=\"10 s\"")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_option("--seed", options.seed, "Random seed, in place of the description's");
  app.add_flag("--check", options.check, "Validate, print the resolved network and what it needs; do not run");
  app.add_option("--progress", options.progress, "auto, bar, lines or none")
      ->check(CLI::IsMember({"auto", "bar", "lines", "none"}));
  app.set_version_flag(
      "--version", fmt::format("lpl_sim {} ({}), vectors {}, {}", kVersion, kRevision, vector_target(), mpi_library()));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (comm->rank() == 0) app.exit(error);
    return static_cast<int>(error.get_exit_code() == 0 ? ExitCode::done : ExitCode::misused);
  }
  // Every rank gets the same error; rank 0 speaks. An error that only one rank knows of ends the job at once.
  try {
    run(options, *comm, command_line);
    return static_cast<int>(ExitCode::done);
  } catch (const ConfigError& error) {
    if (comm->rank() == 0) fmt::print(stderr, "lpl_sim: {}\n", error.what());
    return static_cast<int>(ExitCode::misused);
  } catch (const Error& error) {
    if (comm->rank() == 0) fmt::print(stderr, "lpl_sim: {}\n", error.what());
    comm->quit(static_cast<int>(ExitCode::failed));
  } catch (const std::exception& error) {
    fmt::print(stderr, "lpl_sim: rank {}: {}\n", comm->rank(), error.what());
    comm->abort(static_cast<int>(ExitCode::failed));
  }
}
