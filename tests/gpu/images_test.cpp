// Views made on a device from images that stay there, against the CPU's. Where no device is, everything is skipped but
// the same tests pass as cuda_twin_tests, on the host (fake_cuda.cpp).
#include "rate/cuda/images.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "core/errors.hpp"
#include "rate/cuda/backend.hpp"
#include "rate/cuda/bodies.hpp"
#include "rate/data/augment.hpp"

namespace lpl::rate::cuda {
namespace {

using testing::HasSubstr;

const ChannelNormalisation kNormalisation = kCifar10Normalisation;

// Images of noise, which remembers what it was asked for.
class Noise final : public ImageStore {
 public:
  Noise(std::int64_t count, int side) : ImageStore(count, side, {}, {}) {}

  void fetch(std::span<const std::int64_t> images, std::uint8_t* pixels) const override {
    for (const std::int64_t image : images) {
      fetched.push_back(image);
      std::mt19937 random(static_cast<unsigned>(image));
      for (std::size_t i = 0; i < bytes_per_image(); ++i) *pixels++ = static_cast<std::uint8_t>(random() >> 24);
    }
  }

  mutable std::vector<std::int64_t> fetched;
};

class Images : public testing::Test {
 protected:
  void SetUp() override {
    if (cuda_device_count() == 0) GTEST_SKIP() << "skipped: no device";
    device_ = Device::open(0);
  }

  std::vector<float> made(ResidentImages& images, const std::vector<ViewRequest>& requests, int size,
                          Precision precision) {
    std::vector<float> views(requests.size() * static_cast<std::size_t>(3 * size * size));
    const auto bytes = static_cast<std::int64_t>(views.size() * 4);
    const std::shared_ptr<void> memory = device_->allocate(bytes);
    images.make(requests, precision, memory.get());
    if (precision == Precision::float32) {
      device_->download(views.data(), memory.get(), bytes);
    } else {
      std::vector<std::uint16_t> narrow(views.size());
      device_->download(narrow.data(), memory.get(), bytes / 2);
      for (std::size_t i = 0; i < views.size(); ++i) views[i] = widen(narrow[i]);
    }
    return views;
  }

  static std::vector<float> expected(const ImageStore& store, const std::vector<ViewRequest>& requests, int size,
                                     Precision precision) {
    std::vector<std::uint8_t> pixels(requests.size() * store.bytes_per_image());
    std::vector<AugmentChoices> choices;
    for (const ViewRequest& request : requests) {
      const std::int64_t image = request.image;
      store.fetch({&image, 1}, pixels.data() + choices.size() * store.bytes_per_image());
      choices.push_back(request.choices);
    }
    std::vector<float> views(requests.size() * static_cast<std::size_t>(3 * size * size));
    ViewMaker(store.side(), size, kNormalisation).augment(choices, pixels.data(), views.data());
    if (precision == Precision::bfloat16)
      for (float& value : views) {
        std::uint16_t narrowed;
        narrow(value, narrowed);
        value = widen(narrowed);
      }
    return views;
  }

  std::shared_ptr<Device> device_;
};

TEST_F(Images, ViewsOfManyBatchesEqualTheHostsAndEveryImageIsFetchedOnce) {
  for (const auto& [side, size] : {std::pair(32, 32), {96, 96}, {64, 32}, {8, 5}}) {
    constexpr std::int64_t kImages = 40;
    const auto store = std::make_shared<Noise>(kImages, side);
    const Noise twin(kImages, side);
    ResidentImages images(*device_, store, size, kNormalisation);
    std::mt19937 random(1);
    for (std::uint32_t batch = 0; batch < 6; ++batch) {
      std::vector<ViewRequest> requests;
      for (int i = 0; i < 12; ++i) {
        const auto image = static_cast<std::uint32_t>(random() % kImages);  // some of them more than once
        for (std::uint32_t view = 0; view < 2; ++view)
          requests.push_back({image, draw_training_view({3, batch, image, view}, side)});
      }
      for (const Precision precision : {Precision::float32, Precision::bfloat16})
        ASSERT_EQ(made(images, requests, size, precision), expected(twin, requests, size, precision))
            << side << " to " << size;
    }
    EXPECT_GT(store->fetched.size(), 30u);
    std::ranges::sort(store->fetched);
    EXPECT_EQ(std::ranges::adjacent_find(store->fetched), store->fetched.end());
  }
}

// More images than are sent at once.
TEST_F(Images, AllImagesOfALargeBatchArrive) {
  const auto store = std::make_shared<Noise>(400, 96);
  ResidentImages images(*device_, store, 4, kNormalisation);
  std::vector<ViewRequest> requests;
  for (std::uint32_t i = 0; i < 400; ++i) requests.push_back({399 - i, {.crop = {0, 0, 96, 96}}});
  EXPECT_EQ(made(images, requests, 4, Precision::float32), expected(*store, requests, 4, Precision::float32));
}

TEST_F(Images, AFrameIsTheWholeImage) {
  const auto store = std::make_shared<Noise>(1, 32);
  ResidentImages images(*device_, store, 24, kNormalisation);
  std::vector<std::uint8_t> pixels(store->bytes_per_image());
  const std::int64_t image = 0;
  store->fetch({&image, 1}, pixels.data());
  std::vector<float> whole(24 * 24 * 3);
  ViewMaker(32, 24, kNormalisation).whole(1, pixels.data(), whole.data());
  EXPECT_EQ(made(images, {{0, {.crop = {0, 0, 32, 32}}}}, 24, Precision::float32), whole);
}

TEST_F(Images, NoRequestsAreNoViews) {
  ResidentImages images(*device_, std::make_shared<Noise>(1, 32), 32, kNormalisation);
  EXPECT_EQ(made(images, {}, 32, Precision::float32), std::vector<float>());
}

TEST_F(Images, WhatDoesNotFitIsRefused) {
  EXPECT_EQ(ResidentImages::obstacle(*device_, Noise(100, 96), 96), "");
  const auto many = std::make_shared<Noise>(std::int64_t{1} << 40, 32);
  EXPECT_THAT(ResidentImages::obstacle(*device_, *many, 32), HasSubstr("more than half of the"));
  const auto large = std::make_shared<Noise>(1, 500);
  EXPECT_THAT(ResidentImages::obstacle(*device_, *large, 400),
              HasSubstr("views of 400 x 400 pixels from images of 500 x 500 need 1120000 bytes of shared memory"));
  EXPECT_THROW(ResidentImages(*device_, large, 400, kNormalisation), Error);
}

}  // namespace
}  // namespace lpl::rate::cuda
