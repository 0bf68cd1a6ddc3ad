// Convolutions of bfloat16 maps as products of matrices: a row for each output, its patch of the input, times the
// filters. oneDNN multiplies them in the matrix unit (AMX) of a processor that has one; its own convolutions reach that
// only with channels last, and then read all filters again for every small map.
#pragma once

#include <cstdint>
#include <dnnl.hpp>
#include <map>
#include <mutex>
#include <utility>

#include "rate/backend.hpp"

namespace lpl::rate {

class PatchProducts {
 public:
  explicit PatchProducts(const dnnl::engine& engine) : engine_(engine) {}

  // Filters (out x tap x in, float32) as forward() takes them.
  dnnl::memory pack(const Convolution& layer, float* filters);
  // y = filters * x + bias, before rectifier and pooling. The numbers of an output do not depend on what else is
  // computed with it, nor on the number of threads.
  void forward(const Convolution& layer, const dnnl::memory& packed, const dnnl::memory& bias, const Tensor& x,
               const Tensor& y);

 private:
  struct Product {
    dnnl::matmul::primitive_desc description;
    dnnl::matmul primitive;
  };

  const Product& product(std::int64_t inner, std::int64_t out);

  dnnl::engine engine_;
  std::mutex planning_;
  std::map<std::pair<std::int64_t, std::int64_t>, Product> products_;
};

}  // namespace lpl::rate
