#include "rate/check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "rate/initial_parameters.hpp"
#include "rate/pairs.hpp"
#include "rate/plan.hpp"
#include "rate/schedule.hpp"
#include "rate/trainer.hpp"

namespace lpl::rate {
namespace {

struct Cost {
  std::int64_t parameters = 0;
  std::int64_t products = 0;  // of the block's convolutions
  std::int64_t held = 0;      // elements of maps that a gradient through the block needs
};

void add_layer(const LayerDescription& layer, Shape x, Cost& cost) {
  const std::int64_t held = layer.output(x).size();
  if (layer.adaptive_pool > 0) x.height = x.width = layer.adaptive_pool;
  cost.parameters += layer.parameters();
  cost.products += layer.convolution.weights() * layer.convolution.convolved(x).positions();
  cost.held += held + (layer.norm ? layer.convolution.output(x).size() : 0);
}

Cost cost_of(const BlockDescription& block, Shape x) {
  Cost cost;
  if (block.shortcut) add_layer(*block.shortcut, x, cost);
  for (const LayerDescription& layer : block.layers) {
    add_layer(layer, x, cost);
    x = layer.output(x);
  }
  for (const LayerDescription& layer : block.projector) cost.parameters += layer.parameters();
  if (block.classifier) cost.parameters += block.classifier->parameters();
  return cost;
}

constexpr std::int64_t kRowsAChunk = 64;  // of what is written by epoch
constexpr std::int64_t kHistogramBins = 40;
constexpr std::int64_t kMetrics = 11;
constexpr double kHeader = 2048;  // bytes of a dataset's own, about

// Bytes of rows of float64 values, in whole chunks.
double rows_of(std::int64_t rows, std::int64_t width) {
  const std::int64_t chunks = (rows + kRowsAChunk - 1) / kRowsAChunk;
  return static_cast<double>(8 * width * kRowsAChunk * chunks);
}

// The network and its optimiser at the end, what is inspected, and what is measured by step and epoch.
void print_result_size(const TrainingDescription& d, PairSource& pairs, std::int64_t parameters, std::int64_t blocks) {
  const std::int64_t copies = std::holds_alternative<AdamOptimizer>(d.optimizer.kind) ? 3 : 2;
  const auto inspected = static_cast<std::int64_t>(d.record.gradients.size() + d.record.parameters.size());
  const std::int64_t per_epoch = Steps{pairs.batches_per_epoch(), d.accumulate}.per_epoch();
  const std::int64_t steps = planned_steps(d, per_epoch), epochs = (steps + per_epoch - 1) / per_epoch;
  const std::int64_t hooks = d.scope == Scope::end_to_end ? 1 : blocks;
  const std::int64_t losses = 1 + static_cast<std::int64_t>(d.objective->terms().size()) * hooks;
  double history = rows_of(epochs, 3 + losses) + (d.record.losses ? rows_of(steps, losses) : 0);
  if (d.record.validation_every > 0) history += rows_of(epochs / d.record.validation_every + 1, 1 + losses);
  if (d.readout.wanted && pairs.judged()) {
    const auto columns = static_cast<std::int64_t>(pairs.judged()->columns.size());
    const std::int64_t evaluations = d.readout.every > 0 ? epochs / d.readout.every + 1 : 1;
    history += rows_of(evaluations, 2 + blocks * (columns + kMetrics + 2 * kHistogramBins));
  }
  const double network = static_cast<double>(4 * copies * parameters) + kHeader * static_cast<double>(copies * blocks);
  const double inspection = static_cast<double>(4 * inspected * parameters);
  fmt::print(
      "result file  about {:.3g} MB: the network with its optimiser {:.3g}, inspected steps {:.3g}, measures {:.3g}\n",
      (network + inspection + history + 20 * kHeader) * 1e-6, network * 1e-6, inspection * 1e-6, history * 1e-6);
}

}  // namespace

void check_training(const TrainingDescription& d, Backend& backend, Communicator& comm) {
  std::unique_ptr<PairSource> pairs;
  EncoderDescription encoder;
  agree(comm, [&] {
    pairs = make_pairs(d);
    encoder = fitted_encoder(d, *pairs);
  });
  std::vector<std::string> warnings;
  agree(comm, [&] {
    warnings = check_plan(d, *pairs);
    if (d.initial_parameters.empty()) return;
    Encoder network(encoder, backend, d.seed);
    if (std::string text = load_parameters(d.initial_parameters, network.state(), backend); !text.empty())
      warnings.push_back(std::move(text));
  });
  if (comm.rank() != 0) return;
  for (const std::string& warning : warnings) fmt::print(stderr, "warning: {}\n", warning);

  const Shape input = encoder.input;
  fmt::print("samples      {} x {} x {}, batches of {}{}, {} steps an epoch, {} epochs\n", input.channels, input.height,
             input.width, d.batch, d.accumulate > 1 ? fmt::format(", {} a step", d.accumulate) : "",
             Steps{pairs->batches_per_epoch(), d.accumulate}.per_epoch(), d.epochs);
  fmt::print("{:<12} {:>6} {:>10} {:>12} {:>14}\n", "layer", "units", "map", "parameters", "Mmac a sample");
  std::int64_t parameters = 0, held = 0, largest = 0, given = input.size();
  Shape x = input;
  for (std::size_t b = 0; b < encoder.blocks.size(); ++b) {
    const BlockDescription& block = encoder.blocks[b];
    const Shape y = encoder.output(b);
    const Cost cost = cost_of(block, x);
    fmt::print("block {:<6} {:>6} {:>10} {:>12} {:>14.2f}\n", b + 1, y.channels,
               fmt::format("{} x {}", y.height, y.width), cost.parameters, static_cast<double>(cost.products) * 1e-6);
    parameters += cost.parameters;
    held += cost.held;
    largest = std::max(largest, given + y.size());
    given = y.size();
    x = y;
  }
  const std::int64_t samples = 2 * (d.batch + comm.size() - 1) / comm.size();
  const std::int64_t maps = samples * (d.scope == Scope::end_to_end ? held + input.size() : largest);
  // One rank, and steps of several batches, hold the gradients of all parameters.
  const std::int64_t copies = comm.size() == 1 || d.accumulate > 1 ? 4 : 3;
  fmt::print("parameters   {}\n", parameters);
  print_result_size(d, *pairs, parameters, static_cast<std::int64_t>(encoder.blocks.size()));
  fmt::print("memory       about {:.0f} MiB a rank: parameters with their optimiser {:.0f}, maps {:.0f}\n",
             static_cast<double>(4 * (copies * parameters + maps)) / (1 << 20),
             static_cast<double>(4 * copies * parameters) / (1 << 20), static_cast<double>(4 * maps) / (1 << 20));
}

}  // namespace lpl::rate
