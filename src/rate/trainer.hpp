// One training step of a network that learns layer by layer, or end to end; on any backend and any number of ranks.
//
// A step, layer-local: for each block in turn, all slices go forward; the hook's losses see the whole batch; their
// gradient goes back through classifier and projector and into the block's filters, which learn at once; then what
// the block was given is let go. No gradient leaves a block, and no more than one block's activities are held.
// End to end: all blocks go forward and are held, the losses of the last hook go back through all of them.
// Either way every gradient is taken at the parameters of before the step. Batch normalisation sees the whole batch in
// training, and its running averages otherwise.
//
// Where a step has several batches (training.accumulate), each goes through the network by itself, at the parameters of
// before the step, which learn from the mean of the gradients.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "rate/backend.hpp"
#include "rate/description.hpp"
#include "rate/encoder.hpp"
#include "rate/pairs.hpp"

namespace lpl::rate {

// The network that a run trains: layers fitted to its samples and, for supervised learning, its classes. Throws
// ConfigError, also where labels are wanted and the data have none.
EncoderDescription fitted_encoder(const TrainingDescription& description, const PairSource& pairs);

// What a step leaves behind for who wants to look into it, by parameter or hook; values in PyTorch's order.
struct Inspection {
  std::map<std::string, std::vector<float>> gradients;  // of the total loss, before weight decay
  std::vector<std::vector<float>> hooks[2];             // [view][hook]: samples x units
};

struct StepLosses {
  std::vector<LossTerms> hooks;  // unweighted terms
  double total = 0;              // weighted sum over hooks; NaN for a rule without losses
};

class Trainer {
 public:
  // `description` and `comm` must outlive the trainer.
  Trainer(const TrainingDescription& description, const EncoderDescription& encoder, Backend& backend,
          Communicator& comm);

  // Step `step` (0, 1, ...) at a learning rate, of the batches that Steps gives it. Collective. `inspection` may be
  // null; its hooks are of the last batch. May return before the step is done.
  void step(std::int64_t step, double learning_rate, PairSource& pairs, Inspection* inspection);
  // Losses of a batch with the network as it is, which stays so: without dropout, and with the running averages of
  // batch normalisation. Collective.
  StepLosses judge(std::int64_t batch, PairSource& pairs);
  // Mean losses over the batches of the steps since the last call, oldest first; waits for them. To be called before
  // another step() where losses_due().
  std::vector<StepLosses> take_losses();
  bool losses_due() const { return static_cast<std::int64_t>(logged_.size()) == backend_.steps_ahead(); }

  // Mean activities of every block over space, samples x units each, for `samples` images (samples x height x width x
  // channels), with the network as it is.
  std::vector<std::vector<float>> features(const std::vector<float>& images, std::int64_t samples);

  Encoder& encoder() { return encoder_; }
  std::size_t hooks() const { return description_.scope == Scope::end_to_end ? 1 : encoder_description_.blocks.size(); }
  // Stale estimates by hook; none unless the rule asks for them.
  std::vector<StaleEstimates> estimates();
  bool fits(const std::vector<StaleEstimates>& estimates) const;
  void set_estimates(const std::vector<StaleEstimates>& estimates);

 private:
  using Slices = std::vector<Tensor>;
  // What gradients need of the forward pass, by slice: those of a normalisation, of a layer, of a block.
  struct NormPass {
    Slices x;
    Array moments;              // rate/normalisation.hpp
    std::vector<Trace> traces;  // of the rectifier
  };
  struct Pass {
    Filters filters;
    Slices given;  // to the layer
    Slices x;      // to its convolution
    std::vector<Trace> traces;
    NormPass norm;
  };
  struct BlockPass {
    std::vector<Pass> layers;
    Pass shortcut;
    std::vector<Trace> traces;  // of the rectified sum
  };

  // A batch with its labels and positives, and this rank's samples of it. Collective.
  Slices take_batch(std::int64_t batch, PairSource& pairs);
  // Both views of a slice of a batch.
  Tensor samples(PairSource& pairs, std::int64_t batch, const Slice& slice);
  // What is done with a batch once its samples are there.
  void learn(Slices x);
  // Without `pass` the network is used as it is, and nothing is collective.
  Slices forward(Block& block, const Slices& given, BlockPass* pass);
  Slices forward(Layer& layer, const Slices& given, Pass* pass);
  Slices forward(Norm& norm, const Slices& given, NormPass* pass);
  // Learn, and return the gradient with respect to what was given if wanted.
  Slices backward(Block& block, BlockPass& pass, const Slices& dy, bool wanted);
  Slices backward(Layer& layer, Pass& pass, Slices dy, bool wanted);
  Slices backward(Norm& norm, NormPass& pass, Slices dy);
  // Moments of the whole batch (Backend::add_moments), until the next call. Collective. `dy` may be null.
  Array sum_moments(const Norm& norm, const Slices& x, const Slices* dy, const Array& centre);
  Array array_of(const std::vector<float>& values);
  Array copy_of(const Array& array);
  // Losses at a block's hook; classifier and projector learn; returns the gradient with respect to the block's output,
  // or to its means over space where losses see those.
  Slices learn_at_hook(std::size_t block, const Slices& y);
  void judge_at_hook(std::size_t block, const Slices& y);
  // What losses see of a block's output, before a projector.
  Slices at_hook(const Slices& y);
  std::size_t hook_of(std::size_t block) const { return description_.scope == Scope::end_to_end ? 0 : block; }
  void inspect(const Slices& z);
  // Gradients by slice; `estimates` may be null.
  Slices hook_losses(std::size_t hook, const Slices& z, EstimateArrays* estimates);
  // Means over the rows of a log.
  StepLosses losses_of(std::span<const float> rows) const;
  void learn_without_losses(Layer& layer, const Slices& x, const Slices& z);
  // Learns, or where a step has several batches, adds to the sum of their gradients. Where all learn at once the
  // gradient is where it should be.
  void update(Parameter& parameter, const Array& gradient);
  void learn_from_sums(std::int64_t batches);
  void inspect(const Parameter& parameter, const Array& gradient);
  void optimise(bool decayed, const Array& gradient, Array value, Array mean, Array square);
  void learn_at_once();
  void apply(Layer& layer, std::vector<Array>& weight, std::vector<Array>& bias);
  // One a slice on several ranks.
  std::size_t gradient_parts() const;
  void make_room_for_gradients();
  std::vector<Array> clear_parts(const std::vector<Array>& store, std::int64_t size);
  // Room for the gradients of a layer, in parts, 0.
  std::vector<Array> weight_parts(const Layer& layer);
  std::vector<Array> bias_parts(const Layer& layer);
  bool accumulates() const { return description_.accumulate > 1; }
  // Whether every gradient is formed where it lies among those of all parameters: several ranks reduce theirs first.
  bool at_once() const { return comm_.size() == 1 && !accumulates(); }
  Array gradient_of(const Parameter& p) const { return gradients_.part(p.first, p.size()); }
  Dropout dropout(const Layer& layer, std::size_t slice) const;

  const TrainingDescription& description_;
  EncoderDescription encoder_description_;
  Backend& backend_;
  Communicator& comm_;
  Encoder encoder_;
  bool repeatable_;  // Backend::repeat(); what learns without losses does on the host
  std::vector<EstimateArrays> estimates_;
  Array losses_;                      // hooks x kLossTerms
  Array log_;                         // of the losses of the last steps: a row a batch
  std::vector<std::int64_t> logged_;  // batches of these steps
  // Of all parameters (AllParameters), which learn at once at the end of a step: the gradients, or their sums over the
  // step's batches. Empty where several ranks learn layer by layer.
  Array gradients_;
  // Room for the gradients of one layer, in parts.
  std::vector<Array> weight_gradient_, bias_gradient_, moments_;

  // Of the batch being learned.
  Batch batch_;
  Indices labels_;
  Partners positives_;
  Array rates_;   // of the optimiser
  Indices seed_;  // of dropout
  Inspection* inspection_ = nullptr;
};

}  // namespace lpl::rate
