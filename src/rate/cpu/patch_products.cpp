#include "rate/cpu/patch_products.hpp"

#include <omp.h>

#include <algorithm>
#include <cstring>

#include "rate/cpu/maps.hpp"
#include "rate/first_error.hpp"

namespace lpl::rate {
namespace {

using dnnl::memory;
using Element = std::uint16_t;

// Of a product: so many that filters are read seldom, so few that patches stay in a core's cache.
constexpr std::int64_t kRows = 256;

// The outputs of a layer: samples x rows x columns of them, one after the other.
struct Outputs {
  Outputs(const Convolution& of, const Shape& input)
      : layer(of), in(input), out(of.convolved(input)), in_blocks(blocks(in.channels)), out_blocks(blocks(of.out)) {}
  const Convolution& layer;
  const Shape &in, out;
  std::int64_t in_blocks, out_blocks;

  std::int64_t count() const { return out.samples * out.positions(); }
};

// The patch of one output: tap x in. Writes up to kLanes - 1 elements beyond it.
void copy_patch(const Outputs& o, const Element* x, std::int64_t output, Element* patch) {
  const Convolution& layer = o.layer;
  const std::int64_t sample = output / o.out.positions(), position = output % o.out.positions();
  const std::int64_t top = position / o.out.width * layer.stride - layer.padding;
  const std::int64_t left = position % o.out.width * layer.stride - layer.padding;
  const Element* const map = x + sample * o.in_blocks * o.in.positions() * kLanes;
  for (std::int64_t r = top; r < top + layer.kernel; ++r)
    for (std::int64_t c = left; c < left + layer.kernel; ++c, patch += layer.in) {
      if (r < 0 || r >= o.in.height || c < 0 || c >= o.in.width) {
        std::memset(patch, 0, static_cast<std::size_t>(layer.in) * sizeof(Element));
        continue;
      }
      const Element* from = map + (r * o.in.width + c) * kLanes;
      for (std::int64_t b = 0; b < o.in_blocks; ++b, from += o.in.positions() * kLanes)
        std::memcpy(patch + b * kLanes, from, kLanes * sizeof(Element));
    }
}

void copy_output(const Outputs& o, const Element* row, std::int64_t output, Element* y) {
  const std::int64_t sample = output / o.out.positions(), position = output % o.out.positions();
  Element* to = y + (sample * o.out_blocks * o.out.positions() + position) * kLanes;
  for (std::int64_t c = 0; c < o.layer.out; c += kLanes, to += o.out.positions() * kLanes) {
    const std::int64_t present = std::min(kLanes, o.layer.out - c);
    if (present == kLanes) {
      std::memcpy(to, row + c, kLanes * sizeof(Element));
    } else {
      std::memcpy(to, row + c, static_cast<std::size_t>(present) * sizeof(Element));
      std::memset(to + present, 0, static_cast<std::size_t>(kLanes - present) * sizeof(Element));
    }
  }
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
  const dnnl::matmul::primitive_desc description({matrix(kRows, inner, memory::data_type::bf16, memory::format_tag::ab),
                                                  matrix(inner, out, memory::data_type::bf16, memory::format_tag::any),
                                                  matrix(1, out, memory::data_type::f32, memory::format_tag::ab),
                                                  matrix(kRows, out, memory::data_type::bf16, memory::format_tag::ab)},
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
  const Outputs outputs(layer, x.shape);
  const std::int64_t inner = inner_of(layer), count = outputs.count();
  const Product& multiply = product(inner, layer.out);
  const auto pieces = static_cast<std::size_t>((count + kRows - 1) / kRows);
  FirstError error(pieces);
#pragma omp parallel for schedule(static)
  for (std::size_t piece = 0; piece < pieces; ++piece)
    error.watch(piece, [&] {
      const std::int64_t first = static_cast<std::int64_t>(piece) * kRows, rows = std::min(kRows, count - first);
      const auto patches = std::static_pointer_cast<Element>(
          allocate((kRows * inner + kLanes) * static_cast<std::int64_t>(sizeof(Element))));
      for (std::int64_t row = 0; row < rows; ++row)
        copy_patch(outputs, as<Element>(x.data), first + row, patches.get() + row * inner);
      std::memset(patches.get() + rows * inner, 0, static_cast<std::size_t>((kRows - rows) * inner) * sizeof(Element));
      memory from(multiply.description.src_desc(), engine_, patches.get());
      memory to(multiply.description.dst_desc(), engine_);
      dnnl::stream stream(engine_);
      multiply.primitive.execute(stream,
                                 {{DNNL_ARG_SRC, from},
                                  {DNNL_ARG_WEIGHTS, packed},
                                  {DNNL_ARG_BIAS, bias},
                                  {DNNL_ARG_DST, to},
                                  {DNNL_ARG_SCRATCHPAD, memory(multiply.description.scratchpad_desc(), engine_)}});
      stream.wait();
      const auto* const products = static_cast<const Element*>(to.get_data_handle());
      for (std::int64_t row = 0; row < rows; ++row)
        copy_output(outputs, products + row * layer.out, first + row, as<Element>(y.data));
    });
  error.rethrow();
}

}  // namespace lpl::rate
