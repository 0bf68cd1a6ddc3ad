#include "rate/data/augment.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "core/random.hpp"

namespace lpl::rate {

using namespace pixel;

namespace {

constexpr double kSmallestArea = 0.08, kLargestAspect = 4.0 / 3.0;
constexpr int kCropAttempts = 10;
constexpr double kFlip = 0.5, kJitter = 0.8, kGrey = 0.2, kBlur = 0.5;
constexpr double kJitterStrength = 0.8, kHueStrength = 0.2;
constexpr double kSmallestSigma = 0.1, kLargestSigma = 2.0;

// Of an image or a view with three channels.
std::size_t values_of(int side) { return 3 * static_cast<std::size_t>(side) * static_cast<std::size_t>(side); }

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

std::vector<float> blur_taps(int size, float sigma) {
  const int length = blur_length(size), reach = length / 2;
  std::vector<float> taps;
  double sum = 0;
  for (int j = -reach; j <= reach; ++j) sum += std::exp(-j * j / (2.0 * sigma * sigma));
  for (int j = -reach; j <= reach; ++j)
    taps.push_back(static_cast<float>(std::exp(-j * j / (2.0 * sigma * sigma)) / sum));
  return taps;
}

namespace {

// In units of the source, the half-width of the triangle of weights around an output.
double half_width(int source, int target) { return std::max(static_cast<double>(source) / target, 1.0); }

int tap_count(int source, int target) {
  const double half = half_width(source, target);
  return std::min(source, static_cast<int>(std::ceil(2 * half)) + (half > 1 ? 1 : 0));
}

}  // namespace

// Output o of `target` looks at centre c of the source; the triangle around it is cut off at the border and its weights
// are normalised.
ResamplingTaps::ResamplingTaps(int shortest, int longest, int target)
    : shortest_(shortest), target_(target), most_(tap_count(longest, target)) {
  for (int source = shortest; source <= longest; ++source) {
    const double scale = static_cast<double>(source) / target, half = half_width(source, target);
    const int taps = tap_count(source, target);
    counts_.push_back(taps);
    weight_.resize(counts_.size() * static_cast<std::size_t>(target * most_));
    float* weight = weight_.data() + (source - shortest) * target * most_;
    for (int o = 0; o < target; ++o, weight += taps) {
      const double centre = (o + 0.5) * scale;
      const auto half_up = [](double position) { return static_cast<int>(std::floor(position + 0.5)); };
      const int begin = std::max(0, half_up(centre - half));
      const int end = std::min(source, half_up(centre + half));
      const auto triangle = [&](int i) { return std::max(0.0, 1.0 - std::abs(i + 0.5 - centre) / half); };
      double sum = 0;
      for (int i = begin; i < end; ++i) sum += triangle(i);
      // All outputs read `taps` sources; those without weight must exist, too.
      const int start = std::min(begin, source - taps);
      first_.push_back(start);
      for (int i = begin; i < end; ++i) weight[i - start] = static_cast<float>(triangle(i) / sum);
    }
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

  // The crop of an image of side x side pixels resampled to the target of the taps, squared.
  void resample(const std::uint8_t* pixels, int side, const Crop& crop, bool flip, const ResamplingTaps& taps) {
    const Taps across = taps.of(crop.width), down = taps.of(crop.height);
    width_ = taps.table().target;
    for (int y = 0; y < crop.height; ++y) {
      const std::uint8_t* from = pixels + 3 * ((crop.top + y) * side + crop.left);
      for (int i = 0; i < 3 * crop.width; ++i) line_[count(i)] = from[i];
      resample_line(across, flip, y, crop.height);
    }
    for (int c = 0; c < 3; ++c)
      for (int o = 0; o < width_; ++o) {
        const float* from = resampled_.data() + (c * crop.height + down.first[o]) * width_;
        combine_rows(from, down.weight + o * down.count, down.count, plane(c) + o * width_);
      }
  }

  void jitter(const AugmentChoices& choices) {
    for (const Adjustment adjustment : choices.order) switch (adjustment) {
        case Adjustment::brightness:
          blend_with(0.0f, choices.brightness);
          break;
        case Adjustment::contrast:
          blend_with(measure_mean_luminance(), choices.contrast);
          break;
        case Adjustment::saturation:
          saturate(choices.saturation);
          break;
        case Adjustment::hue:
          turn_hue(hue_steps(choices.hue));
          break;
      }
  }

  void grey() {
    measure_luminance();
    for (int c = 0; c < 3; ++c) std::copy_n(luminance_.data(), pixels(), plane(c));
  }

  // Gaussian blur, mirrored at the border without repeating the edge.
  void blur(const std::vector<float>& taps) {
    const int reach = static_cast<int>(taps.size()) / 2;
    for (int c = 0; c < 3; ++c) {
      for (int y = 0; y < width_; ++y)
        blur_line(plane(c) + y * width_, taps.data(), reach, blurred_.data() + y * width_);
      for (int y = 0; y < width_; ++y) blur_down(y, taps.data(), reach, plane(c) + y * width_);
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
      const float* weight = across.weight + o * across.count;
      const float* from = line_.data() + 3 * across.first[o];
      float r = 0, g = 0, b = 0;
      for (int t = 0; t < across.count; ++t) {
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

  void blend_with(float degenerate, float factor) {
    for (float* x = planes_.data(); x != planes_.data() + 3 * pixels(); ++x) *x = blend(degenerate, factor, *x);
  }

  void measure_luminance() {
    const float *r = plane(0), *g = plane(1), *b = plane(2);
    for (int i = 0; i < pixels(); ++i) luminance_[count(i)] = luminance(r[i], g[i], b[i]);
  }

  float measure_mean_luminance() {
    measure_luminance();
    int sum = 0;
    for (int i = 0; i < pixels(); ++i) sum += static_cast<int>(luminance_[count(i)]);
    return mean_luminance(sum, pixels());
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

  void blur_line(const float* from, const float* taps, int reach, float* to) {
    for (int x = -reach; x < width_ + reach; ++x) line_[count(x + reach)] = from[mirrored(x, width_)];
    for (int x = 0; x < width_; ++x) to[x] = taps[0] * line_[count(x)];
    for (int j = 1; j <= 2 * reach; ++j)
      for (int x = 0; x < width_; ++x) to[x] += taps[j] * line_[count(x + j)];
  }

  void blur_down(int y, const float* taps, int reach, float* to) const {
    std::fill_n(to, width_, 0.5f);
    for (int j = -reach; j <= reach; ++j) {
      const float* from = blurred_.data() + mirrored(y + j, width_) * width_;
      for (int x = 0; x < width_; ++x) to[x] += taps[j + reach] * from[x];
    }
    for (int x = 0; x < width_; ++x) to[x] = truncated(to[x]);
  }

  int width_ = 0;
  std::vector<float> line_;       // (side, 3), or a padded row
  std::vector<float> resampled_;  // (3, height of the crop, width)
  std::vector<float> planes_;     // (3, width, width)
  std::vector<float> luminance_;  // (width, width)
  std::vector<float> blurred_;    // (width, width)
};

namespace {

int centre_side(int size) { return size * 11 / 10; }

}  // namespace

ViewMaker::ViewMaker(int side, int size, const ChannelNormalisation& normalisation)
    : side_(side), size_(size), crop_taps_(1, side, size), centre_taps_(side, side, centre_side(size)) {
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t p = 0; p < 256; ++p)
      normalised_[c][p] = (static_cast<float>(p) / 255.0f - normalisation.mean[c]) / normalisation.deviation[c];
}

void ViewMaker::draw_augmented(Canvas& canvas, const AugmentChoices& choices, const std::uint8_t* pixels) const {
  canvas.resample(pixels, side_, choices.crop, choices.flip, crop_taps_);
  if (choices.jitter) canvas.jitter(choices);
  if (choices.grey) canvas.grey();
  if (choices.blur) canvas.blur(blur_taps(size_, choices.sigma));
}

void ViewMaker::draw_centre(Canvas& canvas, const std::uint8_t* pixels) const {
  canvas.resample(pixels, side_, {0, 0, side_, side_}, false, centre_taps_);
  canvas.cut(static_cast<int>(std::nearbyint((centre_side(size_) - size_) / 2.0)), size_);
}

void ViewMaker::draw_whole(Canvas& canvas, const std::uint8_t* pixels) const {
  canvas.resample(pixels, side_, {0, 0, side_, side_}, false, crop_taps_);
}

template <class DrawView>
void ViewMaker::make(std::size_t n, float* views, DrawView&& draw) const {
  const std::size_t view_values = values_of(size_);
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
  const std::size_t bytes = values_of(side_);
  make(choices.size(), views,
       [&](Canvas& canvas, std::size_t i) { draw_augmented(canvas, choices[i], pixels + i * bytes); });
}

void ViewMaker::centre(std::size_t n, const std::uint8_t* pixels, float* views) const {
  const std::size_t bytes = values_of(side_);
  make(n, views, [&](Canvas& canvas, std::size_t i) { draw_centre(canvas, pixels + i * bytes); });
}

void ViewMaker::whole(std::size_t n, const std::uint8_t* pixels, float* views) const {
  const std::size_t bytes = values_of(side_);
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
  constexpr std::int64_t kPortion = 1024;  // images that are fetched at once
  const ViewMaker maker(store.side(), side, {});
  ImageRecords records{.side = side, .pixels = {}, .labels = {store.labels().begin(), store.labels().end()}};
  const std::size_t from = store.bytes_per_image(), to = values_of(side);
  records.pixels.resize(static_cast<std::size_t>(store.count()) * to);
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(std::min(kPortion, store.count())) * from);
  for (std::int64_t first = 0; first < store.count(); first += kPortion) {
    std::vector<std::int64_t> images(static_cast<std::size_t>(std::min(kPortion, store.count() - first)));
    std::iota(images.begin(), images.end(), first);
    store.fetch(images, pixels.data());
#pragma omp parallel for schedule(static)
    for (std::size_t i = 0; i < images.size(); ++i)
      maker.whole_bytes(pixels.data() + i * from, records.pixels.data() + static_cast<std::size_t>(images[i]) * to);
  }
  return std::make_shared<const MemoryImages>(std::move(records),
                                              store.columns().empty() ? LabelColumn{} : store.columns().front());
}

ImageDataSet resized(ImageDataSet set, int side) {
  std::map<std::shared_ptr<const ImageStore>, std::shared_ptr<const ImageStore>> made;
  for (ImageSubset* part : {&set.train, &set.validation, &set.readout_train, &set.test}) {
    std::shared_ptr<const ImageStore>& small = made[part->store];
    if (!small) small = resized(*part->store, side);
    part->store = small;
  }
  return set;
}

}  // namespace lpl::rate
