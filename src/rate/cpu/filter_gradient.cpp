#include "rate/cpu/filter_gradient.hpp"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "core/errors.hpp"
#include "rate/cpu/maps.hpp"

namespace lpl::rate {

// Places of a layer's outputs, and of what they see, in the padded maps of a slice.
struct FilterGradient::Geometry {
  Geometry(const Convolution& c, const Shape& input, std::int64_t samples)
      : layer(c),
        x(input),
        y(c.output(input)),
        padded_width(input.width + 2 * c.padding),
        map_size((input.height + 2 * c.padding) * padded_width * kLanes),
        row_step(padded_width * kLanes * c.stride),
        column_step(kLanes * c.stride),
        pool_stride(c.pool ? c.pool_stride : 1),
        units(blocks(c.out) * kLanes),
        most_samples(samples),
        capacity(samples * y.positions()) {
    if (samples * map_size > std::numeric_limits<std::int32_t>::max())
      throw Error(fmt::format("a slice of {} maps of {} x {} pixels is too large; use a smaller training.batch",
                              samples, input.height, input.width));
    for (std::int64_t w = 0; w < std::max<std::int64_t>(1, c.pool * c.pool); ++w)
      within.push_back(c.pool ? static_cast<std::int32_t>(w / c.pool * row_step + w % c.pool * column_step) : 0);
    for (std::int64_t t = 0; t < c.kernel * c.kernel; ++t)
      taps.push_back(static_cast<std::int32_t>((t / c.kernel * padded_width + t % c.kernel) * kLanes));
  }

  const Convolution& layer;
  Shape x, y;  // of any slice: without samples
  std::int64_t padded_width, map_size, row_step, column_step, pool_stride;
  std::int64_t units;                // output units, in whole blocks
  std::int64_t most_samples;         // of a slice
  std::int64_t capacity;             // outputs of a unit in a slice at most
  std::vector<std::int32_t> within;  // by place in a pooling window
  std::vector<std::int32_t> taps;
};

namespace {

// Lists of several slices are made at once as long as they stay in a core's cache, as every block of input channels
// reads them all. Each beginning of threads' common work costs as much as some thousand outputs.
constexpr std::int64_t kListBytes = 1 << 21;

}  // namespace

void FilterGradient::make_room(const Geometry& g, std::size_t slices) {
  const std::size_t units = slices * static_cast<std::size_t>(g.units);
  active_.resize(std::max(active_.size(), units * static_cast<std::size_t>(g.capacity)));
  counts_.assign(units, 0);
  bias_.assign(units, 0.0f);
}

FilterGradient::SliceLists FilterGradient::lists_of(const Geometry& g, std::size_t slice) {
  const auto first = static_cast<std::int64_t>(slice) * g.units;
  return {active_.data() + first * g.capacity, counts_.data() + first, bias_.data() + first};
}

void FilterGradient::add(const Convolution& layer, std::span<const Trace> traces, std::span<const Tensor> x,
                         std::span<const Tensor> dy, Array& weight, Array& bias) {
  if (x.empty()) return;
  const auto samples = [](const Tensor& maps) { return maps.shape.samples; };
  const Geometry g(layer, x[0].shape, samples(std::ranges::max(x, {}, samples)));
  const auto bytes = g.units * g.capacity * static_cast<std::int64_t>(sizeof(ActiveOutput));
  const auto together = static_cast<std::size_t>(std::max<std::int64_t>(1, kListBytes / bytes));
  for (std::size_t first = 0; first < x.size(); first += together) {
    const std::size_t count = std::min(together, x.size() - first);
    make_room(g, count);
    list(g, traces.subspan(first, count), dy.subspan(first, count));
    sum(g, x.subspan(first, count), weight);
    for (std::size_t s = 0; s < count; ++s)
      for (std::int64_t o = 0; o < layer.out; ++o) bias.at()[o] += lists_of(g, s).bias[o];
  }
}

// Through which outputs gradient flows, and the sums of it.
void FilterGradient::list(const Geometry& g, std::span<const Trace> traces, std::span<const Tensor> dy) {
  const std::int64_t channel_blocks = blocks(g.layer.out), positions = g.y.positions();
#pragma omp parallel for collapse(2) schedule(static)
  for (std::size_t s = 0; s < dy.size(); ++s)
    for (std::int64_t block = 0; block < channel_blocks; ++block) {
      const auto& trace = *as<ConvolutionTrace>(traces[s].data);
      const SliceLists slice = lists_of(g, s);
      ActiveOutput* const lists = slice.outputs + block * kLanes * g.capacity;
      std::int64_t* const counts = slice.counts + block * kLanes;
      float* const sums = slice.bias + block * kLanes;
      const bool everywhere = dy[s].shape.positions() == 1;  // one gradient for all positions
      with_elements(dy[s], [&](const auto* gradients) {
        for (std::int64_t n = 0; n < dy[s].shape.samples; ++n)
          for (std::int64_t p = 0; p < positions; ++p) {
            const std::int64_t map = n * channel_blocks + block, at = (map * positions + p) * kLanes;
            const std::int64_t base = n * g.map_size + p / g.y.width * g.pool_stride * g.row_step +
                                      p % g.y.width * g.pool_stride * g.column_step;
            const auto* const own = gradients + (everywhere ? map * kLanes : at);
            std::uint8_t winner[kLanes] = {};
            if (g.layer.pool)
              std::memcpy(winner, trace.winners.get() + at, kLanes);
            else if (g.layer.rectified)
              with_elements(trace.y, [&](const auto* outputs) {
                for (std::int64_t lane = 0; lane < kLanes; ++lane)
                  winner[lane] = widen(outputs[at + lane]) > 0 ? 0 : kSilent;
              });
            for (std::int64_t lane = 0; lane < kLanes; ++lane) {
              const bool flows = winner[lane] != kSilent;
              const float gradient = widen(own[lane]);
              lists[lane * g.capacity + counts[lane]] = {
                  static_cast<std::int32_t>(base + g.within[flows ? winner[lane] : 0]), gradient};
              counts[lane] += flows;
              sums[lane] += flows ? gradient : 0.0f;
            }
          }
      });
    }
}

// One block of input channels at a time: its padded maps stay in the cache while output units read them. Where there
// are too few blocks for the threads, these share the output units, too.
void FilterGradient::sum(const Geometry& g, std::span<const Tensor> x, Array& weight) {
  const std::int64_t in = g.layer.in, out = g.layer.out, in_blocks = blocks(in), threads = omp_get_max_threads();
  const std::int64_t parts = std::min(threads / std::gcd(threads, in_blocks), out);
  const auto tap_count = static_cast<std::int64_t>(g.taps.size());
#pragma omp parallel
  {
    const std::int64_t padded_size = g.most_samples * g.map_size;
    const auto scratch = allocate((padded_size + tap_count * kLanes) * 4);
    float* const padded = as<float>(scratch);
    float* const sums = padded + padded_size;  // of a block that is not whole
    std::memset(padded, 0, static_cast<std::size_t>(padded_size) * 4);
#pragma omp for collapse(2) schedule(static) nowait
    for (std::int64_t block = 0; block < in_blocks; ++block)
      for (std::int64_t part = 0; part < parts; ++part)
        for (std::size_t s = 0; s < x.size(); ++s) {
          const SliceLists slice = lists_of(g, s);
          with_elements(x[s], [&](const auto* from) {
            for (std::int64_t n = 0; n < x[s].shape.samples; ++n)
              pad_map(g.x.height, g.x.width, g.layer.padding, from + (n * in_blocks + block) * g.x.positions() * kLanes,
                      padded + n * g.map_size);
          });
          const std::int64_t lanes = std::min(kLanes, in - block * kLanes);
          for (std::int64_t o = out * part / parts; o < out * (part + 1) / parts; ++o) {
            const auto add = [&](std::int64_t stride, float* to) {
              add_windows(padded, slice.outputs + o * g.capacity, slice.counts[o], g.taps.data(), tap_count, stride,
                          to);
            };
            float* const to = weight.at(o * tap_count * in + block * kLanes);
            if (lanes == kLanes) {
              add(in, to);
            } else {
              std::fill_n(sums, tap_count * kLanes, 0.0f);
              add(kLanes, sums);
              for (std::int64_t t = 0; t < tap_count; ++t)
                for (std::int64_t lane = 0; lane < lanes; ++lane) to[t * in + lane] += sums[t * kLanes + lane];
            }
          }
        }
  }
}

}  // namespace lpl::rate
