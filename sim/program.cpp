#include "program.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <limits>
#include <map>
#include <utility>

#include "core/cores.hpp"
#include "core/host.hpp"
#include "core/quantity.hpp"
#include "core/streams.hpp"
#include "core/termination.hpp"
#include "core/text.hpp"
#include "core/version.hpp"
#include "io/file_kind.hpp"

namespace lpl {
namespace {

// "0", "0,1" or "64 cores".
std::string text_of(const Cores& cores) {
  if (cores.count() > 8) return fmt::format("{} cores", cores.count());
  std::vector<std::string> list;
  for (std::size_t core = 0; core < cores.size(); ++core)
    if (cores[core]) list.push_back(fmt::format("{}", core));
  return join(list, ",");
}

// By host, the cores of each of its ranks.
using Placement = std::map<std::string, std::vector<Cores>>;

Placement gather_placement(Communicator& comm) {
  Placement hosts;
  for (const std::string& text : comm.gather(host_name() + ' ' + allowed_cores().to_string())) {
    const std::size_t space = text.rfind(' ');
    hosts[text.substr(0, space)].emplace_back(text.substr(space + 1));
  }
  return hosts;
}

// Ranks share cores where more of them are confined to a set of cores than the set holds.
void warn_of_shared_cores(Communicator& comm) {
  for (const auto& [host, ranks] : gather_placement(comm))
    if (const Cores* const cores = crowded_cores(ranks))
      fmt::print(stderr,
                 "warning: {} ranks share the cores {} of {} and will wait for each other; use fewer ranks, or bind "
                 "them (mpirun --bind-to core, srun --cpu-bind=cores)\n",
                 confined_to(*cores, ranks), text_of(*cores), host);
}

// A launcher whose MPI this program does not speak starts n separate runs of one rank, which write the same files.
void warn_of_serial_copies(const ProgramEntry& program, Communicator& comm) {
  if (comm.size() > 1) return;
  for (const char* variable : {"SLURM_STEP_NUM_TASKS", "PMI_SIZE", "MPI_LOCALNRANKS"}) {
    const char* const value = std::getenv(variable);
    if (!value || std::atoi(value) <= 1) continue;
    fmt::print(stderr,
               "warning: {}={}, but this {} runs by itself: {} separate copies may be writing the same files. For one "
               "run on all of them, start it with the mpirun of {}, or with srun --mpi=pmix\n",
               variable, value, program.name, value, mpi_library());
    return;
  }
}

}  // namespace

ProgressStyle style_of(const std::string& word) {
  if (word == "bar") return ProgressStyle::bar;
  if (word == "lines") return ProgressStyle::lines;
  return word == "none" ? ProgressStyle::none : ProgressStyle::automatic;
}

double interval_of(const std::string& option, const std::string& text) {
  try {
    const double seconds = parse_quantity(text, Dimension::time);
    if (seconds > 0) return seconds;
  } catch (const ConfigError& error) {
    throw CLI::ValidationError(option, error.what());
  }
  throw CLI::ValidationError(option, fmt::format("\"{}\" is no interval; it must be above 0", text));
}

namespace {

// Of programs that run for long.
void add_run_options(CLI::App& app, ProgramOptions& options) {
  app.add_flag("--check", options.check, "Validate, print what was understood and what it needs; do not run");
  app.add_option_function<std::string>(
         "--progress", [&](const std::string& word) { options.progress = style_of(word); }, "auto, bar, lines or none")
      ->check(CLI::IsMember({"auto", "bar", "lines", "none"}));
  CLI::Option* const checkpoint = app.add_option(
      "--checkpoint", options.checkpoint.path,
      "Write the state to this file from time to time, and on SIGTERM, SIGINT and SIGUSR1, which then end the run");
  app.add_option_function<std::string>(
         "--checkpoint-every",
         [&](const std::string& text) { options.checkpoint.every = interval_of("--checkpoint-every", text); },
         "Wall time between checkpoints, such as 30min; default 10min")
      ->needs(checkpoint);
  CLI::Option* const resume =
      app.add_option("--resume", options.checkpoint.resume_from,
                     "Go on from this checkpoint; all else as in the run that wrote it, but for the number of ranks");
  app.add_flag("--fall-back", options.checkpoint.fall_back,
               "Where the checkpoint to resume from is damaged, take the one before it")
      ->needs(resume);
}

void add_options(CLI::App& app, const ProgramEntry& program, ProgramOptions& options) {
  app.add_option("description", options.description, fmt::format("The {} file", program.suffix))->required();
  app.add_option("--out", options.out,
                 fmt::format("Result file; default: the description's name with {}, here", program.result));
  app.add_option("--set", options.overrides, "KEY=VALUE: change the description, such as phase.learn.duration=\"10 s\"")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_flag("--overwrite", options.overwrite,
               "Replace what is at the outputs, also where it is another run's; never what is of another kind");
  app.add_option("--seed", options.seed, "Random seed, in place of the description's")
      ->check(CLI::Range(std::int64_t{0}, std::numeric_limits<std::int64_t>::max()));
  app.add_option_function<std::string>(
      "--stall-timeout",
      [&](const std::string& text) { options.stall_timeout = text == "0" ? 0 : interval_of("--stall-timeout", text); },
      "End the run where ranks have waited for others for so long in vain; default 10min, 0: never");
  if (program.resumable) add_run_options(app, options);
  program.more_options(app);
  app.set_version_flag(
      "--version", fmt::format("{} {} ({}), {}, {}", program.name, kVersion, kRevision, program.engine, mpi_library()));
}

// What an earlier run has left at the outputs is replaced by a rerun of it or what resumes it, and by no other. A run
// that is resumed knows its result file itself.
void refuse_to_replace(const ProgramOptions& options, const std::vector<OutputFile>& more, const RunFacts& facts) {
  const CheckpointOptions& checkpoint = options.checkpoint;
  const bool goes_on = !checkpoint.resume_from.empty() || check_replaceable(options.given_out, facts);
  for (const OutputFile& output : more)
    if (!goes_on && std::filesystem::exists(output.path))
      throw ConfigError(
          fmt::format("{} {}: is there already, and {} is no earlier result of this run; name another file, or replace "
                      "it with --overwrite",
                      output.option, output.given, options.given_out));
  if (!checkpoint.path.empty() && checkpoint.path != checkpoint.resume_from)
    check_replaceable_checkpoint(options.given_checkpoint, {facts.program, 0, facts.fixed_text, facts.inputs});
}

// Every rank gets the same error; rank 0 speaks. An error that only one rank knows of ends the job at once.
int run(int argc, char** argv, const ProgramEntry& program, Communicator& comm) {
  const auto say = [&](const char* text) {
    if (comm.rank() == 0) fmt::print(stderr, "{}: {}\n", program.name, text);
  };
  ProgramOptions options;
  options.command_line = join(std::vector<std::string>(argv, argv + argc), " ");
  CLI::App app{program.purpose, program.name};
  try {
    add_options(app, program, options);
    app.parse(argc, argv);
    if (options.out.empty()) options.out = std::filesystem::path(options.description).stem().string() + program.result;
    options.given_out = std::exchange(options.out, behind_links(options.out));
    options.given_checkpoint = std::exchange(options.checkpoint.path, behind_links(options.checkpoint.path));
    comm.end_when_stalled(options.stall_timeout, program.name);
    warn_of_serial_copies(program, comm);
    warn_of_shared_cores(comm);
    if (!options.check) watch_for_termination(options.checkpoint.path.empty());
    return static_cast<int>(program.run(options, comm));
  } catch (const CLI::ParseError& error) {
    if (comm.rank() == 0) app.exit(error);
    return static_cast<int>(error.get_exit_code() == 0 ? ExitCode::done : ExitCode::misused);
  } catch (const ConfigError& error) {
    say(error.what());
    return static_cast<int>(ExitCode::misused);
  } catch (const Error& error) {
    say(error.what());
    comm.quit(static_cast<int>(ExitCode::failed), error.what());
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: rank {}: {}\n", program.name, comm.rank(), error.what());
    comm.abort(static_cast<int>(ExitCode::failed));
  }
  return static_cast<int>(ExitCode::failed);
}

}  // namespace

std::vector<OutputLock> claim_outputs(const ProgramOptions& options, const std::vector<OutputFile>& more,
                                      const std::vector<std::string>& texts, const std::vector<std::string>& data,
                                      RunFacts& facts, Communicator& comm, const OutputFile& folder) {
  const CheckpointOptions& checkpoint = options.checkpoint;
  std::vector<OutputLock> locks;
  agree(comm, [&] {
    if (comm.rank() != 0) return;
    std::vector<OutputFile> outputs = {{"--out", options.out, options.given_out}};
    outputs.insert(outputs.end(), more.begin(), more.end());
    std::vector<std::string> inputs = texts;
    inputs.insert(inputs.end(), data.begin(), data.end());
    if (!checkpoint.resume_from.empty()) {
      std::vector<std::string> with_checkpoint = inputs;
      with_checkpoint.push_back(checkpoint.resume_from);
      check_outputs(outputs, with_checkpoint);
    }
    if (!checkpoint.path.empty())
      outputs.push_back({"--checkpoint", checkpoint.path, options.given_checkpoint, kCheckpoint});
    locks = lpl::claim_outputs(outputs, inputs);
    facts.inputs = with_checksums(data);
    for (const OutputFile& output : outputs)  // what is resumed from may be damaged (--fall-back)
      if ((options.overwrite || output.kind != kResult) && output.path != checkpoint.resume_from) check_kind(output);
    if (!options.overwrite) refuse_to_replace(options, more, facts);
    if (!folder.path.empty()) make_output_folder(folder, outputs);
  });
  facts.inputs = from_bytes<std::vector<InputFile>>(comm.broadcast(to_bytes(facts.inputs), 0));
  return locks;
}

ExitCode interrupted(const ProgramOptions& options, Communicator& comm) {
  const std::string& checkpoint = options.checkpoint.path;
  if (comm.rank() == 0) {
    if (checkpoint.empty())
      fmt::print("interrupted  {} holds what was done; without --checkpoint there is no state to go on from\n",
                 options.out);
    else
      fmt::print("interrupted  the state is in {0}; go on with --resume {0}\n", checkpoint);
  }
  return checkpoint.empty() ? ExitCode::failed : ExitCode::interrupted;
}

int run_program(int argc, char** argv, const ProgramEntry& program) {
  hold_standard_streams();
  std::unique_ptr<Communicator> comm;
  try {
    comm = make_communicator(argc, argv);
  } catch (const Error& error) {
    fmt::print(stderr, "{}: {}\n", program.name, error.what());
    return static_cast<int>(ExitCode::failed);
  }
  const int status = run(argc, argv, program, *comm);
  const bool printed = flush_standard_output(program.name);
  return status == 0 && !printed ? static_cast<int>(ExitCode::failed) : status;
}

std::string placement(Communicator& comm) {
  std::vector<std::string> hosts;
  for (const auto& [host, ranks] : gather_placement(comm)) {
    std::vector<std::string> cores;
    for (const Cores& of_rank : ranks) cores.push_back(text_of(of_rank));
    if (cores.size() > 16) cores = {cores.front(), "...", cores.back()};
    hosts.push_back(fmt::format("{} on {} (cores {})", ranks.size(), host, join(cores, " | ")));
  }
  return join(hosts, ", ");
}

std::int64_t peak_memory(Communicator& comm) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return comm.max(usage.ru_maxrss * 1024L);
}

}  // namespace lpl
