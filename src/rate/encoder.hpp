// Networks as described by models/*.net files, and their parameters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/table.hpp"
#include "rate/backend.hpp"

namespace lpl::rate {

// Batch normalisation of a convolution's output, and what follows it in place of the convolution's own rectifier.
struct NormDescription {
  std::string name;            // PyTorch's, such as network.encoder.bn1
  bool decayed = false;        // weight decay applies to its scales
  bool rectified = false;      // rectifier and pooling follow
  Pooling pooling = {};        // of rectified maps
  std::int64_t positions = 0;  // of a map before pooling, once the network is fitted to its input
};

// One trainable layer and what is done to its input first.
struct LayerDescription {
  std::string name;  // PyTorch's, such as network.encoder.blocks.0.module.0
  Convolution convolution;
  std::int64_t adaptive_pool = 0;  // side of the maps that the input is averaged to; 0: as it is
  double dropout = 0;              // probability that an input is silenced in training
  bool normal = false;             // drawn normally for its outputs (He et al. 2015), not uniformly for its inputs
  std::optional<NormDescription> norm = {};

  Shape output(Shape x) const;
  std::int64_t parameters() const;
};

// Layers one after the other, and what hangs at the hook: the projector (empty: none) and the classifier of supervised
// learning. In a residual block the layers' output is added to the block's input, as it is or through the `shortcut`,
// and the sum is rectified (He et al. 2016).
struct BlockDescription {
  std::vector<LayerDescription> layers;
  bool residual = false;
  std::optional<LayerDescription> shortcut = {};
  std::vector<LayerDescription> projector = {};
  std::optional<LayerDescription> classifier = {};

  std::int64_t units() const { return layers.back().convolution.out; }
  Shape output(Shape x) const;
};

struct Projector {
  std::int64_t hidden = 0;
  std::int64_t size = 0;  // 0: no projector
};

struct EncoderDescription {
  Shape input;  // of one sample
  std::vector<BlockDescription> blocks;
  // Shape of a block's output for one sample.
  Shape output(std::size_t block) const;
};

// What a .net file says, before input and hooks are known.
struct NetDescription {
  std::vector<BlockDescription> blocks;  // channels of the first input open
  bool dense = false;                    // samples are vectors
  bool residual() const;
};

// Reads the table of a .net file. `biases` false removes all biases; those of batch normalisation stay. Throws
// ConfigError.
NetDescription read_net(Table table, bool biases);

// Fits a network to its input, hooks and classifiers. Hooks are at every block, or at the last one only
// (`end_to_end`); `classes` is 0 without classifiers. Throws ConfigError where a map becomes empty on the way.
EncoderDescription make_encoder(const NetDescription& net, const Shape& input, bool biases, bool end_to_end,
                                const Projector& projector, std::int64_t classes);

// Numbers that a trained network consists of.
struct NamedArray {
  std::string name;                 // PyTorch's
  std::vector<std::int64_t> shape;  // PyTorch's: out x in x row x column, out x in, or out
  Array value;
  std::int64_t size() const { return value.size; }
};

// Weights or biases of a layer with the state of their optimiser.
struct Parameter : NamedArray {
  bool decayed = false;    // weight decay applies
  Array mean, square;      // moments of Adam; `mean` is the buffer of SGD
  std::int64_t first = 0;  // where its numbers lie in AllParameters
};

// The numbers of all parameters, one after the other: those that decay first.
struct AllParameters {
  Array value, mean, square;
  std::int64_t decayed = 0;
};

struct Norm {
  NormDescription description;
  Parameter weight, bias;     // scale and shift of a channel
  NamedArray mean, variance;  // running averages, for use after training
};

struct Layer {
  LayerDescription description;
  Parameter weight, bias;  // the bias of a layer without one stays zero
  std::optional<Norm> norm;
};

struct Block {
  BlockDescription description;
  std::vector<Layer> layers;
  std::optional<Layer> shortcut;
  std::vector<Layer> projector;
  std::optional<Layer> classifier;
};

// Filters from PyTorch's order (out x in x row x column) to that of arrays (out x row x column x in), and back.
std::vector<float> to_array_order(std::vector<float> values, const std::vector<std::int64_t>& shape);
std::vector<float> to_torch_order(std::vector<float> values, const std::vector<std::int64_t>& shape);

class Encoder {
 public:
  // Parameters drawn as PyTorch draws them by default, uniform within +-1/sqrt(inputs of a unit), or as the layer's
  // description says; keyed by the seed and the parameter's name. Batch normalisation starts with scales of 1.
  Encoder(const EncoderDescription& description, Backend& backend, std::uint64_t seed);

  std::vector<Block>& blocks() { return blocks_; }
  // All parameters: encoder, then projectors, then classifiers, in PyTorch's order.
  std::vector<Parameter*> parameters();
  const AllParameters& all() const { return all_; }
  // The same with the running averages of batch normalisation: all that a trained network is.
  std::vector<NamedArray*> state();

 private:
  // Calls f with every layer: of the encoder, then of projectors, then classifiers.
  template <class F>
  void for_each_layer(F f);
  // Moves all parameters together.
  void gather(Backend& backend);

  std::vector<Block> blocks_;
  AllParameters all_;
};

}  // namespace lpl::rate
