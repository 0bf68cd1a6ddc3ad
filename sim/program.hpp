// What the programs share: options, start and end of MPI, errors to exit codes, where ranks run.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "core/errors.hpp"
#include "core/progress.hpp"
#include "io/checkpoint.hpp"
#include "io/outputs.hpp"
#include "io/result_file.hpp"

namespace lpl {

struct ProgramOptions {
  std::string description;  // the file
  std::string out;          // the result file, behind links
  std::string given_out;    // as the user named it
  std::vector<std::string> overrides;
  std::optional<std::uint64_t> seed;
  bool check = false;
  bool overwrite = false;  // what is at the outputs, whatever it is
  ProgressStyle progress = ProgressStyle::automatic;
  CheckpointOptions checkpoint;
  std::string given_checkpoint;  // its path, as the user named it
  double stall_timeout = 600;    // [s]; 0: none
  std::string command_line;
};

struct ProgramEntry {
  std::string name;            // "lpl_sim"
  std::string suffix;          // of its descriptions, ".sim"
  std::string purpose;         // one sentence for --help
  std::string engine;          // for --version: what it computes with
  std::string result = ".h5";  // the description's name with this is the default result file, in the working folder
  bool resumable = true;       // takes --check, --progress and the options of checkpoints
  std::function<void(CLI::App&)> more_options = [](CLI::App&) {};
  // Collective. Throws ConfigError for misuse, any other Error for a failed run; the same on all ranks.
  std::function<ExitCode(const ProgramOptions&, Communicator&)> run;
};

// The body of main(): parses the command line, starts MPI, runs and returns the exit status. Every error becomes one
// line on stderr and exit status 1 or 2, on any number of ranks.
int run_program(int argc, char** argv, const ProgramEntry& program);

// Collective. Before anything is written: gives `facts` the checksums of the files `data`, makes sure that the run may
// write the result, checkpoints and `more`, and locks them until what is returned ends. `texts`: the description's
// files; `folder`: one that it fills with files of their own names.
std::vector<OutputLock> claim_outputs(const ProgramOptions& options, const std::vector<OutputFile>& more,
                                      const std::vector<std::string>& texts, const std::vector<std::string>& data,
                                      RunFacts& facts, Communicator& comm, const OutputFile& folder = {});

// Collective. What --resume names, as the run would read it before its first step, with the files `data`. Throws
// ConfigError where it cannot be resumed from.
template <class State>
void check_resumable(const ProgramOptions& options, const RunFacts& facts, const std::vector<std::string>& data,
                     Communicator& comm) {
  agree(comm, [&] {
    if (comm.rank() == 0 && !options.checkpoint.resume_from.empty())
      resume<State>(options.checkpoint, {facts.program, State::kVersion, facts.fixed_text, with_checksums(data)});
  });
}

// Says how to go on after a signal, and returns the exit status.
ExitCode interrupted(const ProgramOptions& options, Communicator& comm);

// By the word given to --progress.
ProgressStyle style_of(const std::string& word);

// A time above 0 [s], given to an option. Throws CLI::ValidationError.
double interval_of(const std::string& option, const std::string& text);

// Collective; of use on rank 0. Where the ranks run, such as "2 on node7 (cores 0 | 1), 1 on node8 (cores 0)".
std::string placement(Communicator& comm);

// Collective; of use on rank 0: the largest resident memory of a rank so far, in bytes.
std::int64_t peak_memory(Communicator& comm);

}  // namespace lpl
