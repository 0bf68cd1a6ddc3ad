// Networks as described by models/*.net files, and their parameters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/table.hpp"
#include "rate/backend.hpp"

namespace lpl {

// One trainable layer and what is done to its input first.
struct LayerDescription {
  std::string name;  // PyTorch's, such as network.encoder.blocks.0.module.0
  Convolution convolution;
  std::int64_t adaptive_pool = 0;  // side of the maps that the input is averaged to; 0: as it is
  double dropout = 0;              // probability that an input is silenced in training
};

// A block and what hangs at its hook: the projector (empty: none) and the classifier of supervised learning.
struct BlockDescription {
  LayerDescription layer;
  std::vector<LayerDescription> projector;
  std::optional<LayerDescription> classifier;
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
  std::vector<LayerDescription> layers;  // channels of the first input open
  bool dense = false;                    // samples are vectors
};

// Reads the table of a .net file. `biases` false removes all biases. Throws ConfigError.
NetDescription read_net(Table table, bool biases);

// Fits a network to its input, hooks and classifiers. Hooks are at every block, or at the last one only
// (`end_to_end`); `classes` is 0 without classifiers. Throws ConfigError where a map becomes empty on the way.
EncoderDescription make_encoder(const NetDescription& net, const Shape& input, bool biases, bool end_to_end,
                                const Projector& projector, std::int64_t classes);

// Weights or biases of a layer with the state of their optimiser.
struct Parameter {
  std::string name;                 // PyTorch's
  std::vector<std::int64_t> shape;  // PyTorch's: out x in x row x column, out x in, or out
  bool decayed = false;             // weight decay applies (biases are exempt)
  Array value, mean, square;        // moments of Adam; `mean` is the buffer of SGD
  std::int64_t size() const { return value.size; }
};

struct Layer {
  LayerDescription description;
  Parameter weight, bias;  // the bias of a layer without one stays zero
};

struct Block {
  Layer layer;
  std::vector<Layer> projector;
  std::optional<Layer> classifier;
};

// Filters from PyTorch's order (out x in x row x column) to that of arrays (out x row x column x in), and back.
std::vector<float> to_array_order(std::vector<float> values, const std::vector<std::int64_t>& shape);
std::vector<float> to_torch_order(std::vector<float> values, const std::vector<std::int64_t>& shape);

class Encoder {
 public:
  // Parameters drawn as PyTorch draws them by default, uniform within +-1/sqrt(inputs of a unit), keyed by the seed
  // and the parameter's name.
  Encoder(const EncoderDescription& description, Backend& backend, std::uint64_t seed);

  std::vector<Block>& blocks() { return blocks_; }
  // All parameters: encoder, then projectors, then classifiers, in PyTorch's order.
  std::vector<Parameter*> parameters();

 private:
  std::vector<Block> blocks_;
};

}  // namespace lpl
