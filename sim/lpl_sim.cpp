// lpl_sim: simulates a spiking network described by a .sim file. Options -> description -> engine -> exit code.
#include <fmt/format.h>

#include <cmath>

#include "core/text.hpp"
#include "program.hpp"
#include "spiking/check.hpp"
#include "spiking/engine.hpp"
#include "spiking/model/kernel.hpp"
#include "spiking/pages.hpp"
#include "spiking/state.hpp"

namespace {

using namespace lpl;
using namespace lpl::spiking;

// Seconds that ranks computed, or exchanged and waited for each other.
struct Balance {
  double least = 0, most = 0;
};

// Collective.
Balance balance(double seconds, Communicator& comm) {
  const auto microseconds = std::llround(seconds * 1e6);
  return {static_cast<double>(-comm.max(-microseconds)) * 1e-6, static_cast<double>(comm.max(microseconds)) * 1e-6};
}

void print_summary(const RunSummary& s, const std::string& where, Balance computing, Balance exchanging,
                   std::int64_t memory, const std::string& out) {
  fmt::print("ranks        {}, {}, vectors {}\n", where, mpi_library(), vector_target());
  fmt::print("network      {} neurons, {} synapses, built in {:.2f} s\n", s.neurons, s.synapses, s.build_seconds);
  fmt::print("spikes       {} of neurons, {} of stimuli\n", s.spikes, s.input_spikes);
  std::vector<std::string> shares;
  for (std::size_t a = 0; a < s.time.by_activity.size(); ++a)
    shares.push_back(fmt::format("{} {:.1f} %", kActivityNames[a], 100 * s.time.by_activity[a] / s.time.wall));
  fmt::print("time         {:.3f} s wall for {:.6g} s model time, real-time factor {:.3g}\n", s.time.wall,
             s.model_seconds, s.time.wall / s.model_seconds);
  fmt::print("shares       {}\n", join(shares, ", "));
  fmt::print("by rank      computing {:.3f} to {:.3f} s, exchanging and waiting {:.3f} to {:.3f} s\n", computing.least,
             computing.most, exchanging.least, exchanging.most);
  if (s.traffic.exchanges > 0) {
    const auto each = [&](std::int64_t sum) {
      return static_cast<double>(sum) / static_cast<double>(s.traffic.exchanges);
    };
    fmt::print("exchange     {}; a rank sends {:.4g} messages, {:.5g} bytes, and receives {:.5g} bytes an exchange\n",
               s.exchange, each(s.traffic.messages), 4 * each(s.traffic.sent), 4 * each(s.traffic.received));
  }
  fmt::print("peak memory  {:.1f} MiB per rank at most\n", static_cast<double>(memory) / (1 << 20));
  fmt::print("output       {}\n", out);
}

ExitCode run(const ProgramOptions& options, int dry_run, std::optional<ExchangeForm> form, Communicator& comm) {
  SimulationDescription simulation;
  agree(comm, [&] { simulation = read_simulation(options.description, options.overrides, options.seed); });
  if (comm.rank() == 0)
    for (const std::string& warning : simulation.warnings) fmt::print(stderr, "warning: {}\n", warning);
  if (dry_run > 0) {
    agree(comm, [&] {
      if (comm.rank() == 0) print_partition(simulation, dry_run);
    });
    return ExitCode::done;
  }
  RunFacts facts{.program = "lpl_sim",
                 .command_line = options.command_line,
                 .ranks = comm.size(),
                 .seed = simulation.seed,
                 .dt = simulation.dt,
                 .description = simulation.canonical_text,
                 .fixed_text = simulation.fixed_text};
  if (options.check) {
    check_resumable<SimulationState>(options, facts, simulation.files.data, comm);
    check_network(simulation, comm);
    return ExitCode::done;
  }
  const auto locks = claim_outputs(options, {}, simulation.files.texts, simulation.files.data, facts, comm);
  Engine engine(simulation, comm, form);
  const RunSummary summary = engine.run(options.out, facts, options.progress, options.checkpoint);
  const double exchange = summary.time.by_activity[static_cast<std::size_t>(Activity::exchange)];
  const Balance computing = balance(summary.time.wall - exchange, comm), exchanging = balance(exchange, comm);
  const std::string where = placement(comm);
  const std::int64_t memory = peak_memory(comm);
  if (comm.rank() == 0) print_summary(summary, where, computing, exchanging, memory, options.out);
  if (!summary.left_limit.empty()) {
    if (comm.rank() == 0) fmt::print(stderr, "lpl_sim: {}; {} holds what was done\n", summary.left_limit, options.out);
    return ExitCode::failed;
  }
  return summary.interrupted ? interrupted(options, comm) : ExitCode::done;
}

// By the word given to --exchange.
std::optional<ExchangeForm> form_of(const std::string& word) {
  if (word == "auto") return {};
  return word == "directed" ? ExchangeForm::directed : ExchangeForm::all_gather;
}

// A page in place of a run.
[[noreturn]] void print_page(std::string page) {
  page.pop_back();  // what prints it ends the line
  throw CLI::CallForVersion(page, 0);
}

// --models [NAME] and --rules [NAME], where NAME stands as the description would.
void print_pages(const CLI::App& app, const std::string& option, std::string (*list)(),
                 std::string (*page_of)(const std::string&)) {
  const std::vector<std::string> given = app.get_option("description")->results();
  std::string page;
  try {
    page = given.empty() ? list() : page_of(given.front());
  } catch (const ConfigError& error) {
    throw CLI::ValidationError(option, error.what());
  }
  print_page(page);
}

}  // namespace

int main(int argc, char** argv) {
  int dry_run = 0;
  double checkpoint_model_time = 0;
  std::optional<ExchangeForm> exchange;
  return run_program(
      argc, argv,
      {.name = "lpl_sim",
       .suffix = ".sim",
       .purpose = "Simulates a spiking network with latent predictive learning, described by a .sim file.",
       .engine = fmt::format("vectors {}", vector_target()),
       .more_options =
           [&](CLI::App& app) {
             app.add_option("--dry-run", dry_run, "Print what each of this many ranks would hold and send; do not run")
                 ->check(CLI::Range(1, 1 << 20));
             app.add_option_function<std::string>(
                    "--exchange", [&](const std::string& word) { exchange = form_of(word); },
                    "How spikes travel between ranks: auto, all-gather or directed; results are the same")
                 ->check(CLI::IsMember({"auto", "all-gather", "directed"}));
             app.add_flag_callback(
                 "--models", [&] { print_pages(app, "--models", list_of_models, page_of_model); },
                 "List the neuron models; --models NAME: print one, its parameters, states, receptors and equations");
             app.add_flag_callback(
                 "--stimuli", [] { print_page(list_of_stimuli()); }, "List the types of stimuli");
             app.add_flag_callback(
                 "--wirings", [] { print_page(list_of_wirings()); }, "List the wirings of connections");
             app.add_flag_callback(
                 "--rules", [&] { print_pages(app, "--rules", list_of_rules, page_of_rule); },
                 "List the plasticity rules; --rules NAME: print one that is a text, its parameters, traces and "
                 "changes");
             app.add_flag_callback(
                 "--records", [] { print_page(list_of_records()); }, "List what can be recorded");
             app.add_option_function<std::string>(
                    "--checkpoint-model-time",
                    [&](const std::string& text) {
                      checkpoint_model_time = interval_of("--checkpoint-model-time", text);
                    },
                    "Model time between checkpoints, such as 1000s; beside those by wall time")
                 ->needs("--checkpoint");
           },
       .run =
           [&](const ProgramOptions& given, Communicator& comm) {
             ProgramOptions options = given;
             options.checkpoint.model_time = checkpoint_model_time;
             return run(options, dry_run, exchange, comm);
           }});
}
