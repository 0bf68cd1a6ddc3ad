#include "rate/check.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "rate/pairs.hpp"
#include "rate/plan.hpp"
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

}  // namespace

void check_training(const TrainingDescription& d, Communicator& comm) {
  std::unique_ptr<PairSource> pairs;
  EncoderDescription encoder;
  agree(comm, [&] {
    pairs = make_pairs(d);
    encoder = fitted_encoder(d, *pairs);
  });
  std::vector<std::string> warnings;
  agree(comm, [&] { warnings = check_plan(d, pairs->steps_per_epoch()); });
  if (comm.rank() != 0) return;
  for (const std::string& warning : warnings) fmt::print(stderr, "warning: {}\n", warning);

  const Shape input = encoder.input;
  fmt::print("samples      {} x {} x {}, batches of {}, {} steps an epoch, {} epochs\n", input.channels, input.height,
             input.width, d.batch, pairs->steps_per_epoch(), d.epochs);
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
  fmt::print("parameters   {}\n", parameters);
  fmt::print("memory       about {:.0f} MiB a rank: parameters with their optimiser {:.0f}, maps {:.0f}\n",
             static_cast<double>(4 * (3 * parameters + maps)) / (1 << 20),
             static_cast<double>(12 * parameters) / (1 << 20), static_cast<double>(4 * maps) / (1 << 20));
}

}  // namespace lpl::rate
