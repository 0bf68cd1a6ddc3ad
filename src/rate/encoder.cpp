#include "rate/encoder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/errors.hpp"
#include "core/random.hpp"
#include "core/text.hpp"

namespace lpl {
namespace {

constexpr std::int64_t kLargest = 1 << 20;

// A list with one entry a layer.
std::vector<std::int64_t> per_layer(Table& table, std::string_view key, std::size_t layers, std::int64_t low,
                                    std::int64_t fallback) {
  std::vector<std::int64_t> values = table.integers(key, low, kLargest, std::vector<std::int64_t>(layers, fallback));
  if (values.size() != layers)
    table.fail(key, fmt::format("'{}' has {} entries; give one for each of the {} layers", key, values.size(), layers));
  return values;
}

NetDescription read_convolutional(Table& table, bool biases) {
  const std::vector<std::int64_t> channels = table.integers("channels", 1, kLargest);
  if (channels.empty()) table.fail("channels", "'channels' is empty; give the number of units of every layer");
  const std::size_t n = channels.size();
  const auto kernels = per_layer(table, "kernels", n, 1, 3);
  const auto strides = per_layer(table, "strides", n, 1, 1);
  const auto paddings = per_layer(table, "paddings", n, 0, 1);
  const auto pools = per_layer(table, "pools", n, 0, 0);
  const auto pool_strides = per_layer(table, "pool_strides", n, 1, 2);
  const auto adaptive_pools = per_layer(table, "adaptive_pools", n, 0, 0);
  std::vector<double> dropouts(n, 0.0);
  if (table.has("dropouts")) dropouts = table.numbers("dropouts", kProbability);
  if (dropouts.size() != n)
    table.fail("dropouts",
               fmt::format("'dropouts' has {} entries; give one for each of the {} layers", dropouts.size(), n));
  NetDescription net;
  for (std::size_t i = 0; i < n; ++i) {
    if (pools[i] > 15) table.fail("pools", "a pooling window has at most 15 rows");
    net.layers.push_back({fmt::format("network.encoder.blocks.{}.module.0", i),
                          {i == 0 ? 0 : channels[i - 1], channels[i], kernels[i], strides[i], paddings[i], biases, true,
                           pools[i], pool_strides[i]},
                          adaptive_pools[i],
                          dropouts[i]});
  }
  return net;
}

Convolution dense(std::int64_t in, std::int64_t out, bool biased, bool rectified) {
  return {in, out, 1, 1, 0, biased, rectified, 0, 0};
}

NetDescription read_dense(Table& table, bool biases) {
  const std::vector<std::int64_t> units = table.integers("units", 1, kLargest);
  if (units.empty()) table.fail("units", "'units' is empty; give the number of units of every layer");
  const bool rectified = table.flag("rectified", true);
  NetDescription net;
  net.dense = true;
  for (std::size_t i = 0; i < units.size(); ++i)
    net.layers.push_back({fmt::format("network.encoder.blocks.{}.module.0", i),
                          dense(i == 0 ? 0 : units[i - 1], units[i], biases, rectified), 0, 0});
  return net;
}

Shape layer_output(const LayerDescription& layer, Shape x) {
  if (layer.adaptive_pool > 0) x.height = x.width = layer.adaptive_pool;
  return layer.convolution.output(x);
}

}  // namespace

NetDescription read_net(Table table, bool biases) {
  NetDescription net = table.choice("type", {"convolutional", "dense"}) == 0 ? read_convolutional(table, biases)
                                                                             : read_dense(table, biases);
  table.finish();
  return net;
}

Shape EncoderDescription::output(std::size_t block) const {
  Shape x = input;
  for (std::size_t b = 0; b <= block; ++b) x = layer_output(blocks[b].layer, x);
  return x;
}

EncoderDescription make_encoder(const NetDescription& net, const Shape& input, bool biases, bool end_to_end,
                                const Projector& projector, std::int64_t classes) {
  EncoderDescription encoder;
  encoder.input = input;
  if (net.dense) encoder.input = {input.samples, input.channels * input.positions(), 1, 1};
  Shape x = encoder.input;
  std::size_t classifiers = 0;
  for (std::size_t i = 0; i < net.layers.size(); ++i) {
    BlockDescription block{net.layers[i], {}, {}};
    block.layer.convolution.in = x.channels;
    x = layer_output(block.layer, x);
    if (x.height < 1 || x.width < 1)
      throw ConfigError(
          fmt::format("network: the maps of layer {} have no pixel left with inputs of {} x {} pixels; use "
                      "larger images or fewer pooling layers",
                      i + 1, input.height, input.width));
    std::int64_t width = x.channels;
    if (!end_to_end || i + 1 == net.layers.size()) {
      if (projector.size > 0) {
        const std::string name = fmt::format("network.encoder.projectors.{}.net", i);
        block.projector.push_back({name + ".0", dense(width, projector.hidden, biases, true), 0, 0});
        block.projector.push_back({name + ".2", dense(projector.hidden, projector.size, biases, true), 0, 0});
        width = projector.size;
      }
      // As published, classifiers keep their biases in a network without.
      if (classes > 0)
        block.classifier = LayerDescription{fmt::format("classifier_heads.{}", classifiers++),
                                            dense(width, classes, true, false), 0, 0};
    }
    encoder.blocks.push_back(std::move(block));
  }
  return encoder;
}

namespace {

// Transposes the rows x columns matrix of every output unit in place.
std::vector<float> transpose_units(std::vector<float> values, std::int64_t units, std::int64_t rows,
                                   std::int64_t columns) {
  std::vector<float> unit(static_cast<std::size_t>(rows * columns));
  for (std::int64_t o = 0; o < units; ++o) {
    const auto own = values.begin() + o * rows * columns;
    std::copy_n(own, rows * columns, unit.begin());
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) own[c * rows + r] = unit[static_cast<std::size_t>(r * columns + c)];
  }
  return values;
}

}  // namespace

std::vector<float> to_array_order(std::vector<float> values, const std::vector<std::int64_t>& shape) {
  if (shape.size() != 4) return values;
  return transpose_units(std::move(values), shape[0], shape[1], shape[2] * shape[3]);
}

std::vector<float> to_torch_order(std::vector<float> values, const std::vector<std::int64_t>& shape) {
  if (shape.size() != 4) return values;
  return transpose_units(std::move(values), shape[0], shape[2] * shape[3], shape[1]);
}

namespace {

Parameter make_parameter(std::string name, std::vector<std::int64_t> shape, bool decayed, std::int64_t inputs,
                         bool drawn, Backend& backend, std::uint64_t seed) {
  Parameter p{std::move(name), std::move(shape), decayed, {}, {}, {}};
  const std::int64_t size = std::accumulate(p.shape.begin(), p.shape.end(), std::int64_t{1}, std::multiplies<>());
  p.value = backend.zeros(size);
  p.mean = backend.zeros(size);
  p.square = backend.zeros(size);
  if (!drawn) return p;
  Random random(seed, Draw::parameters, hash_name(p.name), 0);
  const double bound = 1.0 / std::sqrt(static_cast<double>(inputs));
  std::vector<float> values(static_cast<std::size_t>(size));
  for (float& v : values) v = static_cast<float>(bound * (2 * random.uniform() - 1));
  backend.write(p.value, to_array_order(std::move(values), p.shape));
  return p;
}

Layer make_layer(const LayerDescription& description, bool spatial, Backend& backend, std::uint64_t seed) {
  const Convolution& c = description.convolution;
  const std::int64_t inputs = c.in * c.kernel * c.kernel;
  std::vector<std::int64_t> shape{c.out, c.in};
  if (spatial) shape.insert(shape.end(), {c.kernel, c.kernel});
  return {description,
          make_parameter(description.name + ".weight", std::move(shape), true, inputs, true, backend, seed),
          make_parameter(description.name + ".bias", {c.out}, false, inputs, c.biased, backend, seed)};
}

}  // namespace

Encoder::Encoder(const EncoderDescription& description, Backend& backend, std::uint64_t seed) {
  const bool spatial = description.input.positions() > 1;
  for (const BlockDescription& b : description.blocks) {
    Block block{make_layer(b.layer, spatial, backend, seed), {}, {}};
    for (const LayerDescription& layer : b.projector)
      block.projector.push_back(make_layer(layer, false, backend, seed));
    if (b.classifier) block.classifier = make_layer(*b.classifier, false, backend, seed);
    blocks_.push_back(std::move(block));
  }
}

std::vector<Parameter*> Encoder::parameters() {
  std::vector<Parameter*> all;
  const auto add = [&](Layer& layer) {
    all.push_back(&layer.weight);
    if (layer.description.convolution.biased) all.push_back(&layer.bias);
  };
  for (Block& block : blocks_) add(block.layer);
  for (Block& block : blocks_)
    for (Layer& layer : block.projector) add(layer);
  for (Block& block : blocks_)
    if (block.classifier) add(*block.classifier);
  return all;
}

}  // namespace lpl
