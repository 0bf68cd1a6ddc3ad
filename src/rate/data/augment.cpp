#include "rate/data/augment.hpp"

#include <algorithm>
#include <cmath>

#include "core/random.hpp"

namespace lpl {
namespace {

constexpr double kSmallestArea = 0.08, kLargestAspect = 4.0 / 3.0;
constexpr int kCropAttempts = 10;
constexpr double kFlip = 0.5, kJitter = 0.8, kGrey = 0.2, kBlur = 0.5;
constexpr double kJitterStrength = 0.8, kHueStrength = 0.2;
constexpr double kSmallestSigma = 0.1, kLargestSigma = 2.0;

Random random_of(const ViewKey& key) {
  return Random(key.seed, Draw::augmentation, 4 * key.epoch + key.view, key.image);
}

double between(Random& random, double low, double high) { return low + (high - low) * random.uniform(); }

Crop draw_crop(Random& random, int side) {
  for (int attempt = 0; attempt < kCropAttempts; ++attempt) {
    const double area = side * side * between(random, kSmallestArea, 1.0);
    const double aspect = std::exp(between(random, -std::log(kLargestAspect), std::log(kLargestAspect)));
    const int width = static_cast<int>(std::nearbyint(std::sqrt(area * aspect)));
    const int height = static_cast<int>(std::nearbyint(std::sqrt(area / aspect)));
    if (width < 1 || width > side || height < 1 || height > side) continue;
    const int top = static_cast<int>(random.below(static_cast<std::uint32_t>(side - height + 1)));
    const int left = static_cast<int>(random.below(static_cast<std::uint32_t>(side - width + 1)));
    return {top, left, height, width};
  }
  return {0, 0, side, side};
}

// Byte values are kept as whole numbers in float. All sums and products of the transforms below are exact in float or
// far from the next whole number, unless said otherwise; so results do not depend on how the compiler orders them.
float truncated(float value) { return static_cast<float>(static_cast<int>(value)); }
float rounded(float value) { return truncated(value + 0.5f); }  // half up

// Choices are made by multiplication: compilers turn loops of it, but not of branches, into vector code.
float one_if(bool condition) { return condition ? 1.0f : 0.0f; }

float luminance(float r, float g, float b) {
  return truncated((19595.0f * r + 38470.0f * g + 7471.0f * b + 32768.0f) * 0x1p-16f);
}

// The image x blended with a degenerate image d.
float blend(float d, float factor, float x) {
  return truncated(std::max(0.0f, std::min(255.0f, d + factor * (x - d))));
}

// One pixel's hue shifted by `shift` / 256 of a turn, through 8-bit HSV.
void shift_hue(float& r, float& g, float& b, int shift) {
  const float value = std::max(r, std::max(g, b)), chroma = value - std::min(r, std::min(g, b));
  const float saturation = truncated(255.0f * chroma / std::max(value, 1.0f));
  // Sixths of a turn, times chroma.
  const float red = one_if(r == value), green = one_if(g == value) * (1.0f - red), blue = 1.0f - red - green;
  const float wrapped = 6.0f * one_if(g < b);
  const float sixths =
      red * (wrapped * chroma + g - b) + green * (2.0f * chroma + b - r) + blue * (4.0f * chroma + r - g);
  const int hue = (static_cast<int>(255.0f * sixths / std::max(6.0f * chroma, 1.0f)) + shift) & 255;

  // 255 times the hue in sixths of a turn is 255 * sector + fraction.
  const float turned = static_cast<float>(6 * hue);
  const float sector = truncated((turned + 0.5f) * (1.0f / 255.0f));
  const float fraction = turned - 255.0f * sector;
  const float low = rounded(value * (255.0f - saturation) * (1.0f / 255.0f));
  // value * share / 255^2 rounded; the quotient in float may miss by one, the remainder is exact and tells.
  const auto scaled = [&](float share) {
    const float product = value * share + 32512.0f;
    const float quotient = truncated(product * (1.0f / 65025.0f));
    const float remainder = product - quotient * 65025.0f;
    return quotient + one_if(remainder >= 65025.0f) - one_if(remainder < 0.0f);
  };
  const float falling = scaled(65025.0f - saturation * fraction);
  const float rising = scaled(65025.0f - saturation * (255.0f - fraction));
  const float s1 = one_if(sector == 1.0f), s2 = one_if(sector == 2.0f), s3 = one_if(sector == 3.0f);
  const float s4 = one_if(sector == 4.0f), s5 = one_if(sector == 5.0f);
  const float s0 = 1.0f - s1 - s2 - s3 - s4 - s5;  // also sector 6
  r = (s0 + s5) * value + s1 * falling + (s2 + s3) * low + s4 * rising;
  g = (s1 + s2) * value + s3 * falling + (s4 + s5) * low + s0 * rising;
  b = (s3 + s4) * value + s5 * falling + (s0 + s1) * low + s2 * rising;
}

int blur_length(int size) { return (size / 10) | 1; }

}  // namespace

AugmentChoices draw_training_view(const ViewKey& key, int side) {
  Random random = random_of(key);
  AugmentChoices choices{.crop = draw_crop(random, side)};
  choices.flip = random.uniform() < kFlip;
  choices.jitter = random.uniform() < kJitter;
  choices.grey = random.uniform() < kGrey;
  choices.blur = random.uniform() < kBlur;
  const auto factor = [&] { return static_cast<float>(between(random, 1 - kJitterStrength, 1 + kJitterStrength)); };
  choices.brightness = factor();
  choices.contrast = factor();
  choices.saturation = factor();
  choices.hue = static_cast<float>(between(random, -kHueStrength, kHueStrength));
  for (std::uint32_t i = 4; i > 1; --i) std::swap(choices.order[i - 1], choices.order[random.below(i)]);
  choices.sigma = static_cast<float>(between(random, kSmallestSigma, kLargestSigma));
  return choices;
}

AugmentChoices draw_crop_and_flip(const ViewKey& key, int side) {
  Random random = random_of(key);
  AugmentChoices choices{.crop = draw_crop(random, side)};
  choices.flip = random.uniform() < kFlip;
  return choices;
}

// Output o of `target` looks at centre c of the source; triangle weights of half-width max(1, source / target) around
// it are cut off at the border and normalised.
ViewMaker::Taps::Taps(int source, int target) : first(static_cast<std::size_t>(target)) {
  const double scale = static_cast<double>(source) / target, half_width = std::max(scale, 1.0);
  taps = std::min(source, static_cast<int>(std::ceil(2 * half_width)) + (half_width > 1 ? 1 : 0));
  weight.resize(first.size() * static_cast<std::size_t>(taps));
  for (int o = 0; o < target; ++o) {
    const double centre = (o + 0.5) * scale;
    const int begin = std::max(0, static_cast<int>(centre - half_width + 0.5));
    const int end = std::min(source, static_cast<int>(centre + half_width + 0.5));
    const auto triangle = [&](int i) { return std::max(0.0, 1.0 - std::abs(i + 0.5 - centre) / half_width); };
    double sum = 0;
    for (int i = begin; i < end; ++i) sum += triangle(i);
    // All outputs read `taps` sources; those without weight must exist, too.
    const int start = std::min(begin, source - taps);
    first[static_cast<std::size_t>(o)] = start;
    for (int i = begin; i < end; ++i)
      weight[static_cast<std::size_t>(o * taps + i - start)] = static_cast<float>(triangle(i) / sum);
  }
}

// An image in the making: three planes of width x width bytes held as float, and the memory of the transforms. One
// canvas serves one thread for any number of images.
class ViewMaker::Canvas {
 public:
  // Room for planes of `width` resampled from a source of `side`.
  Canvas(int side, int width)
      : line_(3 * count(std::max(side, width))),
        resampled_(3 * count(side) * count(width)),
        planes_(3 * count(width) * count(width)),
        luminance_(count(width) * count(width)),
        blurred_(count(width) * count(width)) {}

  // The crop of an image of side x side pixels resampled to x.first.size() pixels square.
  void resample(const std::uint8_t* pixels, int side, const Crop& crop, bool flip, const Taps& across,
                const Taps& down) {
    width_ = static_cast<int>(across.first.size());
    for (int y = 0; y < crop.height; ++y) {
      const std::uint8_t* from = pixels + 3 * ((crop.top + y) * side + crop.left);
      for (int i = 0; i < 3 * crop.width; ++i) line_[count(i)] = from[i];
      resample_line(across, flip, y, crop.height);
    }
    for (int c = 0; c < 3; ++c)
      for (int o = 0; o < width_; ++o) {
        const float* weight = down.weight.data() + o * down.taps;
        const float* from = resampled_.data() + (c * crop.height + down.first[count(o)]) * width_;
        combine_rows(from, weight, down.taps, plane(c) + o * width_);
      }
  }

  void jitter(const AugmentChoices& choices) {
    for (const Adjustment adjustment : choices.order) switch (adjustment) {
        case Adjustment::brightness:
          blend_with(0.0f, choices.brightness);
          break;
        case Adjustment::contrast:
          blend_with(mean_luminance(), choices.contrast);
          break;
        case Adjustment::saturation:
          saturate(choices.saturation);
          break;
        case Adjustment::hue:
          turn_hue(static_cast<int>(255.0f * choices.hue));
          break;
      }
  }

  void grey() {
    measure_luminance();
    for (int c = 0; c < 3; ++c) std::copy_n(luminance_.data(), pixels(), plane(c));
  }

  // Gaussian blur with a kernel of `length` (odd) pixels, mirrored at the border without repeating the edge.
  void blur(int length, float sigma) {
    const int reach = length / 2;
    std::vector<float>& taps = blur_taps_;
    taps.resize(count(length));
    double sum = 0;
    for (int j = 0; j < length; ++j) sum += std::exp(-(j - reach) * (j - reach) / (2.0 * sigma * sigma));
    for (int j = 0; j < length; ++j)
      taps[count(j)] = static_cast<float>(std::exp(-(j - reach) * (j - reach) / (2.0 * sigma * sigma)) / sum);
    for (int c = 0; c < 3; ++c) {
      for (int y = 0; y < width_; ++y) blur_line(plane(c) + y * width_, reach, blurred_.data() + y * width_);
      for (int y = 0; y < width_; ++y) blur_down(y, reach, plane(c) + y * width_);
    }
  }

  // Cuts out size x size pixels that start at (start, start).
  void cut(int start, int size) {
    for (int c = 0; c < 3; ++c)
      for (int y = 0; y < size; ++y)
        std::copy_n(planes_.data() + (c * width_ + start + y) * width_ + start, size,
                    planes_.data() + (c * size + y) * size);
    width_ = size;
  }

  // Calls use(value, channel, index of the interleaved output) for every byte.
  template <class Use>
  void for_each_byte(Use&& use) const {
    for (int c = 0; c < 3; ++c) {
      const float* values = planes_.data() + c * pixels();
      for (int i = 0; i < pixels(); ++i) use(static_cast<int>(values[i]), c, 3 * i + c);
    }
  }

 private:
  static std::size_t count(int n) { return static_cast<std::size_t>(n); }
  int pixels() const { return width_ * width_; }
  float* plane(int c) { return planes_.data() + c * pixels(); }

  // One line of the crop (width, 3) to row y of the three planes of resampled_ (3, height, width_).
  void resample_line(const Taps& across, bool flip, int y, int height) {
    const int step = flip ? -1 : 1, begin = flip ? width_ - 1 : 0, next_plane = height * width_;
    float* to = resampled_.data() + y * width_ + begin;
    for (int o = 0; o < width_; ++o, to += step) {
      const float* weight = across.weight.data() + o * across.taps;
      const float* from = line_.data() + 3 * across.first[count(o)];
      float r = 0, g = 0, b = 0;
      for (int t = 0; t < across.taps; ++t) {
        r += weight[t] * from[3 * t];
        g += weight[t] * from[3 * t + 1];
        b += weight[t] * from[3 * t + 2];
      }
      to[0] = rounded_sum(r);
      to[next_plane] = rounded_sum(g);
      to[2 * next_plane] = rounded_sum(b);
    }
  }

  void combine_rows(const float* rows, const float* weight, int taps, float* to) const {
    for (int x = 0; x < width_; ++x) to[x] = weight[0] * rows[x];
    for (int t = 1; t < taps; ++t)
      for (int x = 0; x < width_; ++x) to[x] += weight[t] * rows[t * width_ + x];
    for (int x = 0; x < width_; ++x) to[x] = rounded_sum(to[x]);
  }

  // Half up also where the weights, rounded to float, make a little less than a half of it: sums are fractions with
  // the denominator 2 * width when enlarging, and errors are below 1e-4.
  static float rounded_sum(float sum) { return truncated(sum + 0.5001f); }

  void blend_with(float degenerate, float factor) {
    for (float* x = planes_.data(); x != planes_.data() + 3 * pixels(); ++x) *x = blend(degenerate, factor, *x);
  }

  void measure_luminance() {
    const float *r = plane(0), *g = plane(1), *b = plane(2);
    for (int i = 0; i < pixels(); ++i) luminance_[count(i)] = luminance(r[i], g[i], b[i]);
  }

  float mean_luminance() {
    measure_luminance();
    int sum = 0;
    for (int i = 0; i < pixels(); ++i) sum += static_cast<int>(luminance_[count(i)]);
    return static_cast<float>((2 * sum + pixels()) / (2 * pixels()));
  }

  void saturate(float factor) {
    measure_luminance();
    for (int c = 0; c < 3; ++c) {
      float* x = plane(c);
      for (int i = 0; i < pixels(); ++i) x[i] = blend(luminance_[count(i)], factor, x[i]);
    }
  }

  void turn_hue(int shift) {
    float *r = plane(0), *g = plane(1), *b = plane(2);
    for (int i = 0; i < pixels(); ++i) shift_hue(r[i], g[i], b[i], shift);
  }

  // The row or column before the first is the second, and so on.
  int mirrored(int i) const { return i < 0 ? -i : i >= width_ ? 2 * (width_ - 1) - i : i; }

  void blur_line(const float* from, int reach, float* to) {
    for (int x = -reach; x < width_ + reach; ++x) line_[count(x + reach)] = from[mirrored(x)];
    for (int x = 0; x < width_; ++x) to[x] = blur_taps_[0] * line_[count(x)];
    for (int j = 1; j <= 2 * reach; ++j)
      for (int x = 0; x < width_; ++x) to[x] += blur_taps_[count(j)] * line_[count(x + j)];
  }

  void blur_down(int y, int reach, float* to) const {
    std::fill_n(to, width_, 0.5f);
    for (int j = -reach; j <= reach; ++j) {
      const float* from = blurred_.data() + mirrored(y + j) * width_;
      for (int x = 0; x < width_; ++x) to[x] += blur_taps_[count(j + reach)] * from[x];
    }
    for (int x = 0; x < width_; ++x) to[x] = truncated(to[x]);
  }

  int width_ = 0;
  std::vector<float> line_;       // (side, 3), or a padded row
  std::vector<float> resampled_;  // (3, height of the crop, width)
  std::vector<float> planes_;     // (3, width, width)
  std::vector<float> luminance_;  // (width, width)
  std::vector<float> blurred_;    // (width, width)
  std::vector<float> blur_taps_;
};

namespace {

int centre_side(int size) { return size * 11 / 10; }

}  // namespace

ViewMaker::ViewMaker(int side, int size, const ChannelNormalisation& normalisation)
    : side_(side), size_(size), centre_taps_(side, centre_side(size)) {
  for (int length = 1; length <= side; ++length) crop_taps_.emplace_back(length, size);
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t p = 0; p < 256; ++p)
      normalised_[c][p] = (static_cast<float>(p) / 255.0f - normalisation.mean[c]) / normalisation.deviation[c];
}

void ViewMaker::draw_augmented(Canvas& canvas, const AugmentChoices& choices, const std::uint8_t* pixels) const {
  const auto& crop = choices.crop;
  canvas.resample(pixels, side_, crop, choices.flip, crop_taps_[static_cast<std::size_t>(crop.width - 1)],
                  crop_taps_[static_cast<std::size_t>(crop.height - 1)]);
  if (choices.jitter) canvas.jitter(choices);
  if (choices.grey) canvas.grey();
  if (choices.blur) canvas.blur(blur_length(size_), choices.sigma);
}

void ViewMaker::draw_centre(Canvas& canvas, const std::uint8_t* pixels) const {
  canvas.resample(pixels, side_, {0, 0, side_, side_}, false, centre_taps_, centre_taps_);
  canvas.cut(static_cast<int>(std::nearbyint((centre_side(size_) - size_) / 2.0)), size_);
}

void ViewMaker::draw_whole(Canvas& canvas, const std::uint8_t* pixels) const {
  canvas.resample(pixels, side_, {0, 0, side_, side_}, false, crop_taps_.back(), crop_taps_.back());
}

template <class DrawView>
void ViewMaker::make(std::size_t n, float* views, DrawView&& draw) const {
  const auto view_values = static_cast<std::size_t>(3 * size_ * size_);
#pragma omp parallel
  {
    Canvas canvas(side_, centre_side(size_));
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < n; ++i) {
      draw(canvas, i);
      float* view = views + i * view_values;
      canvas.for_each_byte([&](int value, int c, int at) {
        view[at] = normalised_[static_cast<std::size_t>(c)][static_cast<std::size_t>(value)];
      });
    }
  }
}

template <class DrawView>
void ViewMaker::make_bytes(std::uint8_t* view, DrawView&& draw) const {
  Canvas canvas(side_, centre_side(size_));
  draw(canvas);
  canvas.for_each_byte([&](int value, int, int at) { view[at] = static_cast<std::uint8_t>(value); });
}

void ViewMaker::augment(std::span<const AugmentChoices> choices, const std::uint8_t* pixels, float* views) const {
  const auto bytes = static_cast<std::size_t>(3 * side_ * side_);
  make(choices.size(), views,
       [&](Canvas& canvas, std::size_t i) { draw_augmented(canvas, choices[i], pixels + i * bytes); });
}

void ViewMaker::centre(std::size_t n, const std::uint8_t* pixels, float* views) const {
  const auto bytes = static_cast<std::size_t>(3 * side_ * side_);
  make(n, views, [&](Canvas& canvas, std::size_t i) { draw_centre(canvas, pixels + i * bytes); });
}

void ViewMaker::whole(std::size_t n, const std::uint8_t* pixels, float* views) const {
  const auto bytes = static_cast<std::size_t>(3 * side_ * side_);
  make(n, views, [&](Canvas& canvas, std::size_t i) { draw_whole(canvas, pixels + i * bytes); });
}

void ViewMaker::augment_bytes(const AugmentChoices& choices, const std::uint8_t* pixels, std::uint8_t* view) const {
  make_bytes(view, [&](Canvas& canvas) { draw_augmented(canvas, choices, pixels); });
}

void ViewMaker::centre_bytes(const std::uint8_t* pixels, std::uint8_t* view) const {
  make_bytes(view, [&](Canvas& canvas) { draw_centre(canvas, pixels); });
}

void ViewMaker::whole_bytes(const std::uint8_t* pixels, std::uint8_t* view) const {
  make_bytes(view, [&](Canvas& canvas) { draw_whole(canvas, pixels); });
}

std::shared_ptr<const MemoryImages> resized(const ImageStore& store, int side) {
  const ViewMaker maker(store.side(), side, {});
  ImageRecords records{.side = side, .pixels = {}, .labels = {store.labels().begin(), store.labels().end()}};
  const auto bytes = static_cast<std::size_t>(3 * side * side);
  records.pixels.resize(static_cast<std::size_t>(store.count()) * bytes);
  std::vector<std::uint8_t> pixels(store.bytes_per_image());
  for (std::int64_t i = 0; i < store.count(); ++i) {
    store.fetch(std::span(&i, 1), pixels.data());
    maker.whole_bytes(pixels.data(), records.pixels.data() + static_cast<std::size_t>(i) * bytes);
  }
  return std::make_shared<const MemoryImages>(std::move(records),
                                              store.columns().empty() ? LabelColumn{} : store.columns().front());
}

}  // namespace lpl
