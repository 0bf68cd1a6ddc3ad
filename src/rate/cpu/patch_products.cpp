#include "rate/cpu/patch_products.hpp"

#include <omp.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <optional>

#include "rate/cpu/maps.hpp"
#include "rate/first_error.hpp"

namespace lpl::rate {
namespace {

using dnnl::memory;
using Element = std::uint16_t;

// The rows of a product: so many that beginning it and reading the filters do not show, so few that its patches stay in
// a core's cache, and that a slice of small maps fills them.
std::int64_t rows_of(std::int64_t inner) {
  constexpr std::int64_t kPatches = 1 << 16;  // numbers
  return std::clamp<std::int64_t>(std::int64_t{1} << std::bit_width(static_cast<std::uint64_t>(kPatches / inner)), 64,
                                  512);
}

// The maps of a layer: its input, and its outputs before pooling.
struct Maps {
  Maps(const Convolution& of, const Shape& input)
      : layer(of), in(input), out(of.convolved(input)), in_blocks(blocks(in.channels)), out_blocks(blocks(of.out)) {}
  const Convolution& layer;
  const Shape& in;
  Shape out;
  std::int64_t in_blocks, out_blocks;
};

// An output of a layer.
struct Place {
  std::int64_t sample, row, column;

  Place(const Shape& out, std::int64_t number)
      : sample(number / out.positions()),
        row(number % out.positions() / out.width),
        column(number % out.positions() % out.width) {}
  void step(const Shape& out) {
    if (++column < out.width) return;
    column = 0;
    if (++row < out.height) return;
    row = 0;
    ++sample;
  }
};

Element* fill_with_zeros(Element* to, std::int64_t count) {
  if (count > 0) std::memset(to, 0, static_cast<std::size_t>(count) * sizeof(Element));
  return to + count;
}

// The patch of one output: tap x in. Writes up to kLanes - 1 elements beyond it. (Numbers are copied out of `maps`
// first: what is written could be part of it, for all that a compiler knows.)
void copy_patch(const Maps& maps, const Place& place, const Element* x, Element* patch) {
  const std::int64_t in = maps.layer.in, kernel = maps.layer.kernel, height = maps.in.height, width = maps.in.width;
  const std::int64_t in_blocks = maps.in_blocks, block = maps.in.positions() * kLanes;
  const Element* const map = x + place.sample * in_blocks * block;
  const std::int64_t top = place.row * maps.layer.stride - maps.layer.padding;
  const std::int64_t left = place.column * maps.layer.stride - maps.layer.padding;
  const std::int64_t first = std::max<std::int64_t>(left, 0), last = std::min(left + kernel, width);
  for (std::int64_t r = top; r < top + kernel; ++r) {
    if (r < 0 || r >= height || first >= last) {
      patch = fill_with_zeros(patch, kernel * in);
      continue;
    }
    patch = fill_with_zeros(patch, (first - left) * in);
    const Element* tap = map + (r * width + first) * kLanes;
    for (std::int64_t c = first; c < last; ++c, tap += kLanes, patch += in)
      for (std::int64_t b = 0; b < in_blocks; ++b)
        std::memcpy(patch + b * kLanes, tap + b * block, kLanes * sizeof(Element));
    patch = fill_with_zeros(patch, (left + kernel - last) * in);
  }
}

void copy_output(const Maps& maps, const Place& place, const Element* row, Element* y) {
  const std::int64_t out = maps.layer.out, step = maps.out.positions() * kLanes;
  Element* to = y + place.sample * maps.out_blocks * step + (place.row * maps.out.width + place.column) * kLanes;
  std::int64_t c = 0;
  for (; c + kLanes <= out; c += kLanes, to += step) std::memcpy(to, row + c, kLanes * sizeof(Element));
  if (c == out) return;
  std::memcpy(to, row + c, static_cast<std::size_t>(out - c) * sizeof(Element));
  fill_with_zeros(to + out - c, c + kLanes - out);
}

// oneDNN shares a product among the threads that it sees when it is made, and one thread is to do it.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

// What a thread needs for products, one after the other.
struct Matrices {
  Matrices(const dnnl::matmul::primitive_desc& product, std::int64_t inner, const dnnl::engine& engine)
      : patches(std::static_pointer_cast<Element>(
            allocate((rows_of(inner) * inner + kLanes) * static_cast<std::int64_t>(sizeof(Element))))),
        from(product.src_desc(), engine, patches.get()),
        to(product.dst_desc(), engine),
        scratchpad(product.scratchpad_desc(), engine),
        stream(engine) {}
  std::shared_ptr<Element> patches;
  memory from, to, scratchpad;
  dnnl::stream stream;
};

std::int64_t inner_of(const Convolution& layer) { return layer.kernel * layer.kernel * layer.in; }

}  // namespace

const PatchProducts::Product& PatchProducts::product(std::int64_t inner, std::int64_t out) {
  const std::lock_guard lock(planning_);
  const auto found = products_.find({inner, out});
  if (found != products_.end()) return found->second;
  const OneThread alone;
  const auto matrix = [](std::int64_t rows, std::int64_t columns, memory::data_type type, memory::format_tag layout) {
    return memory::desc({rows, columns}, type, layout);
  };
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const dnnl::matmul::primitive_desc description(
      {matrix(rows_of(inner), inner, memory::data_type::bf16, memory::format_tag::ab),
       matrix(inner, out, memory::data_type::bf16, memory::format_tag::any),
       matrix(1, out, memory::data_type::f32, memory::format_tag::ab),
       matrix(rows_of(inner), out, memory::data_type::bf16, memory::format_tag::ab)},
      attributes, engine_);
  return products_.emplace(std::pair(inner, out), Product{description, dnnl::matmul(description)}).first->second;
}

memory PatchProducts::pack(const Convolution& layer, float* filters) {
  const std::int64_t inner = inner_of(layer);
  memory plain({{inner, layer.out}, memory::data_type::f32, memory::dims{1, inner}}, engine_, filters);
  memory packed(product(inner, layer.out).description.weights_desc(), engine_);
  dnnl::stream stream(engine_);
  dnnl::reorder(plain, packed).execute(stream, plain, packed);
  stream.wait();
  return packed;
}

void PatchProducts::forward(const Convolution& layer, const memory& packed, const memory& bias, const Tensor& x,
                            const Tensor& y) {
  const Maps maps(layer, x.shape);
  const std::int64_t inner = inner_of(layer), count = maps.out.samples * maps.out.positions();
  const Product& multiply = product(inner, layer.out);
  const std::int64_t most = rows_of(inner);
  const auto pieces = static_cast<std::size_t>((count + most - 1) / most);
  FirstError error(pieces);
#pragma omp parallel
  {
    std::optional<Matrices> own;
#pragma omp for schedule(static)
    for (std::size_t piece = 0; piece < pieces; ++piece)
      error.watch(piece, [&] {
        if (!own) own.emplace(multiply.description, inner, engine_);
        const std::int64_t first = static_cast<std::int64_t>(piece) * most, rows = std::min(most, count - first);
        Place place(maps.out, first);
        for (std::int64_t row = 0; row < rows; ++row, place.step(maps.out))
          copy_patch(maps, place, as<Element>(x.data), own->patches.get() + row * inner);
        fill_with_zeros(own->patches.get() + rows * inner, (most - rows) * inner);
        multiply.primitive.execute(own->stream, {{DNNL_ARG_SRC, own->from},
                                                 {DNNL_ARG_WEIGHTS, packed},
                                                 {DNNL_ARG_BIAS, bias},
                                                 {DNNL_ARG_DST, own->to},
                                                 {DNNL_ARG_SCRATCHPAD, own->scratchpad}});
        own->stream.wait();
        const auto* const products = static_cast<const Element*>(own->to.get_data_handle());
        place = Place(maps.out, first);
        for (std::int64_t row = 0; row < rows; ++row, place.step(maps.out))
          copy_output(maps, place, products + row * layer.out, as<Element>(y.data));
      });
  }
  error.rethrow();
}

}  // namespace lpl::rate
