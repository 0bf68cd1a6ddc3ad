#include "rate/cuda/thin_convolution.hpp"

#include <type_traits>

#include "rate/cuda/launch.hpp"
#include "rate/cuda/maps.hpp"

namespace lpl::rate::cuda {
namespace {

ThinMaps maps_of(const Convolution& layer, const Tensor& x) {
  const Shape y = layer.output(x.shape);
  return {to_index(x.shape.height), to_index(x.shape.width), to_index(y.positions()), Divisor(to_index(y.width)),
          static_cast<const Bfloat*>(x.data.get())};
}

// Calls f with the channels of the images.
template <class F>
void with_channels(const Convolution& layer, F f) {
  if (layer.in == 1)
    f(std::integral_constant<Index, 1>());
  else
    f(std::integral_constant<Index, 3>());
}

std::int64_t warps_of(const Convolution& layer, const Tensor& x) {
  return x.shape.samples * (layer.out / kThinChannels);
}

}  // namespace

bool is_thin(const Convolution& layer, const Tensor& x) {
  const Windows windows = windows_of(layer, x.shape);
  return x.precision == Precision::bfloat16 && (layer.in == 1 || layer.in == 3) && layer.out % kThinChannels == 0 &&
         layer.kernel == 3 && layer.stride == 1 && layer.padding == 1 && windows.side == 2 && windows.tile();
}

void thin_forward(Device& device, const Convolution& layer, const Tensor& x, const void* filters, const float* bias,
                  Tensor& y, std::uint8_t* winners) {
  y.means = allocate<float>(device, y.shape.samples * y.shape.channels);
  with_channels(layer, [&](auto channels) {
    launch_warps(device, "the kernel of the first layer", warps_of(layer, x),
                 ThinPool<channels>{maps_of(layer, x), to_index(layer.out), static_cast<const Bfloat*>(filters), bias,
                                    static_cast<Bfloat*>(y.data.get()), winners, y.means.get()});
  });
}

bool is_of_means(const Tensor& dy) { return dy.precision == Precision::float32 && dy.shape.positions() == 1; }

void add_thin_gradient(Device& device, const Convolution& layer, const Tensor& x, const std::uint8_t* winners,
                       const Tensor& dmeans, Array& weight, Array& bias) {
  const std::int64_t samples = x.shape.samples;
  const std::shared_ptr<float> filters = allocate<float>(device, samples * layer.weights());
  const std::shared_ptr<float> biases = allocate<float>(device, samples * layer.out);
  with_channels(layer, [&](auto channels) {
    launch_warps(device, "the kernel of the first layer's gradient", warps_of(layer, x),
                 ThinGradient<channels>{maps_of(layer, x), to_index(layer.out), winners,
                                        static_cast<const float*>(dmeans.data.get()), filters.get(), biases.get()});
  });
  const auto add = [&](const float* rows, std::int64_t columns, Array& to) {
    add_sums(device, "the kernel that adds gradients", samples, columns, Rows{rows, to_index(columns)}, to);
  };
  add(filters.get(), layer.weights(), weight);
  add(biases.get(), layer.out, bias);
}

}  // namespace lpl::rate::cuda
