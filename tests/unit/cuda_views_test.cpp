// Views as a block of the CUDA kernel makes them, run on the host, against the CPU's: equal, number by number.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "rate/data/augment.hpp"
#include "support/serial_block.hpp"

namespace lpl::rate::cuda {
namespace {

enum class Kind { noise, smooth, black, white };

std::vector<std::uint8_t> draw_image(int side, Kind kind, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> bytes;
  for (int i = 0; i < 3 * side * side; ++i) {
    const int value = kind == Kind::noise    ? static_cast<int>(random() % 256)
                      : kind == Kind::smooth ? (i % 3 * 80 + i / 3 % side * 5 + i / 3 / side * 3) % 256
                      : kind == Kind::white  ? 255
                                             : 0;
    bytes.push_back(static_cast<std::uint8_t>(value));
  }
  return bytes;
}

// The kernel's view of one image, in the order of threads that starts forwards or backwards.
template <class Element>
std::vector<Element> kernel_view(const ViewMaker& maker, int side, int size, const std::vector<std::uint8_t>& pixels,
                                 const AugmentChoices& choices, bool backwards) {
  const ViewRequest request{0, choices};
  const std::vector<float> taps = blur_taps(size, choices.sigma);
  const ViewBatch batch{static_cast<Index>(side),
                        static_cast<Index>(size),
                        pixels.data(),
                        maker.crop_taps().table(),
                        maker.normalised().front().data(),
                        &request,
                        taps.data()};
  std::vector<Element> view(static_cast<std::size_t>(3 * size * size));
  make_view(batch, 0, backwards, view.data());
  return view;
}

// Both orders together run every phase forwards and backwards.
void expect_equal(const ViewMaker& maker, int side, int size, const std::vector<std::uint8_t>& pixels,
                  const AugmentChoices& choices) {
  std::vector<float> expected(static_cast<std::size_t>(3 * size * size));
  maker.augment({&choices, 1}, pixels.data(), expected.data());
  std::vector<std::uint16_t> rounded(expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) narrow(expected[i], rounded[i]);
  for (const bool backwards : {false, true}) {
    ASSERT_EQ(kernel_view<float>(maker, side, size, pixels, choices, backwards), expected);
    ASSERT_EQ(kernel_view<std::uint16_t>(maker, side, size, pixels, choices, backwards), rounded);
  }
}

const std::vector<std::pair<int, int>> kSizes{{32, 32}, {96, 96}, {64, 32}, {8, 5}, {5, 8}, {40, 20}, {1, 1}};

TEST(CudaViews, EqualTheCpusWithRandomChoices) {
  for (const auto& [side, size] : kSizes) {
    const ViewMaker maker(side, size, kCifar10Normalisation);
    for (std::uint32_t i = 0; i < 40; ++i) {
      SCOPED_TRACE(testing::Message() << side << " to " << size << ", " << i);
      const auto pixels = draw_image(side, static_cast<Kind>(i % 4), i);
      expect_equal(maker, side, size, pixels, draw_training_view({1, 0, i, 0}, side));
    }
  }
}

TEST(CudaViews, EqualTheCpusInAllOrdersOfAdjustments) {
  const ViewMaker maker(32, 32, kStl10Normalisation);
  AugmentChoices choices = draw_training_view({2, 0, 0, 0}, 32);
  choices.jitter = true;
  std::ranges::sort(choices.order);
  int orders = 0;
  do {
    for (const bool more : {false, true}) {
      choices.flip = choices.grey = choices.blur = more;
      for (const Kind kind : {Kind::noise, Kind::smooth})
        expect_equal(maker, 32, 32, draw_image(32, kind, static_cast<unsigned>(orders)), choices);
    }
    ++orders;
  } while (std::ranges::next_permutation(choices.order).found);
  EXPECT_EQ(orders, 24);
}

TEST(CudaViews, EqualTheCpusForCropsOfOnePixelAndLine) {
  for (const auto& [side, size] : kSizes) {
    const ViewMaker maker(side, size, kCifar10Normalisation);
    const auto pixels = draw_image(side, Kind::noise, 3);
    for (const Crop& crop : {Crop{side - 1, side - 1, 1, 1}, {0, side - 1, side, 1}, {side - 1, 0, 1, side}}) {
      SCOPED_TRACE(testing::Message() << side << " to " << size);
      AugmentChoices choices = draw_training_view({4, 0, 1, 0}, side);
      choices.crop = crop;
      choices.jitter = choices.blur = true;
      expect_equal(maker, side, size, pixels, choices);
    }
  }
}

TEST(CudaViews, WithoutChoicesAreTheWholeImage) {
  const ViewMaker maker(32, 24, kCifar10Normalisation);
  const auto pixels = draw_image(32, Kind::noise, 5);
  std::vector<float> whole(3 * 24 * 24);
  maker.whole(1, pixels.data(), whole.data());
  EXPECT_EQ(kernel_view<float>(maker, 32, 24, pixels, {.crop = {0, 0, 32, 32}}, false), whole);
}

TEST(CudaViews, OfStl10FitTwiceIntoTheSharedMemoryOfAnA100) { EXPECT_LE(2 * (view_memory(96, 96) + 1024), 164 << 10); }

}  // namespace
}  // namespace lpl::rate::cuda
