// What a device must be able to do for the trainer. One trainer, two backends: CPU (rate/cpu) and CUDA (rate/cuda).
//
// Calls may return before the device is done; only read() and download() wait. A batch is cut into slices, the unit
// of work of a rank: a result depends on the slices, in its last bits, but never on how many ranks share them.
// The maps of a slice hold its samples twice: first view 1 of all of them, then view 2.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "rate/arrays.hpp"
#include "rate/losses.hpp"
#include "rate/normalisation.hpp"

namespace lpl::rate {

struct Slice {
  std::int64_t first = 0;  // sample of the batch
  std::int64_t count = 0;
};

// Dropout of the maps of one slice. Element i of a sample and view (channels-last) is silenced where the i-th number of
// the sequence (seed, layer, sample and view) is below the probability (core/random.hpp).
struct Dropout {
  double probability;
  std::uint32_t layer;
  Slice samples;
  Indices seed;  // its lower and its upper half
};

struct ViewSource;   // rate/data/augment.hpp
struct ViewRequest;  // rate/data/augment_choices.hpp

// A convolution with what follows it: rectifier, then max-pooling. A dense layer is one with kernel 1 on 1x1 maps.
struct Convolution {
  std::int64_t in = 0;
  std::int64_t out = 0;
  std::int64_t kernel = 3;
  std::int64_t stride = 1;
  std::int64_t padding = 1;
  bool biased = true;
  bool rectified = true;
  std::int64_t pool = 0;  // side of the pooling window; 0: no pooling
  std::int64_t pool_stride = 0;

  std::int64_t weights() const { return out * kernel * kernel * in; }
  // Shape before pooling, and after it. Rows and columns that fill no window are dropped, as in PyTorch.
  Shape convolved(const Shape& x) const;
  Shape output(const Shape& x) const;
};

// Max-pooling of rectified maps, padded with silence. Side and stride 1: none.
struct Pooling {
  std::int64_t side = 1;
  std::int64_t stride = 1;
  std::int64_t padding = 0;
  Shape output(const Shape& x) const;
};

// Weights and bias in the form and precision that a backend computes with.
struct Filters {
  std::shared_ptr<void> data;
};

// What the gradient needs of a forward pass besides its input.
struct Trace {
  std::shared_ptr<void> data;
};

struct AdamForm {
  double beta1, beta2, epsilon, weight_decay;
};

struct SgdForm {
  double momentum, weight_decay;
};

// The two numbers of an optimiser that change with its step (1, 2, ...): the length of a step, and for Adam what the
// root of the second moment is multiplied by.
std::vector<float> adam_rates(const AdamForm& form, double learning_rate, std::int64_t step);
std::vector<float> sgd_rates(double learning_rate);

// The samples of a batch, cut into slices; slices are dealt to ranks in blocks.
class Batch {
 public:
  // At most `most_slices` slices of at least 8 samples, so the number of partial gradients stays bounded.
  Batch(std::int64_t samples, int rank, int ranks, std::int64_t most_slices);
  std::int64_t samples() const { return samples_; }
  const std::vector<Slice>& slices() const { return slices_; }
  // Slices [first_slice(r), first_slice(r + 1)) belong to rank r.
  std::size_t first_slice(int rank) const;
  std::vector<Slice> of(int rank) const;
  std::vector<Slice> mine() const { return of(rank_); }
  std::int64_t samples_of(int rank) const;

 private:
  std::int64_t samples_;
  int rank_, ranks_;
  std::vector<Slice> slices_;
};

class Backend {
 public:
  virtual ~Backend() = default;
  // For the log, such as "CPU (oneDNN 2.6.3, 2 threads)".
  virtual std::string description() const = 0;
  // Bytes of a device's own memory that this process had at most.
  virtual std::int64_t device_memory() const { return 0; }
  // Whether this processor or device computes in a precision.
  virtual bool supports(Precision precision) const = 0;
  // How many slices a batch is best cut into (Batch).
  virtual std::int64_t most_slices() const = 0;
  // Calls work(s) for the slices 0 ... count-1 of this rank; a host may do so on several threads at once, so works
  // write to no memory in common. Throws the error of the first slice that failed.
  virtual void each_slice(std::size_t count, const std::function<void(std::size_t)>& work) {
    for (std::size_t s = 0; s < count; ++s) work(s);
  }
  // How many steps may be asked for before the losses of the first are read: 1 where calls return when all is done.
  virtual std::int64_t steps_ahead() const = 0;

  // Calls step(x), which makes the same calls for every batch of as many samples: a device may record them once and
  // repeat them, so step(x) may be called now and not the next time. What differs from time to time is what x and
  // other memory hold. Within, nothing comes from the host or goes there: no write(), read(), upload(), download() or
  // make_views(). Memory that is made within is given back within, but what the first time makes to stay.
  virtual void repeat(const Batch& batch, std::vector<Tensor> x,
                      const std::function<void(std::vector<Tensor>)>& step) = 0;

  virtual Array zeros(std::int64_t size) = 0;
  virtual void clear(Array& array) = 0;
  virtual void write(Array& array, const std::vector<float>& values) = 0;
  virtual std::vector<float> read(const Array& array) = 0;
  virtual void add(const Array& from, Array& to) = 0;
  virtual void scale(Array& array, float factor) = 0;
  // to[offset ...] = from.
  virtual void copy(const Array& from, Array& to, std::int64_t offset) = 0;
  virtual Indices indices(std::int64_t room) = 0;
  virtual void write(Indices& indices, const std::vector<std::int32_t>& values) = 0;

  // Whether this backend makes views of a source's images itself, and keeps the images for that; and the views that are
  // requested of it: (requests, side, side, 3).
  virtual bool makes_views(const ViewSource& source) = 0;
  virtual Tensor make_views(const ViewSource& source, const std::vector<ViewRequest>& requests,
                            Precision precision) = 0;

  // Values channels-last: samples x height x width x channels.
  virtual Tensor upload(const std::vector<float>& values, const Shape& shape, Precision precision) = 0;
  virtual std::vector<float> download(const Tensor& tensor) = 0;

  // Both arrays must stay, unchanged, while the filters are used.
  virtual Filters prepare(const Convolution& layer, const Array& weight, const Array& bias, Precision precision) = 0;
  // y = pool(rectify(filters * x + bias)). Fills `trace` unless null.
  virtual Tensor forward(const Convolution& layer, const Filters& filters, const Tensor& x, Trace* trace) = 0;
  // Adds the gradients of slices, one after the other, to `weight` and `bias` (out x row x column x in; out). `dy` is
  // the gradient with respect to y, or of 1x1 maps, that with respect to y's means over space. A slice's sum is
  // complete before it is added, so that ((s0 + s1) + s2) is the same number wherever the slices were computed.
  virtual void add_gradient(const Convolution& layer, std::span<const Trace> traces, std::span<const Tensor> x,
                            std::span<const Tensor> dy, Array& weight, Array& bias) = 0;
  // Gradient with respect to x.
  virtual Tensor input_gradient(const Convolution& layer, const Filters& filters, const Trace& trace, const Tensor& x,
                                const Tensor& dy) = 0;

  // Mean over positions: float32, 1x1.
  virtual Tensor mean_over_space(const Tensor& x) = 0;
  // Average over equal windows to side x side maps (PyTorch's adaptive average), and its gradient for maps `shape`.
  virtual Tensor adaptive_mean(const Tensor& x, std::int64_t side) = 0;
  virtual Tensor adaptive_mean_gradient(const Tensor& dy, const Shape& shape, Precision precision) = 0;
  // x with a share of its elements silenced and the others scaled up to make good for them. The same elements every
  // time, so it is also the way back of a gradient.
  virtual Tensor dropout(const Dropout& dropout, const Tensor& x) = 0;
  virtual Tensor sum(const Tensor& x, const Tensor& y) = 0;

  // y = pool(rectify(x)). Fills `trace` unless null.
  virtual Tensor rectify(const Pooling& pooling, const Tensor& x, Trace* trace) = 0;
  // Gradient with respect to x. `dy` as in add_gradient().
  virtual Tensor rectifier_gradient(const Pooling& pooling, const Trace& trace, const Tensor& dy) = 0;

  // Batch normalisation (rate/normalisation.hpp), by view and channel.
  // Adds the sums over samples and positions of one slice of d, and of d (x - centre), where d is dy, or x - centre
  // where that is null. sums: 2 x views x channels, centre: views x channels. Slices are added as in add_gradient().
  virtual void add_moments(const Tensor& x, const Tensor* dy, const Array& centre, Array& sums) = 0;
  // scale (x - centre) + slope dy + shift, without the second term where dy is null. coefficients: centre, scale,
  // slope and shift, each views x channels.
  virtual Tensor combine(const Tensor& x, const Tensor* dy, const Array& coefficients) = 0;
  // What stands between the two; pointers are to the memory of this backend.
  using NormalisingStep = std::variant<BatchMeans, BatchNormalisation, RunningNormalisation, NormalisationGradient>;
  virtual void normalise(const NormalisingStep& step) = 0;

  // The loss of the whole batch at one hook, from the slices of this rank. Collective. Writes its terms to
  // losses[offset ...] and returns the gradients by slice.
  virtual std::vector<Tensor> loss(const HookLoss& loss, const Batch& batch, const std::vector<Tensor>& z,
                                   Array& losses, std::int64_t offset) = 0;

  // Sums the parts over the slices of all ranks, in the order of the slices, into parts[0]. Collective.
  virtual void reduce(const Batch& batch, std::vector<Array>& parts) = 0;

  // Of parameters that computations see in bfloat16 and that only adam() changes, and their gradients, of which
  // add_gradient() forms each once a step: a backend may keep them in bfloat16, too. The numbers stay the same.
  virtual void learn_rounded(const Array&, const Array&) {}
  // `rates`: adam_rates() or sgd_rates().
  virtual void adam(const AdamForm& form, const Array& rates, const Array& gradient, Array& value, Array& mean,
                    Array& square) = 0;
  // PyTorch's form: buffer = momentum * buffer + gradient (the first gradient itself at the first step).
  virtual void sgd(const SgdForm& form, const Array& rates, const Array& gradient, Array& value, Array& buffer) = 0;
};

}  // namespace lpl::rate
