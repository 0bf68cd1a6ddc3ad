#include "rate/data/augment.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/random.hpp"
#include "rate/pairs.hpp"
#include "support/world.hpp"

// Slow, literal forms of the transforms: one image, whole numbers or double precision, one pixel at a time.
namespace lpl::rate::literal {

struct Image {
  int width, height;
  std::vector<int> bytes;  // (height, width, 3)
  int& at(int y, int x, int c) { return bytes[static_cast<std::size_t>((y * width + x) * 3 + c)]; }
  int at(int y, int x, int c) const { return bytes[static_cast<std::size_t>((y * width + x) * 3 + c)]; }
};

Image blank(int width, int height) {
  return {width, height, std::vector<int>(static_cast<std::size_t>(width * height * 3))};
}

template <class Value>
Image map_bytes(const Image& image, Value&& value) {
  Image result = image;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      for (int c = 0; c < 3; ++c) result.at(y, x, c) = value(y, x, c);
  return result;
}

// Halves are common where weights are simple fractions, and sums in double miss them by their last bits.
int half_up(double value) { return static_cast<int>(std::floor(value + 0.5 + 1e-9)); }

Image crop(const Image& image, const Crop& crop) {
  return map_bytes(blank(crop.width, crop.height),
                   [&](int y, int x, int c) { return image.at(crop.top + y, crop.left + x, c); });
}

Image flip(const Image& image) {
  return map_bytes(image, [&](int y, int x, int c) { return image.at(y, image.width - 1 - x, c); });
}

Image resample_width(const Image& image, int target) {
  const double s = static_cast<double>(image.width) / target, f = std::max(s, 1.0);
  return map_bytes(blank(target, image.height), [&](int y, int o, int c) {
    const double centre = (o + 0.5) * s;
    double sum = 0, weights = 0;
    for (int i = std::max(0, static_cast<int>(centre - f + 0.5));
         i < std::min(image.width, static_cast<int>(centre + f + 0.5)); ++i) {
      const double weight = std::max(0.0, 1 - std::abs(i + 0.5 - centre) / f);
      sum += weight * image.at(y, i, c);
      weights += weight;
    }
    return half_up(sum / weights);
  });
}

Image transpose(const Image& image) {
  return map_bytes(blank(image.height, image.width), [&](int y, int x, int c) { return image.at(x, y, c); });
}

Image resize(const Image& image, int side) {
  return transpose(resample_width(transpose(resample_width(image, side)), side));
}

int luminance(const Image& image, int y, int x) {
  return (19595 * image.at(y, x, 0) + 38470 * image.at(y, x, 1) + 7471 * image.at(y, x, 2) + 32768) >> 16;
}

int blend(int degenerate, float factor, int value) {
  const auto d = static_cast<float>(degenerate);
  const float blended = d + factor * (static_cast<float>(value) - d);
  return static_cast<int>(std::clamp(blended, 0.0f, 255.0f));
}

Image hue(const Image& image, float shift) {
  Image result = image;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const int r = image.at(y, x, 0), g = image.at(y, x, 1), b = image.at(y, x, 2);
      const int V = std::max({r, g, b}), chroma = V - std::min({r, g, b});
      const int S = V == 0 ? 0 : 255 * chroma / V;
      int H = 0;
      if (chroma > 0) {
        int sixths = r == V ? g - b : g == V ? 2 * chroma + b - r : 4 * chroma + r - g;  // times chroma
        if (sixths < 0) sixths += 6 * chroma;
        H = 255 * sixths / (6 * chroma);
      }
      H = (H + static_cast<int>(255 * shift) + 256) % 256;
      const double t = H * 6 / 255.0, f = t - std::floor(t), s = S / 255.0;
      const int p = half_up(V * (1 - s)), q = half_up(V * (1 - s * f)), u = half_up(V * (1 - s * (1 - f)));
      const int sectors[6][3] = {{V, u, p}, {q, V, p}, {p, V, u}, {p, q, V}, {u, p, V}, {V, p, q}};
      for (int c = 0; c < 3; ++c) result.at(y, x, c) = sectors[static_cast<int>(std::floor(t)) % 6][c];
    }
  return result;
}

Image adjust(const Image& image, Adjustment adjustment, const AugmentChoices& choices) {
  switch (adjustment) {
    case Adjustment::brightness:
      return map_bytes(image, [&](int y, int x, int c) { return blend(0, choices.brightness, image.at(y, x, c)); });
    case Adjustment::contrast: {
      double sum = 0;
      for (int y = 0; y < image.height; ++y)
        for (int x = 0; x < image.width; ++x) sum += luminance(image, y, x);
      const int mean = static_cast<int>(sum / (image.width * image.height) + 0.5);
      return map_bytes(image, [&](int y, int x, int c) { return blend(mean, choices.contrast, image.at(y, x, c)); });
    }
    case Adjustment::saturation:
      return map_bytes(image, [&](int y, int x, int c) {
        return blend(luminance(image, y, x), choices.saturation, image.at(y, x, c));
      });
    case Adjustment::hue:
      return hue(image, choices.hue);
  }
  return image;
}

Image blur(const Image& image, int k, double sigma) {
  const int reach = k / 2;
  std::vector<double> taps;
  for (int j = 0; j < k; ++j) taps.push_back(std::exp(-std::pow(j - (k - 1) / 2.0, 2) / (2 * sigma * sigma)));
  double sum = 0;
  for (const double tap : taps) sum += tap;
  const auto mirror = [](int i, int n) { return i < 0 ? -i : i >= n ? 2 * n - 2 - i : i; };
  return map_bytes(image, [&](int y, int x, int c) {
    double value = 0;
    for (int dy = 0; dy < k; ++dy)
      for (int dx = 0; dx < k; ++dx)
        value += taps[static_cast<std::size_t>(dy)] * taps[static_cast<std::size_t>(dx)] / (sum * sum) *
                 image.at(mirror(y + dy - reach, image.height), mirror(x + dx - reach, image.width), c);
    return half_up(value);
  });
}

Image augment(const Image& source, const AugmentChoices& choices, int size) {
  Image image = resize(crop(source, choices.crop), size);
  if (choices.flip) image = flip(image);
  if (choices.jitter)
    for (const Adjustment adjustment : choices.order) image = adjust(image, adjustment, choices);
  if (choices.grey) image = map_bytes(image, [grey = image](int y, int x, int) { return luminance(grey, y, x); });
  if (choices.blur) {
    int k = static_cast<int>(0.1 * size);
    if (k % 2 == 0) ++k;
    image = blur(image, k, choices.sigma);
  }
  return image;
}

}  // namespace lpl::rate::literal

namespace lpl::rate {
namespace {

const ChannelNormalisation kNone{{0, 0, 0}, {1, 1, 1}};

// Smooth colour with noise, and now and then black, white and grey.
std::vector<std::uint8_t> random_image(int side, std::uint32_t number) {
  Random random(1, Draw::toy, 0, number);
  std::vector<std::uint8_t> bytes;
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x) {
      const std::uint32_t kind = random.below(10);
      for (int c = 0; c < 3; ++c) {
        const double smooth = 127 + 100 * std::sin(0.2 * (c + 1) * x + 0.15 * y + number);
        const int noise = static_cast<int>(random.below(57)) - 28;
        const int value = kind == 0 ? 0 : kind == 1 ? 255 : kind == 2 ? 10 * y % 256 : static_cast<int>(smooth) + noise;
        bytes.push_back(static_cast<std::uint8_t>(std::clamp(value, 0, 255)));
      }
    }
  return bytes;
}

literal::Image as_image(const std::vector<std::uint8_t>& bytes, int side) {
  return {side, side, {bytes.begin(), bytes.end()}};
}

AugmentChoices whole(int side) { return {.crop = {0, 0, side, side}}; }

std::vector<int> fast(const AugmentChoices& choices, const std::vector<std::uint8_t>& pixels, int side, int size) {
  std::vector<std::uint8_t> view(static_cast<std::size_t>(3 * size * size));
  ViewMaker(side, size, kNone).augment_bytes(choices, pixels.data(), view.data());
  return {view.begin(), view.end()};
}

struct Difference {
  int largest = 0;
  double share = 0;  // of bytes that differ
};
Difference difference(const std::vector<int>& a, const std::vector<int>& b) {
  EXPECT_EQ(a.size(), b.size());
  Difference result;
  for (std::size_t i = 0; i < a.size(); ++i) {
    result.largest = std::max(result.largest, std::abs(a[i] - b[i]));
    if (a[i] != b[i]) result.share += 1.0 / static_cast<double>(a.size());
  }
  return result;
}

TEST(Augment, ResamplesCropsLikeTheLiteralForm) {
  for (int width = 1; width <= 32; ++width) {
    const Crop crop{.top = (32 - width) / 3, .left = (32 - width) / 2, .height = 1 + (7 * width) % 32, .width = width};
    const AugmentChoices choices{.crop = {std::min(crop.top, 32 - crop.height), crop.left, crop.height, crop.width}};
    const auto pixels = random_image(32, static_cast<std::uint32_t>(width));
    EXPECT_EQ(fast(choices, pixels, 32, 32), literal::augment(as_image(pixels, 32), choices, 32).bytes);
  }
}

TEST(Augment, ResamplesOtherSizesWithinOneStep) {
  for (const auto& [side, size] : {std::pair(96, 96), {96, 32}, {64, 32}, {40, 7}, {5, 64}})
    for (std::uint32_t image = 0; image < 4; ++image) {
      const auto pixels = random_image(side, image);
      const AugmentChoices choices = draw_crop_and_flip({1, 0, image, 2}, side);
      const Difference d =
          difference(fast(choices, pixels, side, size), literal::augment(as_image(pixels, side), choices, size).bytes);
      EXPECT_LE(d.largest, 1) << side << " to " << size;
      EXPECT_LT(d.share, 0.002) << side << " to " << size;
    }
}

TEST(Augment, EachAdjustmentAndOrderMatchesTheLiteralForm) {
  for (std::uint32_t image = 0; image < 200; ++image) {
    const auto pixels = random_image(32, image);
    AugmentChoices choices = draw_training_view({2, 0, image, 0}, 32);
    choices.crop = whole(32).crop;
    choices.flip = choices.grey = choices.blur = false;
    choices.jitter = true;
    if (image < 20) choices.order.fill(choices.order[0]);  // one adjustment, four times
    EXPECT_EQ(fast(choices, pixels, 32, 32), literal::augment(as_image(pixels, 32), choices, 32).bytes) << image;
  }
}

TEST(Augment, HueMatchesTheLiteralFormForEveryColour) {
  AugmentChoices choices = whole(128);
  choices.jitter = true;
  choices.order.fill(Adjustment::hue);
  // A quarter of all pairs of red and green for some blues: every saturation, sector and border between them.
  for (int blue = 0; blue < 256; blue += 15) {
    std::vector<std::uint8_t> pixels;
    for (int i = 0; i < 128 * 128; ++i)
      for (const int value : {2 * (i / 128) + blue % 2, 2 * (i % 128), blue})
        pixels.push_back(static_cast<std::uint8_t>(value));
    choices.hue = 0.2f * static_cast<float>(blue - 128) / 128;
    EXPECT_EQ(fast(choices, pixels, 128, 128), literal::augment(as_image(pixels, 128), choices, 128).bytes);
  }
}

TEST(Augment, FlipAndGreyMatchTheLiteralForm) {
  const auto pixels = random_image(32, 3);
  AugmentChoices choices = whole(32);
  choices.flip = choices.grey = true;
  EXPECT_EQ(fast(choices, pixels, 32, 32), literal::augment(as_image(pixels, 32), choices, 32).bytes);
}

TEST(Augment, BlurMatchesTheLiteralFormWithinOneStep) {
  for (const int size : {32, 64, 96, 196})
    for (const float sigma : {0.1f, 0.3f, 0.9f, 2.0f}) {
      const auto pixels = random_image(size, 4);
      AugmentChoices choices = whole(size);
      choices.blur = true;
      choices.sigma = sigma;
      const Difference d =
          difference(fast(choices, pixels, size, size), literal::augment(as_image(pixels, size), choices, size).bytes);
      EXPECT_LE(d.largest, 1) << size;
      EXPECT_LT(d.share, 0.001) << size;
    }
}

TEST(Augment, WholePipelineMatchesTheLiteralForm) {
  for (std::uint32_t image = 0; image < 100; ++image) {
    const auto pixels = random_image(32, image);
    AugmentChoices choices = draw_training_view({3, 1, image, 1}, 32);
    const Difference d =
        difference(fast(choices, pixels, 32, 32), literal::augment(as_image(pixels, 32), choices, 32).bytes);
    EXPECT_LE(d.largest, choices.blur ? 1 : 0) << image;
  }
}

TEST(Augment, EvaluationCutsTheCentreOfTheEnlargedImage) {
  for (const auto& [size, enlarged, start] : {std::tuple(32, 35, 2), {96, 105, 4}, {196, 215, 10}}) {
    const auto pixels = random_image(size, 5);
    std::vector<std::uint8_t> view(pixels.size());
    ViewMaker(size, size, kNone).centre_bytes(pixels.data(), view.data());
    const literal::Image expected =
        literal::crop(literal::resize(as_image(pixels, size), enlarged), {start, start, size, size});
    const Difference d = difference({view.begin(), view.end()}, expected.bytes);
    EXPECT_LE(d.largest, 1);
    EXPECT_LT(d.share, 0.002);
  }
}

TEST(Augment, NormalisesEachChannel) {
  const auto pixels = random_image(32, 6);
  std::vector<float> view(pixels.size());
  ViewMaker(32, 32, kCifar10Normalisation).whole(1, pixels.data(), view.data());
  for (std::size_t i = 0; i < pixels.size(); ++i)
    ASSERT_FLOAT_EQ(view[i], (static_cast<float>(pixels[i]) / 255 - kCifar10Normalisation.mean[i % 3]) /
                                 kCifar10Normalisation.deviation[i % 3]);
}

TEST(Augment, ViewsDoNotDependOnBatchOrThreads) {
  constexpr std::size_t kImages = 23, kValues = 32 * 32 * 3;
  std::vector<std::uint8_t> pixels;
  std::vector<AugmentChoices> choices;
  for (std::uint32_t i = 0; i < kImages; ++i) {
    const auto image = random_image(32, i);
    pixels.insert(pixels.end(), image.begin(), image.end());
    choices.push_back(draw_training_view({4, 0, i, 0}, 32));
  }
  const ViewMaker maker(32, 32, kCifar10Normalisation);
  std::vector<float> together(kImages * kValues), threaded(together), alone(together);
  omp_set_num_threads(1);
  maker.augment(choices, pixels.data(), together.data());
  omp_set_num_threads(4);
  maker.augment(choices, pixels.data(), threaded.data());
  for (std::size_t i = kImages; i-- > 0;)
    maker.augment({&choices[i], 1}, pixels.data() + i * kValues, alone.data() + i * kValues);
  EXPECT_EQ(together, threaded);
  EXPECT_EQ(together, alone);
}

TEST(Augment, ResizedStoreKeepsLabels) {
  ImageRecords records{.side = 64, .pixels = random_image(64, 7), .labels = {3}};
  const auto small = resized(MemoryImages(records, {"class", 10}), 32);
  EXPECT_EQ(small->side(), 32);
  EXPECT_EQ(small->count(), 1);
  EXPECT_EQ(small->label(0, 0), 3);
  std::vector<std::uint8_t> pixels(small->bytes_per_image());
  const std::int64_t image = 0;
  small->fetch({&image, 1}, pixels.data());
  const Difference d =
      difference({pixels.begin(), pixels.end()}, literal::resize(as_image(records.pixels, 64), 32).bytes);
  EXPECT_LE(d.largest, 1);
  EXPECT_LT(d.share, 0.002);
}

// The bytes of a view of `side` x `side` pixels that was normalised as STL-10 is.
std::vector<int> bytes_of_view(const std::vector<float>& views, std::size_t view, int side) {
  const auto size = static_cast<std::size_t>(3 * side * side);
  std::vector<int> bytes;
  for (std::size_t i = 0; i < size; ++i)
    bytes.push_back(static_cast<int>(std::lround(
        255 * (views[view * size + i] * kStl10Normalisation.deviation[i % 3] + kStl10Normalisation.mean[i % 3]))));
  return bytes;
}

// STL-10 downsampled, as published: images become smaller first, crops are cut out of the small ones. The images are of
// fine detail, so that resampling twice or once can be told apart.
TEST(Augment, ImagesAreDownsampledBeforeTheyAreCropped) {
  constexpr std::uint32_t kImages = 20;
  const test::Scratch scratch;
  std::vector<literal::Image> images;
  std::string bytes;
  Random random(3, Draw::toy, 0, 0);
  for (std::uint32_t i = 0; i < kImages; ++i) {
    std::vector<std::uint8_t> pixels(3 * 96 * 96);
    for (auto& byte : pixels) byte = static_cast<std::uint8_t>(random.bits());
    images.push_back(as_image(pixels, 96));
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t x = 0; x < 96; ++x)
        for (std::size_t y = 0; y < 96; ++y) bytes += static_cast<char>(pixels[(y * 96 + x) * 3 + c]);
  }
  for (const char* set : {"unlabeled", "train", "test"}) scratch.write(std::string(set) + "_X.bin", bytes);
  for (const char* set : {"train", "test"}) scratch.write(std::string(set) + "_y.bin", std::string(kImages, 1));
  const auto pairs = make_pairs(read_training_text(
      "[training]\nbatch = 8\n[network]\nnet = \"n\"\n[net.n]\ntype = \"convolutional\"\nchannels = [8]\n[learning]\n"
      "rule = \"r\"\n[rule.r]\ntype = \"contrastive\"\n[data]\nset = \"stl10\"\nfolder = \"" +
          scratch.path(".") + "\"\ndownsample = true\n",
      scratch.path("test.rate"), {}));
  EXPECT_EQ(pairs->sample(), (Shape{1, 3, 32, 32}));
  double share = 0;
  const std::vector<ViewRequest> requests = pairs->views(0, {0, 8});
  const std::vector<float> views = pairs->make(0, {0, 8});
  for (std::size_t v = 0; v < requests.size(); ++v) {
    const auto& [image, choices] = requests[v];
    EXPECT_LE(choices.crop.top + choices.crop.height, 32);
    const literal::Image expected = literal::augment(literal::resize(images[image], 32), choices, 32);
    share += difference(bytes_of_view(views, v, 32), expected.bytes).share / static_cast<double>(requests.size());
  }
  EXPECT_LT(share, 0.01);
  const std::vector<float> judged = pairs->judged()->test->make(0, kImages);
  for (std::uint32_t i = 0; i < kImages; ++i) {
    const literal::Image enlarged = literal::resize(literal::resize(images[i], 32), 35);
    const Difference d = difference(bytes_of_view(judged, i, 32), literal::crop(enlarged, {2, 2, 32, 32}).bytes);
    EXPECT_LE(d.largest, 1);
    EXPECT_LT(d.share, 0.01);
  }
}

// Largest distance between the distribution of the samples and a distribution function, in units of what chance
// exceeds once in a thousand.
template <class Distribution>
double misfit(std::vector<double> samples, Distribution&& distribution) {
  std::sort(samples.begin(), samples.end());
  const auto n = static_cast<double>(samples.size());
  double distance = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double expected = distribution(samples[i]);
    distance = std::max({distance, std::abs(expected - static_cast<double>(i) / n),
                         std::abs(expected - static_cast<double>(i + 1) / n)});
  }
  return distance / (1.95 / std::sqrt(n));
}

constexpr std::uint32_t kDraws = 40'000;

std::vector<AugmentChoices> draws(int side) {
  std::vector<AugmentChoices> all;
  for (std::uint32_t i = 0; i < kDraws; ++i) all.push_back(draw_training_view({5, 3, i, i % 2}, side));
  return all;
}

TEST(Augment, FactorsAreUniform) {
  std::vector<double> brightness, contrast, saturation, hue, sigma;
  for (const AugmentChoices& c : draws(32)) {
    brightness.push_back(c.brightness);
    contrast.push_back(c.contrast);
    saturation.push_back(c.saturation);
    hue.push_back(c.hue);
    sigma.push_back(c.sigma);
  }
  const auto uniform = [](double low, double high) {
    return [=](double x) { return std::clamp((x - low) / (high - low), 0.0, 1.0); };
  };
  EXPECT_LT(misfit(brightness, uniform(0.2, 1.8)), 1);
  EXPECT_LT(misfit(contrast, uniform(0.2, 1.8)), 1);
  EXPECT_LT(misfit(saturation, uniform(0.2, 1.8)), 1);
  EXPECT_LT(misfit(hue, uniform(-0.2, 0.2)), 1);
  EXPECT_LT(misfit(sigma, uniform(0.1, 2.0)), 1);
}

TEST(Augment, EventsHaveTheirProbabilitiesAndAllOrdersAreEquallyLikely) {
  double flip = 0, jitter = 0, grey = 0, blur = 0;
  std::map<std::array<Adjustment, 4>, double> orders;
  for (const AugmentChoices& c : draws(32)) {
    flip += c.flip;
    jitter += c.jitter;
    grey += c.grey;
    blur += c.blur;
    ++orders[c.order];
  }
  const auto near = [](double count, double p) {
    EXPECT_NEAR(count / kDraws, p, 3.5 * std::sqrt(p * (1 - p) / kDraws));
  };
  near(flip, 0.5);
  near(jitter, 0.8);
  near(grey, 0.2);
  near(blur, 0.5);
  EXPECT_EQ(orders.size(), 24u);
  double chi_squared = 0;
  for (const auto& [order, count] : orders) chi_squared += std::pow(count - kDraws / 24.0, 2) / (kDraws / 24.0);
  EXPECT_LT(chi_squared, 49.7);  // 23 degrees of freedom, one in a thousand
}

// Areas and aspects of crops that fit; in a square of side 1, area a and aspect r fit where a <= min(r, 1 / r).
TEST(Augment, CropsHaveUniformAreaAndLogAspectAmongThoseThatFit) {
  constexpr int kSide = 4000;  // so that rounding does not matter
  const double range = std::log(4.0 / 3);
  const auto fitting_below = [](double area, double log_aspect) {
    return std::clamp(std::min(area, std::exp(-std::abs(log_aspect))) - 0.08, 0.0, 1.0);
  };
  const auto integral = [&](double area, double aspect) {
    double sum = 0;
    constexpr int kSteps = 400;
    for (int i = 0; i < kSteps; ++i) {
      const double u = -range + (i + 0.5) * (aspect + range) / kSteps;
      sum += fitting_below(area, u) * (aspect + range) / kSteps;
    }
    return sum;
  };
  const double all = integral(1, range);
  std::vector<double> area, aspect;
  for (const AugmentChoices& c : draws(kSide)) {
    area.push_back(static_cast<double>(c.crop.width) * c.crop.height / kSide / kSide);
    aspect.push_back(std::log(static_cast<double>(c.crop.width) / c.crop.height));
  }
  area.resize(5000);
  aspect.resize(5000);
  EXPECT_LT(misfit(area, [&](double a) { return integral(a, range) / all; }), 1);
  EXPECT_LT(misfit(aspect, [&](double u) { return integral(1, std::clamp(u, -range, range)) / all; }), 1);
}

TEST(Augment, CropsLieAnywhereInsideTheImage) {
  std::vector<double> down, across;
  for (const AugmentChoices& c : draws(4000)) {
    ASSERT_GE(c.crop.top, 0);
    ASSERT_GE(c.crop.left, 0);
    ASSERT_LE(c.crop.top + c.crop.height, 4000);
    ASSERT_LE(c.crop.left + c.crop.width, 4000);
    if (c.crop.height < 3600) down.push_back((c.crop.top + 0.5) / (4000 - c.crop.height + 1));
    if (c.crop.width < 3600) across.push_back((c.crop.left + 0.5) / (4000 - c.crop.width + 1));
  }
  EXPECT_LT(misfit(down, [](double x) { return x; }), 1);
  EXPECT_LT(misfit(across, [](double x) { return x; }), 1);
  bool first = false, last = false;
  for (const AugmentChoices& c : draws(32)) {
    first = first || (c.crop.height == 20 && c.crop.top == 0);
    last = last || (c.crop.height == 20 && c.crop.top == 12);
  }
  EXPECT_TRUE(first && last);
}

TEST(Augment, ChoicesDependOnEveryPartOfTheKeyAndNothingElse) {
  const auto hue = [](const ViewKey& key) { return draw_training_view(key, 32).hue; };
  const ViewKey key{7, 1, 2, 0};
  EXPECT_EQ(hue(key), hue(key));
  EXPECT_EQ((std::set{hue(key), hue({8, 1, 2, 0}), hue({7, 2, 2, 0}), hue({7, 1, 3, 0}), hue({7, 1, 2, 1}),
                      hue({7, 0, 2, 1}), hue({7 + (1ull << 32), 1, 2, 0})})
                .size(),
            7u);
  double correlation = 0;
  for (std::uint32_t i = 0; i < kDraws; ++i)
    correlation += (draw_training_view({9, 0, i, 0}, 32).brightness - 1) *
                   (draw_training_view({9, 0, i, 1}, 32).brightness - 1) / (kDraws * 1.6 * 1.6 / 12);
  EXPECT_LT(std::abs(correlation), 3.5 / std::sqrt(kDraws));
}

TEST(Augment, TheThirdViewIsCroppedAndFlippedOnly) {
  const AugmentChoices c = draw_crop_and_flip({5, 3, 1, 2}, 32);
  EXPECT_FALSE(c.jitter || c.grey || c.blur);
}

}  // namespace
}  // namespace lpl::rate
