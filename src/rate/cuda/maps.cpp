#include "rate/cuda/maps.hpp"

#include <fmt/format.h>

#include <string_view>
#include <variant>

#include "core/random.hpp"
#include "rate/cuda/launch.hpp"

namespace lpl::rate::cuda {
namespace {

// What a rectifier leaves for its gradient.
struct RectifierTrace {
  Shape shape;  // of the input
  Precision precision;
  std::shared_ptr<std::uint8_t> winners;  // by output
};

MapSize size_of(const Shape& s) { return {to_index(s.height), to_index(s.width), to_index(s.channels)}; }

// Whether the bodies of rate/cuda/tile_bodies.hpp know windows.
bool tiles(const Windows& windows) { return windows.tile() && windows.side <= 2; }

Tiles tiles_of(const Windows& windows) {
  return {windows.out.rows * windows.out.columns, windows.out.channels, Divisor(windows.out.columns)};
}

// Calls f(side, width) with what the bodies are made for.
template <class F>
void with_tiles(const Windows& windows, F f) {
  const auto with_side = [&](auto side) {
    if (windows.out.channels % 8 == 0)
      f(side, std::integral_constant<Index, 8>());
    else
      f(side, std::integral_constant<Index, 1>());
  };
  if (windows.side == 1)
    with_side(std::integral_constant<Index, 1>());
  else
    with_side(std::integral_constant<Index, 2>());
}

}  // namespace

Windows windows_of(const Convolution& layer, const Shape& x) {
  const MapSize in = size_of(layer.convolved(x)), out = size_of(layer.output(x));
  if (layer.pool == 0) return {in, out, 1, 1};
  return {in, out, to_index(layer.pool), to_index(layer.pool_stride)};
}

Windows windows_of(const Pooling& pooling, const Shape& x) {
  return {size_of(x), size_of(pooling.output(x)), to_index(pooling.side), to_index(pooling.stride),
          to_index(pooling.padding)};
}

// Kernels count in 32 bits. Slices may differ, so this may happen to one rank alone.
Tensor MapOperations::new_tensor(const Shape& shape, Precision precision) {
  if (shape.size() > INT32_MAX)
    throw DeviceError(fmt::format("{}: a map has {} numbers, more than the 2^31 that are possible; use a smaller batch",
                                  device_->name(), shape.size()));
  return {shape, precision, device_->allocate(shape.size() * bytes_of(precision))};
}

void MapOperations::pool(const Windows& windows, const float* bias, bool rectified, const Tensor& x, Tensor& y,
                         std::uint8_t* winners) {
  with_elements(y, [&](auto* to) {
    using Element = ElementOf<decltype(to)>;
    const auto* const from = static_cast<const Element*>(x.data.get());
    if (!tiles(windows)) {
      launch(*device_, "the pooling kernel", y.shape.size(), PoolMax<Element>{windows, bias, from, to, winners});
      return;
    }
    y.means = allocate<float>(*device_, y.shape.samples * y.shape.channels);
    with_tiles(windows, [&](auto side, auto width) {
      launch_samples(
          *device_, "the pooling kernel", y.shape.samples,
          PoolTiles<Element, side, width>{tiles_of(windows), bias, rectified, from, to, winners, y.means.get()});
    });
  });
}

namespace {

constexpr std::string_view kBiasGradient = "the kernel of the bias gradient";

template <class Gradient, class Element>
void unpool_elements(Device& device, const FlowingGradient<Gradient, Element>& gradient, const Windows& windows,
                     const Tensor& dx, Array* bias) {
  auto* const to = static_cast<Element*>(dx.data.get());
  const std::int64_t samples = dx.shape.samples, channels = dx.shape.channels;
  if (!tiles(windows)) {
    launch(device, "the unpooling kernel", dx.shape.size(), Unpool<Gradient, Element>{gradient, windows, to});
    if (bias)
      add_sums(device, kBiasGradient, samples * windows.out.rows * windows.out.columns, channels, gradient, *bias);
    return;
  }
  const std::shared_ptr<float> totals = bias ? allocate<float>(device, samples * channels) : nullptr;
  with_tiles(windows, [&](auto side, auto width) {
    launch_samples(device, "the unpooling kernel", samples,
                   UnpoolTiles<Gradient, Element, side, width>{tiles_of(windows), gradient.dy, gradient.everywhere,
                                                               gradient.winners, gradient.y, to, totals.get()});
  });
  if (bias) add_sums(device, kBiasGradient, samples, channels, Rows{totals.get(), to_index(channels)}, *bias);
}

}  // namespace

void MapOperations::unpool(const OutputGradient& given, const Windows& windows, const Tensor& dx, Array* bias) {
  with_elements(dx, [&](const auto* any) {
    using Element = ElementOf<decltype(any)>;
    with_elements(given.dy, [&](const auto* gradient) {
      const FlowingGradient<ElementOf<decltype(gradient)>, Element> flowing{gradient,
                                                                            given.winners,
                                                                            static_cast<const Element*>(given.y),
                                                                            to_index(given.outputs.positions()),
                                                                            to_index(given.outputs.channels),
                                                                            given.dy.shape.positions() == 1};
      unpool_elements(*device_, flowing, windows, dx, bias);
    });
  });
}

Tensor MapOperations::mean_over_space(const Tensor& x) {
  if (x.means) return {{x.shape.samples, x.shape.channels, 1, 1}, Precision::float32, x.means};
  Tensor means = new_tensor({x.shape.samples, x.shape.channels, 1, 1}, Precision::float32);
  with_elements(x, [&](const auto* from) {
    launch(*device_, "the kernel of means over space", means.shape.size(),
           MeanOverSpace<ElementOf<decltype(from)>>{to_index(x.shape.positions()), to_index(x.shape.channels), from,
                                                    static_cast<float*>(means.data.get())});
  });
  return means;
}

Tensor MapOperations::adaptive_mean(const Tensor& x, std::int64_t side) {
  Tensor y = new_tensor({x.shape.samples, x.shape.channels, side, side}, x.precision);
  with_elements(x, [&](const auto* from) {
    using Element = ElementOf<decltype(from)>;
    launch(*device_, "the kernel of the adaptive mean", y.shape.size(),
           AdaptiveMean<Element>{size_of(x.shape), size_of(y.shape), from, static_cast<Element*>(y.data.get())});
  });
  return y;
}

Tensor MapOperations::adaptive_mean_gradient(const Tensor& dy, const Shape& shape, Precision precision) {
  Tensor dx = new_tensor(shape, precision);
  with_elements(dy, [&](const auto* from) {
    with_elements(dx, [&](auto* to) {
      launch(*device_, "the kernel of the adaptive mean's gradient", shape.size(),
             AdaptiveMeanGradient<ElementOf<decltype(from)>, ElementOf<decltype(to)>>{size_of(shape), size_of(dy.shape),
                                                                                      from, to});
    });
  });
  return dx;
}

Tensor MapOperations::dropout(const Dropout& dropout, const Tensor& x) {
  Tensor y = new_tensor(x.shape, x.precision);
  with_elements(x, [&](const auto* from) {
    using Element = ElementOf<decltype(from)>;
    launch(*device_, "the kernel of dropout", x.shape.size(),
           DropOut<Element>{dropout.probability, static_cast<float>(1.0 / (1.0 - dropout.probability)),
                            static_cast<Index>(Draw::dropout), dropout.layer, dropout.seed.at(),
                            to_index(dropout.samples.first), to_index(dropout.samples.count),
                            to_index(x.shape.size() / x.shape.samples), from, static_cast<Element*>(y.data.get())});
  });
  return y;
}

Tensor MapOperations::sum(const Tensor& x, const Tensor& y) {
  Tensor z = new_tensor(x.shape, x.precision);
  with_elements(z, [&](auto* to) {
    using Element = ElementOf<decltype(to)>;
    launch(*device_, "the kernel of sums", x.shape.size(),
           Sum<Element>{static_cast<const Element*>(x.data.get()), static_cast<const Element*>(y.data.get()), to});
  });
  return z;
}

Tensor MapOperations::rectify(const Pooling& pooling, const Tensor& x, Trace* trace) {
  Tensor y = new_tensor(pooling.output(x.shape), x.precision);
  const auto kept = std::make_shared<RectifierTrace>(RectifierTrace{x.shape, x.precision, {}});
  if (trace) {
    kept->winners = allocate<std::uint8_t>(*device_, y.shape.size());
    trace->data = kept;
  }
  pool(windows_of(pooling, x.shape), nullptr, true, x, y, kept->winners.get());
  return y;
}

Tensor MapOperations::rectifier_gradient(const Pooling& pooling, const Trace& trace, const Tensor& dy) {
  const auto& kept = *static_cast<const RectifierTrace*>(trace.data.get());
  Tensor dx = new_tensor(kept.shape, kept.precision);
  unpool({dy, pooling.output(kept.shape), kept.winners.get(), nullptr}, windows_of(pooling, kept.shape), dx, nullptr);
  return dx;
}

void MapOperations::add_moments(const Tensor& x, const Tensor* dy, const Array& centre, Array& sums) {
  const std::int64_t rows = x.shape.samples / 2 * x.shape.positions(), channels = x.shape.channels;
  with_elements(x, [&](const auto* from) {
    with_elements(dy ? *dy : x, [&](const auto* gradient) {
      const Moments<ElementOf<decltype(gradient)>, ElementOf<decltype(from)>> value{
          from, dy ? gradient : nullptr, centre.at(), to_index(rows), to_index(channels)};
      add_sums(*device_, "the kernel of moments", rows, 4 * channels, value, sums);
    });
  });
}

Tensor MapOperations::combine(const Tensor& x, const Tensor* dy, const Array& coefficients) {
  Tensor y = new_tensor(x.shape, x.precision);
  const std::int64_t view_1 = x.shape.samples / 2 * x.shape.channels * x.shape.positions();
  with_elements(y, [&](auto* to) {
    using Element = ElementOf<decltype(to)>;
    with_elements(dy ? *dy : x, [&](const auto* gradient) {
      launch(*device_, "the normalising kernel", x.shape.size(),
             Combine<ElementOf<decltype(gradient)>, Element>{static_cast<const Element*>(x.data.get()),
                                                             dy ? gradient : nullptr, coefficients.at(),
                                                             to_index(view_1), to_index(x.shape.channels), to});
    });
  });
  return y;
}

void MapOperations::normalise(const NormalisingStep& step) {
  std::visit([&](const auto& own) { launch(*device_, "the kernel of normalisation", own.calls(), own); }, step);
}

}  // namespace lpl::rate::cuda
