// lpl_rate: trains a deep network by layer-local latent predictive learning, described by a .rate file.
// Options -> description -> engine -> exit code.
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <optional>
#include <string_view>

#include "device.hpp"
#include "io/hdf5.hpp"
#include "lpl_import.hpp"
#include "program.hpp"
#include "rate/check.hpp"
#include "rate/pairs.hpp"
#include "rate/run.hpp"
#include "rate/training_state.hpp"

namespace {

using namespace lpl;
using namespace lpl::rate;

void print_accuracy(const AccuracyTable& table) {
  if (table.trained.empty()) return;
  const auto line = [](const std::string& name, const std::vector<double>& values) {
    fmt::print("{:<22}", name);
    for (const double value : values) fmt::print(" {:>11.1f}", 100 * value);
    fmt::print("\n");
  };
  fmt::print("readout      linear, in % right on test images; (training): on those it learned from\n{:<22}", "");
  for (const LabelColumn& column : table.columns) fmt::print(" {:>11}", column.name);
  fmt::print("\n");
  std::vector<double> chance;
  for (const LabelColumn& column : table.columns) chance.push_back(1.0 / column.classes);
  line("chance", chance);
  if (!table.pixels.empty()) line("pixels", table.pixels);
  for (std::size_t l = 0; l < table.layers.size(); ++l) {
    line(table.layers[l], table.trained[l]);
    line("  (training)", table.training[l]);
    if (!table.untrained.empty()) line("  (untrained)", table.untrained[l]);
  }
  if (!table.warning.empty()) fmt::print(stderr, "warning: {}\n", table.warning);
  for (const std::string& warning : table.baseline_warnings) fmt::print(stderr, "warning: {}\n", warning);
}

// A number, or "-" where it is not defined.
std::string or_dash(double value, fmt::string_view form) {
  return std::isnan(value) ? "-" : fmt::format(fmt::runtime(form), value);
}

// At the start: nobody should learn at the end that the CPU did it.
void print_device(const Backend& backend, const Communicator& comm) {
  if (comm.rank() != 0) return;
  fmt::print("device       {}\n", backend.description());
  std::fflush(stdout);
}

struct PeakMemory {
  std::int64_t host, device;
};

PeakMemory peak_memory(const Backend& backend, Communicator& comm) {
  return {lpl::peak_memory(comm), comm.max(backend.device_memory())};
}

void print_summary(const TrainingSummary& s, const std::string& where, const PeakMemory& memory,
                   const std::string& out) {
  fmt::print("ranks        {}, {}\n", where, mpi_library());
  fmt::print("network      {} parameters\n", s.parameters);
  fmt::print("training     {} epochs, {} steps, last loss {}\n", s.epochs, s.steps, or_dash(s.final_total, "{:.5g}"));
  print_accuracy(s.accuracy);
  fmt::print("time         {:.2f} s wall, {} pairs/s\n", s.wall_seconds,
             or_dash(static_cast<double>(s.samples) / s.training_seconds, "{:.4g}"));
  const auto mebibytes = [](std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  fmt::print("peak memory  {:.1f} MiB per rank at most\n", mebibytes(memory.host));
  if (memory.device > 0) fmt::print("on a device  {:.1f} MiB at most\n", mebibytes(memory.device));
  fmt::print("output       {}\n", out);
}

RunFacts facts_of(const ProgramOptions& options, const Communicator& comm, const TrainingDescription& training) {
  return {.program = "lpl_rate",
          .command_line = options.command_line,
          .ranks = comm.size(),
          .seed = training.seed,
          .dt = 0,
          .description = training.canonical_text,
          .fixed_text = training.fixed_text};
}

ExitCode train(const ProgramOptions& options, const std::string& device, const TrainingOutputs& more,
               Communicator& comm) {
  TrainingDescription training;
  agree(comm, [&] { training = read_training(options.description, options.overrides, options.seed); });
  if (comm.rank() == 0)
    for (const std::string& warning : training.warnings) fmt::print(stderr, "warning: {}\n", warning);
  const std::unique_ptr<Backend> backend = make_backend(device, comm);
  RunFacts facts = facts_of(options, comm, training);
  if (options.check) {
    check_resumable<TrainingState>(options, facts, data_files(training), comm);
    check_training(training, *backend, comm);
    return ExitCode::done;
  }
  print_device(*backend, comm);
  const TrainingOutputs outputs{options.out, more.events, behind_links(more.parameters), options.overwrite};
  std::vector<OutputFile> exports;
  if (!outputs.parameters.empty()) exports.push_back({"--export", outputs.parameters, more.parameters, kTensors});
  const auto locks = claim_outputs(options, exports, training.files.texts, data_files(training), facts, comm,
                                   {"--events", outputs.events});
  const TrainingSummary summary =
      run_training(training, *backend, comm, facts, outputs, options.progress, options.checkpoint);
  const std::string where = placement(comm);
  const PeakMemory memory = peak_memory(*backend, comm);
  if (comm.rank() == 0) print_summary(summary, where, memory, options.out);
  return summary.interrupted ? interrupted(options, comm) : ExitCode::done;
}

TrainingDescription read_finished(const std::string& result, std::vector<std::string> overrides,
                                  std::optional<std::uint64_t> seed) {
  for (const std::string& assignment : overrides)
    if (!assignment.starts_with("data.") && !assignment.starts_with("readout."))
      throw ConfigError(
          fmt::format("--set {}: a network is read out as it was trained; keys of data and readout can be "
                      "set",
                      assignment));
  if (seed) overrides.push_back(fmt::format("training.seed={}", *seed));
  return h5::of_user([&] {
    const h5::File file = h5::File::open_read_only(result);
    return read_trained(file.read_text("/config/description"), result, overrides);
  });
}

std::string option_of(Part activity) {
  return activity == Part::test ? "--activity" : fmt::format("--activity={}", name_of(activity));
}

// lpl_rate eval RESULT.h5: readouts of a finished run, on its own data or others; or of a .rate file's network with its
// initial parameters.
ExitCode evaluate(const ProgramOptions& options, const std::string& device, const std::string& images,
                  std::optional<Part> activity, Communicator& comm) {
  const bool finished = std::filesystem::path(options.description).extension() != ".rate";
  TrainingDescription training;
  agree(comm, [&] {
    std::vector<std::string> overrides = options.overrides;
    if (!images.empty()) overrides.push_back(data_override(images));
    training = finished ? read_finished(options.description, overrides, options.seed)
                        : read_imported(options.description, overrides, options.seed);
  });
  const std::unique_ptr<Backend> backend = make_backend(device, comm);
  print_device(*backend, comm);
  std::vector<std::string> data = data_files(training);
  data.push_back(std::filesystem::absolute(options.description).lexically_normal().string());
  RunFacts facts = facts_of(options, comm, training);
  if (activity) facts.options = option_of(*activity);
  const auto locks = claim_outputs(options, {}, {}, data, facts, comm);
  const AccuracyTable table =
      evaluate_run(training, *backend, comm, facts, finished ? options.description : "", options.out, activity);
  if (comm.rank() == 0) {
    print_accuracy(table);
    fmt::print("output       {}\n", options.out);
  }
  return ExitCode::done;
}

// Threads that have nothing to do should sleep: spinning, OpenMP's default, starves whoever shares the cores. OpenMP
// reads this before main(), so the program starts itself anew.
void let_threads_sleep(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY")) return;
  setenv("OMP_WAIT_POLICY", "passive", 1);
  execv("/proc/self/exe", argv);  // where that fails, threads spin
}

void add_device_option(CLI::App& app, std::string& device) {
  app.add_option("--device", device, "cpu, cuda or cuda:K; default: CUDA where every rank has a device, else the CPU");
}

// Its value follows "=", so that the word after it stays the file to read; without one it is the test images.
void add_activity_option(CLI::App& app, std::optional<Part>& activity) {
  const std::string text =
      "Add the activity of every layer to the output: for the test images, or those of another part";
  app.add_flag("--activity", text)->type_name("[={training,validation,test}]")->each([&](const std::string& word) {
    activity = word == "true" ? Part::test : part_of(word);  // CLI11's word for a flag without value
    if (!activity)
      throw CLI::ValidationError(fmt::format("\"{}\" is no part of the data; use training, validation or test", word));
  });
}

}  // namespace

int main(int argc, char** argv) {
  let_threads_sleep(argv);
  if (argc > 1 && std::string_view(argv[1]) == "import") return run_import(argc - 1, argv + 1);
  const std::string engine = device_kinds();
  std::string device;
  if (argc > 1 && std::string_view(argv[1]) == "eval") {
    std::string data;
    std::optional<Part> activity;
    return run_program(argc - 1, argv + 1,
                       {.name = "lpl_rate eval",
                        .suffix = ".h5 result (or .rate)",
                        .purpose = "Reads out labels from the layers of a network that lpl_rate has trained, or of a "
                                   ".rate file's with imported parameters (training.initial).",
                        .engine = engine,
                        .result = ".eval.h5",
                        .resumable = false,
                        .more_options =
                            [&](CLI::App& app) {
                              add_device_option(app, device);
                              app.add_option("--data", data, "Folder or file of the images, in place of the run's");
                              add_activity_option(app, activity);
                            },
                        .run = [&](const ProgramOptions& options,
                                   Communicator& comm) { return evaluate(options, device, data, activity, comm); }});
  }
  TrainingOutputs more;
  std::int64_t checkpoint_epochs = 0;
  return run_program(
      argc, argv,
      {.name = "lpl_rate",
       .suffix = ".rate",
       .purpose = "Trains a deep network by latent predictive learning, described by a .rate file. lpl_rate eval "
                  "RESULT.h5 reads out a trained one; lpl_rate import makes a set of images to train on.",
       .engine = engine,
       .more_options =
           [&](CLI::App& app) {
             add_device_option(app, device);
             app.add_option("--checkpoint-epochs", checkpoint_epochs,
                            "Epochs between checkpoints, beside those by wall time")
                 ->check(CLI::Range(std::int64_t{1}, std::numeric_limits<std::int64_t>::max(), "1 or more"))
                 ->needs("--checkpoint");
             app.add_option("--events", more.events, "Write TensorBoard event files to this folder");
             app.add_option("--export", more.parameters, "Write the trained parameters to this safetensors file");
           },
       .run =
           [&](const ProgramOptions& given, Communicator& comm) {
             ProgramOptions options = given;
             options.checkpoint.epochs = checkpoint_epochs;
             return train(options, device, more, comm);
           }});
}
