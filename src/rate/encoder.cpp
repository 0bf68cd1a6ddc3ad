#include "rate/encoder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/errors.hpp"
#include "core/random.hpp"
#include "core/text.hpp"

namespace lpl::rate {
namespace {

constexpr std::int64_t kLargest = 1 << 20;
constexpr std::int64_t kLargestKernel = 63;
constexpr std::int64_t kLargestPool = 15;  // the places of a window are numbered in a byte

// A list with one entry a layer or stage, as `channels` is.
std::vector<std::int64_t> per_layer(Table& table, std::string_view key, std::size_t layers, std::int64_t low,
                                    std::int64_t high, std::int64_t fallback) {
  std::vector<std::int64_t> values = table.integers(key, low, high, std::vector<std::int64_t>(layers, fallback));
  if (values.size() != layers)
    table.fail(key,
               fmt::format("'{}' has {} entries; give {}, one for each of 'channels'", key, values.size(), layers));
  return values;
}

// What the layers are called below "network.encoder.". Names become PyTorch's, datasets of the result file and keys of
// random numbers, so each stands once.
std::vector<std::string> layer_names(Table& table, std::size_t layers) {
  std::vector<std::string> fallback;
  for (std::size_t i = 0; i < layers; ++i) fallback.push_back(fmt::format("blocks.{}.module.0", i));
  std::vector<std::string> names = table.texts("names", std::move(fallback));
  if (names.size() != layers)
    table.fail("names",
               fmt::format("'names' has {} entries; give {}, one for each of 'channels'", names.size(), layers));
  const auto allowed = [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '.' || c == '-'; };
  for (std::size_t i = 0; i < layers; ++i) {
    const std::string& name = names[i];
    if (name.empty() || !std::ranges::all_of(name, allowed) || name.starts_with("projectors."))
      table.fail("names", fmt::format("'names' holds \"{}\"; a name consists of letters, digits, '_', '-' and '.', and "
                                      "does not begin with \"projectors.\"",
                                      name));
    if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), name) !=
        names.begin() + static_cast<std::ptrdiff_t>(i))
      table.fail("names", fmt::format("'names' holds \"{}\" twice; every layer needs a name of its own", name));
  }
  return names;
}

NetDescription read_convolutional(Table& table, bool biases) {
  const std::vector<std::int64_t> channels = table.integers("channels", 1, kLargest);
  if (channels.empty()) table.fail("channels", "'channels' is empty; give the number of units of every layer");
  const std::size_t n = channels.size();
  const std::vector<std::string> names = layer_names(table, n);
  const auto kernels = per_layer(table, "kernels", n, 1, kLargestKernel, 3);
  const auto strides = per_layer(table, "strides", n, 1, kLargestKernel, 1);
  const auto paddings = per_layer(table, "paddings", n, 0, kLargestKernel, 1);
  const auto pools = per_layer(table, "pools", n, 0, kLargestPool, 0);
  const auto pool_strides = per_layer(table, "pool_strides", n, 1, kLargestKernel, 2);
  const auto adaptive_pools = per_layer(table, "adaptive_pools", n, 0, 255, 0);
  std::vector<double> dropouts(n, 0.0);
  if (table.has("dropouts")) dropouts = table.numbers("dropouts", kProbability);
  if (dropouts.size() != n)
    table.fail("dropouts",
               fmt::format("'dropouts' has {} entries; give one for each of the {} layers", dropouts.size(), n));
  if (std::ranges::any_of(dropouts, [](double p) { return static_cast<float>(p) == 1; }))
    table.fail(
        "dropouts",
        "'dropouts' holds 1, or what is 1 in float32, which silences every input; a probability must be below 1");
  NetDescription net;
  for (std::size_t i = 0; i < n; ++i) {
    net.blocks.push_back({{{"network.encoder." + names[i],
                            {i == 0 ? 0 : channels[i - 1], channels[i], kernels[i], strides[i], paddings[i], biases,
                             true, pools[i], pool_strides[i]},
                            adaptive_pools[i],
                            dropouts[i]}}});
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
    net.blocks.push_back({{{fmt::format("network.encoder.blocks.{}.module.0", i),
                            dense(i == 0 ? 0 : units[i - 1], units[i], biases, rectified), 0, 0}}});
  return net;
}

// A convolution without bias, rectified after its normalisation where it has one.
LayerDescription residual_layer(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t kernel,
                                std::int64_t stride, bool rectified) {
  return {name, {in, out, kernel, stride, kernel / 2, false, rectified, 0, 0}, 0, 0, true, {}};
}

// As published, weight decay spares scales whose name says "bn".
void normalise(LayerDescription& layer, const std::string& name) {
  layer.norm = NormDescription{name, name.find("bn") == std::string::npos, layer.convolution.rectified, {}, 0};
  layer.convolution.rectified = false;
}

// Bottleneck block of He et al. 2016: 1x1, 3x3 (with the stride) and 1x1 convolutions. The shortcut is a convolution
// where the shapes of input and output differ.
BlockDescription bottleneck(const std::string& name, std::int64_t in, std::int64_t channels, std::int64_t out,
                            std::int64_t stride, bool normalised) {
  BlockDescription block;
  block.residual = true;
  block.layers = {residual_layer(name + ".conv1", in, channels, 1, 1, true),
                  residual_layer(name + ".conv2", channels, channels, 3, stride, true),
                  residual_layer(name + ".conv3", channels, out, 1, 1, false)};
  for (std::size_t l = 0; normalised && l < block.layers.size(); ++l)
    normalise(block.layers[l], fmt::format("{}.bn{}", name, l + 1));
  if (stride != 1 || in != out) {
    block.shortcut = residual_layer(name + ".downsample.0", in, out, 1, stride, false);
    normalise(*block.shortcut, name + ".downsample.1");
  }
  return block;
}

NetDescription read_residual(Table& table) {
  const std::vector<std::int64_t> channels = table.integers("channels", 1, kLargest);
  if (channels.empty()) table.fail("channels", "'channels' is empty; give the width of the blocks of every stage");
  const auto blocks = per_layer(table, "blocks", channels.size(), 1, 1000, 1);
  const auto strides = per_layer(table, "strides", channels.size(), 1, kLargestKernel, 1);
  const std::int64_t expansion = table.integer("expansion", 1, 1024, 4);
  const bool normalised = table.flag("normalised", true);
  std::int64_t in = table.integer("stem_channels", 1, kLargest, 64);
  const std::int64_t kernel = table.integer("stem_kernel", 1, kLargestKernel, 7);
  const std::int64_t stride = table.integer("stem_stride", 1, kLargestKernel, 2);
  const std::int64_t pool = table.integer("stem_pool", 1, kLargestPool, 3);
  const std::int64_t pool_stride = table.integer("stem_pool_stride", 1, kLargestPool, 2);
  LayerDescription stem = residual_layer("network.encoder.conv1", 0, in, kernel, stride, true);
  normalise(stem, "network.encoder.bn1");
  stem.norm->pooling = {pool, pool_stride, pool / 2};
  NetDescription net;
  net.blocks.push_back({{std::move(stem)}});
  for (std::size_t stage = 0; stage < channels.size(); ++stage)
    for (std::int64_t b = 0; b < blocks[stage]; ++b) {
      const std::int64_t out = expansion * channels[stage];
      net.blocks.push_back(bottleneck(fmt::format("network.encoder.layer{}.{}", stage + 1, b), in, channels[stage], out,
                                      b == 0 ? strides[stage] : 1, normalised));
      in = out;
    }
  return net;
}

}  // namespace

NetDescription read_net(Table table, bool biases) {
  NetDescription net;
  switch (table.choice("type", {"convolutional", "dense", "residual"})) {
    case 0:
      net = read_convolutional(table, biases);
      break;
    case 1:
      net = read_dense(table, biases);
      break;
    default:
      net = read_residual(table);
  }
  table.finish();
  return net;
}

bool NetDescription::residual() const {
  return std::any_of(blocks.begin(), blocks.end(), [](const BlockDescription& block) { return block.residual; });
}

Shape LayerDescription::output(Shape x) const {
  if (adaptive_pool > 0) x.height = x.width = adaptive_pool;
  const Shape y = convolution.output(x);
  return norm ? norm->pooling.output(y) : y;
}

std::int64_t LayerDescription::parameters() const {
  return convolution.weights() + (convolution.biased ? convolution.out : 0) + (norm ? 2 * convolution.out : 0);
}

Shape BlockDescription::output(Shape x) const {
  for (const LayerDescription& layer : layers) x = layer.output(x);
  return x;
}

Shape EncoderDescription::output(std::size_t block) const {
  Shape x = input;
  for (std::size_t b = 0; b <= block; ++b) x = blocks[b].output(x);
  return x;
}

namespace {

// Fits the layers of a block to maps `x`.
void fit(BlockDescription& block, Shape x) {
  const auto fit_norm = [](LayerDescription& layer, const Shape& given) {
    if (layer.norm) layer.norm->positions = layer.convolution.output(given).positions();
  };
  block.layers.front().convolution.in = x.channels;
  if (block.shortcut) fit_norm(*block.shortcut, x);
  for (LayerDescription& layer : block.layers) {
    fit_norm(layer, x);
    x = layer.output(x);
  }
}

}  // namespace

EncoderDescription make_encoder(const NetDescription& net, const Shape& input, bool biases, bool end_to_end,
                                const Projector& projector, std::int64_t classes) {
  EncoderDescription encoder;
  encoder.input = input;
  if (net.dense) encoder.input = {input.samples, input.channels * input.positions(), 1, 1};
  Shape x = encoder.input;
  std::size_t classifiers = 0;
  for (std::size_t i = 0; i < net.blocks.size(); ++i) {
    BlockDescription block = net.blocks[i];
    fit(block, x);
    x = block.output(x);
    if (x.height < 1 || x.width < 1)
      throw ConfigError(
          fmt::format("network: the maps of {} {} have no pixel left with inputs of {} x {} pixels; use "
                      "larger images or fewer pooling layers",
                      net.residual() ? "block" : "layer", i + 1, input.height, input.width));
    std::int64_t width = x.channels;
    if (!end_to_end || i + 1 == net.blocks.size()) {
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

NamedArray make_array(std::string name, std::vector<std::int64_t> shape, Backend& backend) {
  const std::int64_t size = std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
  return {std::move(name), std::move(shape), backend.zeros(size)};
}

// Zero; its moments are there once all parameters are together.
Parameter make_parameter(std::string name, std::vector<std::int64_t> shape, bool decayed, Backend& backend) {
  return {make_array(std::move(name), std::move(shape), backend), decayed, {}, {}};
}

// Values in PyTorch's order from `next`, called with the parameter's own random numbers.
template <class F>
void draw(Parameter& p, Backend& backend, std::uint64_t seed, F next) {
  Random random(seed, Draw::parameters, hash_name(p.name), 0);
  std::vector<float> values(static_cast<std::size_t>(p.size()));
  for (float& v : values) v = static_cast<float>(next(random));
  backend.write(p.value, to_array_order(std::move(values), p.shape));
}

Norm make_norm(const NormDescription& description, std::int64_t channels, Backend& backend) {
  Norm norm{description, make_parameter(description.name + ".weight", {channels}, description.decayed, backend),
            make_parameter(description.name + ".bias", {channels}, false, backend),
            make_array(description.name + ".running_mean", {channels}, backend),
            make_array(description.name + ".running_var", {channels}, backend)};
  const std::vector<float> ones(static_cast<std::size_t>(channels), 1.0f);
  backend.write(norm.weight.value, ones);
  backend.write(norm.variance.value, ones);
  return norm;
}

Layer make_layer(const LayerDescription& description, bool spatial, Backend& backend, std::uint64_t seed) {
  const Convolution& c = description.convolution;
  std::vector<std::int64_t> shape{c.out, c.in};
  if (spatial) shape.insert(shape.end(), {c.kernel, c.kernel});
  Layer layer{description,
              make_parameter(description.name + ".weight", std::move(shape), true, backend),
              make_parameter(description.name + ".bias", {c.out}, false, backend),
              {}};
  const double bound = 1.0 / std::sqrt(static_cast<double>(c.in * c.kernel * c.kernel));
  const auto uniform = [&](Random& random) { return bound * (2 * random.uniform() - 1); };
  const double deviation = std::sqrt(2.0 / static_cast<double>(c.out * c.kernel * c.kernel));
  if (description.normal)
    draw(layer.weight, backend, seed, [&](Random& random) { return deviation * random.normal(); });
  else
    draw(layer.weight, backend, seed, uniform);
  if (c.biased) draw(layer.bias, backend, seed, uniform);
  if (description.norm) layer.norm = make_norm(*description.norm, c.out, backend);
  return layer;
}

}  // namespace

Encoder::Encoder(const EncoderDescription& description, Backend& backend, std::uint64_t seed) {
  const bool spatial = description.input.positions() > 1;
  for (const BlockDescription& b : description.blocks) {
    Block block{b, {}, {}, {}, {}};
    for (const LayerDescription& layer : b.layers) block.layers.push_back(make_layer(layer, spatial, backend, seed));
    if (b.shortcut) block.shortcut = make_layer(*b.shortcut, spatial, backend, seed);
    for (const LayerDescription& layer : b.projector)
      block.projector.push_back(make_layer(layer, false, backend, seed));
    if (b.classifier) block.classifier = make_layer(*b.classifier, false, backend, seed);
    blocks_.push_back(std::move(block));
  }
  gather(backend);
}

void Encoder::gather(Backend& backend) {
  constexpr std::int64_t kAligned = 64;  // numbers: 256 bytes
  const std::vector<Parameter*> parameters = this->parameters();
  std::int64_t size = 0;
  for (const bool decayed : {true, false}) {
    for (Parameter* p : parameters) {
      if (p->decayed != decayed) continue;
      p->first = size;
      size += (p->size() + kAligned - 1) / kAligned * kAligned;
    }
    if (decayed) all_.decayed = size;
  }
  all_.value = backend.zeros(size);
  all_.mean = backend.zeros(size);
  all_.square = backend.zeros(size);
  for (Parameter* p : parameters) {
    backend.copy(p->value, all_.value, p->first);
    p->value = all_.value.part(p->first, p->size());
    p->mean = all_.mean.part(p->first, p->size());
    p->square = all_.square.part(p->first, p->size());
  }
}

template <class F>
void Encoder::for_each_layer(F f) {
  for (Block& block : blocks_) {
    for (Layer& layer : block.layers) f(layer);
    if (block.shortcut) f(*block.shortcut);
  }
  for (Block& block : blocks_)
    for (Layer& layer : block.projector) f(layer);
  for (Block& block : blocks_)
    if (block.classifier) f(*block.classifier);
}

std::vector<Parameter*> Encoder::parameters() {
  std::vector<Parameter*> all;
  for_each_layer([&](Layer& layer) {
    all.push_back(&layer.weight);
    if (layer.description.convolution.biased) all.push_back(&layer.bias);
    if (layer.norm) all.insert(all.end(), {&layer.norm->weight, &layer.norm->bias});
  });
  return all;
}

std::vector<NamedArray*> Encoder::state() {
  std::vector<NamedArray*> all;
  for_each_layer([&](Layer& layer) {
    all.push_back(&layer.weight);
    if (layer.description.convolution.biased) all.push_back(&layer.bias);
    if (Norm* const norm = layer.norm ? &*layer.norm : nullptr)
      all.insert(all.end(), {&norm->weight, &norm->bias, &norm->mean, &norm->variance});
  });
  return all;
}

}  // namespace lpl::rate
