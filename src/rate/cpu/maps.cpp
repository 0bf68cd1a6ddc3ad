#include "rate/cpu/maps.hpp"

#include <type_traits>
#include <vector>

#include "core/random.hpp"

namespace lpl::rate {
namespace {

// What a rectifier leaves for its gradient.
struct RectifierTrace {
  Shape shape;  // of the input
  Precision precision = Precision::float32;
  std::shared_ptr<std::uint8_t> winners;  // by output
};

}  // namespace

Tensor MapOperations::mean_over_space(const Tensor& x) {
  Tensor means = new_tensor({x.shape.samples, x.shape.channels, 1, 1}, Precision::float32);
  const std::int64_t maps = blocks(x.shape.channels);
  with_elements(x, [&](const auto* from) {
#pragma omp parallel for schedule(static)
    for (std::int64_t n = 0; n < x.shape.samples; ++n)
      mean_over_positions(maps, x.shape.positions(), from + n * maps * x.shape.positions() * kLanes,
                          as<float>(means.data) + n * maps * kLanes);
  });
  return means;
}

namespace {

// Window [begin, end) of output i when `size` inputs are averaged to `side` outputs, as PyTorch cuts them.
std::int64_t window_begin(std::int64_t i, std::int64_t size, std::int64_t side) { return i * size / side; }
std::int64_t window_end(std::int64_t i, std::int64_t size, std::int64_t side) {
  return ((i + 1) * size + side - 1) / side;
}

// Calls f(output position, input position, share) for every input of every output's window.
template <class F>
void for_each_in_windows(const Shape& shape, std::int64_t side, F f) {
  for (std::int64_t r = 0; r < side; ++r)
    for (std::int64_t c = 0; c < side; ++c) {
      const std::int64_t top = window_begin(r, shape.height, side), bottom = window_end(r, shape.height, side);
      const std::int64_t left = window_begin(c, shape.width, side), right = window_end(c, shape.width, side);
      const float share = 1.0f / static_cast<float>((bottom - top) * (right - left));
      for (std::int64_t i = top; i < bottom; ++i)
        for (std::int64_t j = left; j < right; ++j) f(r * side + c, i * shape.width + j, share);
    }
}

}  // namespace

Tensor MapOperations::adaptive_mean(const Tensor& x, std::int64_t side) {
  const Shape shape{x.shape.samples, x.shape.channels, side, side};
  Tensor y = new_tensor(shape, x.precision);
  with_elements(x, [&](const auto* from) {
    using Element = std::remove_cvref_t<decltype(*from)>;
#pragma omp parallel for schedule(static)
    for (std::int64_t map = 0; map < shape.samples * blocks(shape.channels); ++map) {
      std::vector<float> sums(static_cast<std::size_t>(side * side * kLanes));
      for_each_in_windows(x.shape, side, [&](std::int64_t to, std::int64_t at, float share) {
        for (std::int64_t lane = 0; lane < kLanes; ++lane)
          sums[static_cast<std::size_t>(to * kLanes + lane)] +=
              share * widen(from[(map * x.shape.positions() + at) * kLanes + lane]);
      });
      for (std::size_t i = 0; i < sums.size(); ++i)
        narrow(sums[i], as<Element>(y.data)[map * side * side * kLanes + static_cast<std::int64_t>(i)]);
    }
  });
  return y;
}

Tensor MapOperations::adaptive_mean_gradient(const Tensor& dy, const Shape& shape, Precision precision) {
  Tensor dx = new_tensor(shape, precision);
  with_elements(dx, [&](auto* to) {
#pragma omp parallel for schedule(static)
    for (std::int64_t map = 0; map < shape.samples * blocks(shape.channels); ++map) {
      std::vector<float> sums(static_cast<std::size_t>(shape.positions() * kLanes));
      const std::int64_t windows = map * dy.shape.positions();
      with_elements(dy, [&](const auto* from) {
        for_each_in_windows(shape, dy.shape.height, [&](std::int64_t at, std::int64_t target, float share) {
          for (std::int64_t lane = 0; lane < kLanes; ++lane)
            sums[static_cast<std::size_t>(target * kLanes + lane)] +=
                share * widen(from[(windows + at) * kLanes + lane]);
        });
      });
      for (std::size_t i = 0; i < sums.size(); ++i)
        narrow(sums[i], to[map * shape.positions() * kLanes + static_cast<std::int64_t>(i)]);
    }
  });
  return dx;
}

Tensor MapOperations::dropout(const Dropout& dropout, const Tensor& x) {
  Tensor y = new_tensor(x.shape, x.precision);
  const std::int32_t* const words = dropout.seed.at();
  const std::uint64_t seed =
      static_cast<std::uint32_t>(words[0]) | static_cast<std::uint64_t>(static_cast<std::uint32_t>(words[1])) << 32;
  const auto scale = static_cast<float>(1.0 / (1.0 - dropout.probability));
  const std::int64_t positions = x.shape.positions(), channels = x.shape.channels, count = dropout.samples.count;
  with_elements(x, [&](const auto* from) {
    auto* const to = as<std::remove_cvref_t<decltype(*from)>>(y.data);
#pragma omp parallel for schedule(static)
    for (std::int64_t n = 0; n < x.shape.samples; ++n) {
      const std::int64_t sample = dropout.samples.first + n % count, view = n / count;
      Random random(seed, Draw::dropout, dropout.layer, static_cast<std::uint32_t>(2 * sample + view));
      for (std::int64_t p = 0; p < positions; ++p)
        for (std::int64_t c = 0; c < blocks(channels) * kLanes; ++c) {
          const std::int64_t at = ((n * blocks(channels) + c / kLanes) * positions + p) * kLanes + c % kLanes;
          const bool silenced = c >= channels || random.uniform() < dropout.probability;
          narrow(silenced ? 0.0f : widen(from[at]) * scale, to[at]);
        }
    }
  });
  return y;
}

Tensor MapOperations::sum(const Tensor& x, const Tensor& y) {
  Tensor z = new_tensor(x.shape, x.precision);
  with_elements(x, [&](const auto* a) {
    using Element = std::remove_cvref_t<decltype(*a)>;
    const Element* const b = as<Element>(y.data);
#pragma omp parallel for schedule(static)
    for (std::int64_t i = 0; i < padded_size(x.shape); ++i) narrow(widen(a[i]) + widen(b[i]), as<Element>(z.data)[i]);
  });
  return z;
}

namespace {

// Largest elements of one map's windows, 16 channels at once, and which of their window they are (unless null).
template <class Element>
void pool_rectified(const Pooling& pooling, const Shape& in, const Shape& out, const Element* x, Element* y,
                    std::uint8_t* winners) {
  for (std::int64_t p = 0; p < out.positions(); ++p) {
    const std::int64_t top = p / out.width * pooling.stride - pooling.padding;
    const std::int64_t left = p % out.width * pooling.stride - pooling.padding;
    float best[kLanes] = {};
    std::uint8_t winner[kLanes];
    std::fill(winner, winner + kLanes, kSilent);
    for (std::int64_t r = std::max<std::int64_t>(0, -top); r < std::min(pooling.side, in.height - top); ++r)
      for (std::int64_t c = std::max<std::int64_t>(0, -left); c < std::min(pooling.side, in.width - left); ++c) {
        const Element* const from = x + ((top + r) * in.width + left + c) * kLanes;
        for (std::int64_t lane = 0; lane < kLanes; ++lane) {
          const float value = widen(from[lane]);
          if (!(value > best[lane] || value != value)) continue;  // what is no number wins, so that the losses show it
          best[lane] = value;
          winner[lane] = static_cast<std::uint8_t>(r * pooling.side + c);
        }
      }
    for (std::int64_t lane = 0; lane < kLanes; ++lane) narrow(best[lane], y[p * kLanes + lane]);
    if (winners) std::copy(winner, winner + kLanes, winners + p * kLanes);
  }
}

}  // namespace

Tensor MapOperations::rectify(const Pooling& pooling, const Tensor& x, Trace* trace) {
  Tensor y = new_tensor(pooling.output(x.shape), x.precision);
  const auto kept = std::make_shared<RectifierTrace>(RectifierTrace{x.shape, x.precision, {}});
  if (trace) {
    kept->winners = std::static_pointer_cast<std::uint8_t>(allocate(padded_size(y.shape)));
    trace->data = kept;
  }
  std::uint8_t* const winners = kept->winners.get();
  with_elements(x, [&](const auto* from) {
    using Element = std::remove_cvref_t<decltype(*from)>;
    auto* const to = as<Element>(y.data);
    const std::int64_t step_in = x.shape.positions() * kLanes, step_out = y.shape.positions() * kLanes;
#pragma omp parallel for schedule(static)
    for (std::int64_t map = 0; map < x.shape.samples * blocks(x.shape.channels); ++map)
      pool_rectified(pooling, x.shape, y.shape, from + map * step_in, to + map * step_out,
                     winners ? winners + map * step_out : nullptr);
  });
  return y;
}

Tensor MapOperations::by_position(const Tensor& dy, const Shape& y) {
  if (dy.shape.positions() == y.positions()) return dy;
  const float share = 1.0f / static_cast<float>(y.positions());
  Tensor shared = new_tensor(dy.shape, dy.precision);
  with_elements(dy, [&](const auto* from) {
    using Element = std::remove_cvref_t<decltype(*from)>;
    for (std::int64_t i = 0; i < padded_size(dy.shape); ++i)
      narrow(widen(from[i]) * share, as<Element>(shared.data)[i]);
  });
  return shared;
}

Tensor MapOperations::rectifier_gradient(const Pooling& pooling, const Trace& trace, const Tensor& dy) {
  const auto& kept = *as<RectifierTrace>(trace.data);
  return gradient_of_winners(pooling, kept.shape, by_position(dy, pooling.output(kept.shape)), kept.precision,
                             [winners = kept.winners.get()](std::int64_t at) { return winners[at]; });
}

void MapOperations::add_moments(const Tensor& x, const Tensor* dy, const Array& centre, Array& sums) {
  const std::int64_t channels = x.shape.channels, channel_blocks = blocks(channels), positions = x.shape.positions();
  const std::int64_t half = x.shape.samples / 2;
  // One view of 16 channels, in the order of samples and positions; f(deviation from the centre, index).
  const auto add = [&](std::int64_t view, std::int64_t block, const auto* from, auto f) {
    double first[kLanes] = {}, second[kLanes] = {};
    float middle[kLanes] = {};
    const std::int64_t lanes = std::min(kLanes, channels - block * kLanes);
    const std::int64_t to = view * channels + block * kLanes;
    std::copy_n(centre.at(to), lanes, middle);
    for (std::int64_t n = view * half; n < (view + 1) * half; ++n)
      for (std::int64_t p = 0; p < positions; ++p)
        for (std::int64_t lane = 0; lane < kLanes; ++lane) {
          const std::int64_t at = ((n * channel_blocks + block) * positions + p) * kLanes + lane;
          const double deviation = static_cast<double>(widen(from[at])) - static_cast<double>(middle[lane]);
          const double d = f(deviation, at);
          first[lane] += d;
          second[lane] += d * deviation;
        }
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      sums.at()[to + lane] += static_cast<float>(first[lane]);
      sums.at()[2 * channels + to + lane] += static_cast<float>(second[lane]);
    }
  };
  with_elements(x, [&](const auto* from) {
#pragma omp parallel for schedule(static)
    for (std::int64_t part = 0; part < 2 * channel_blocks; ++part) {
      const std::int64_t view = part % 2, block = part / 2;
      if (dy)
        with_elements(*dy, [&](const auto* gradient) {
          add(view, block, from, [&](double, std::int64_t at) { return static_cast<double>(widen(gradient[at])); });
        });
      else
        add(view, block, from, [](double deviation, std::int64_t) { return deviation; });
    }
  });
}

Tensor MapOperations::combine(const Tensor& x, const Tensor* dy, const Array& coefficients) {
  Tensor y = new_tensor(x.shape, x.precision);
  const std::int64_t channels = x.shape.channels, channel_blocks = blocks(channels), positions = x.shape.positions();
  const auto apply = [&](std::int64_t map, const auto* from, auto* to, auto slope_times_gradient) {
    const std::int64_t view = map / channel_blocks < x.shape.samples / 2 ? 0 : 1, block = map % channel_blocks;
    float c[4][kLanes] = {};
    for (std::int64_t k = 0; k < 4; ++k)
      std::copy_n(coefficients.at((2 * k + view) * channels + block * kLanes),
                  std::min(kLanes, channels - block * kLanes), c[k]);
    for (std::int64_t p = 0; p < positions; ++p)
      for (std::int64_t lane = 0; lane < kLanes; ++lane) {
        const std::int64_t at = (map * positions + p) * kLanes + lane;
        narrow(c[1][lane] * (widen(from[at]) - c[0][lane]) + slope_times_gradient(c[2][lane], at) + c[3][lane], to[at]);
      }
  };
  with_elements(x, [&](const auto* from) {
    auto* const to = as<std::remove_cvref_t<decltype(*from)>>(y.data);
#pragma omp parallel for schedule(static)
    for (std::int64_t map = 0; map < x.shape.samples * channel_blocks; ++map) {
      if (dy)
        with_elements(*dy, [&](const auto* gradient) {
          apply(map, from, to, [&](float slope, std::int64_t at) { return slope * widen(gradient[at]); });
        });
      else
        apply(map, from, to, [](float, std::int64_t) { return 0.0f; });
    }
  });
  return y;
}

void MapOperations::normalise(const NormalisingStep& step) {
  std::visit(
      [](const auto& own) {
        for (std::uint32_t i = 0; i < own.calls(); ++i) own(i);
      },
      step);
}

}  // namespace lpl::rate
