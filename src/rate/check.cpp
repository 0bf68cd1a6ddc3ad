#include "rate/check.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "rate/pairs.hpp"
#include "rate/trainer.hpp"

namespace lpl {

void check_training(const TrainingDescription& d, Communicator& comm) {
  std::unique_ptr<PairSource> pairs;
  EncoderDescription encoder;
  agree(comm, [&] {
    pairs = make_pairs(d);
    encoder = fitted_encoder(d, *pairs);
  });
  if (comm.rank() != 0) return;

  const Shape input = encoder.input;
  fmt::print("samples      {} x {} x {}, batches of {}, {} steps an epoch, {} epochs\n", input.channels, input.height,
             input.width, d.batch, pairs->steps_per_epoch(), d.epochs);
  fmt::print("{:<12} {:>6} {:>10} {:>12} {:>14}\n", "layer", "units", "map", "parameters", "Mmac a sample");
  std::int64_t parameters = 0, held = 0, largest = 0, given = input.size();
  Shape x = input;
  for (std::size_t b = 0; b < encoder.blocks.size(); ++b) {
    const Convolution& c = encoder.blocks[b].layer.convolution;
    if (encoder.blocks[b].layer.adaptive_pool > 0) x.height = x.width = encoder.blocks[b].layer.adaptive_pool;
    const Shape y = encoder.output(b);
    std::int64_t own = c.weights() + (c.biased ? c.out : 0);
    for (const LayerDescription& layer : encoder.blocks[b].projector)
      own += layer.convolution.weights() + layer.convolution.out;
    if (encoder.blocks[b].classifier)
      own += encoder.blocks[b].classifier->convolution.weights() + encoder.blocks[b].classifier->convolution.out;
    const double macs = static_cast<double>(c.weights() * c.convolved(x).positions()) * 1e-6;
    fmt::print("block {:<6} {:>6} {:>10} {:>12} {:>14.2f}\n", b + 1, y.channels,
               fmt::format("{} x {}", y.height, y.width), own, macs);
    parameters += own;
    held += y.size();
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

}  // namespace lpl
