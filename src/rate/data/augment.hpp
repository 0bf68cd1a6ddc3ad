// Random views of an image: what SimCLR-like training sees of it. The transforms, their order, their arithmetic and
// the distributions are those of torchvision 0.12 (resized crop, flip, colour jitter, grey) with OpenCV's Gaussian
// blur, on 8-bit RGB and rounded after every step. All choices of a view are drawn from (seed, epoch, image, view), so
// a view does not depend on the batch, rank, thread or device that makes it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "rate/data/augment_choices.hpp"
#include "rate/data/images.hpp"
#include "rate/data/pixel_arithmetic.hpp"

namespace lpl::rate {

struct ViewKey {
  std::uint64_t seed;
  std::uint32_t epoch;  // below 2^30
  std::uint32_t image;  // index in its store
  std::uint32_t view;   // 0 and 1: the two views of a training pair; 2: the view of readouts
};

// The training pipeline of views 0 and 1 for a source image of side x side pixels: crop of area U[0.08, 1] and aspect
// exp(U[log 3/4, log 4/3]), flip 0.5, jitter 0.8 (factors U[0.2, 1.8], hue U[-0.2, 0.2], any order), grey 0.2, blur 0.5
// (sigma U[0.1, 2]).
AugmentChoices draw_training_view(const ViewKey& key, int side);

// Crop and flip only: the training transform of view 2.
AugmentChoices draw_crop_and_flip(const ViewKey& key, int side);

// Taps of a Gaussian of `sigma` [pixels] for views of size x size: pixel::blur_length(size), of sum 1.
std::vector<float> blur_taps(int size, float sigma);

// Memory of a TapTable for lengths `shortest` to `longest`.
class ResamplingTaps {
 public:
  ResamplingTaps(int shortest, int longest, int target);
  pixel::TapTable table() const { return {shortest_, target_, most_, counts_.data(), first_.data(), weight_.data()}; }
  pixel::Taps of(int length) const { return table().of(length); }

  const std::vector<int>& counts() const { return counts_; }
  const std::vector<int>& first() const { return first_; }
  const std::vector<float>& weight() const { return weight_; }

 private:
  int shortest_, target_, most_;
  std::vector<int> counts_, first_;
  std::vector<float> weight_;
};

// What views of side x side pixels are made of.
struct ViewSource {
  std::shared_ptr<const ImageStore> store;
  std::int64_t side;
  ChannelNormalisation normalisation;
};

// Makes views of size x size pixels from images of side x side pixels.
class ViewMaker {
 public:
  ViewMaker(int side, int size, const ChannelNormalisation& normalisation);

  // pixels (n, side, side, 3), one choice each -> views (n, size, size, 3) normalised. Runs in parallel over images.
  void augment(std::span<const AugmentChoices> choices, const std::uint8_t* pixels, float* views) const;

  // The evaluation transform of view 2: the image resized to a side of floor(1.1 size), the centre cut out.
  void centre(std::size_t n, const std::uint8_t* pixels, float* views) const;

  // The image resized without a crop: frames of sequences.
  void whole(std::size_t n, const std::uint8_t* pixels, float* views) const;

  // The same views of one image as bytes (size, size, 3), before normalisation.
  void augment_bytes(const AugmentChoices& choices, const std::uint8_t* pixels, std::uint8_t* view) const;
  void centre_bytes(const std::uint8_t* pixels, std::uint8_t* view) const;
  void whole_bytes(const std::uint8_t* pixels, std::uint8_t* view) const;

  // What augment() looks up: the taps for crops of length 1 .. side, and the network's input by channel and byte.
  using NormalisedBytes = std::array<std::array<float, 256>, 3>;
  const ResamplingTaps& crop_taps() const { return crop_taps_; }
  const NormalisedBytes& normalised() const { return normalised_; }

 private:
  class Canvas;
  void draw_augmented(Canvas& canvas, const AugmentChoices& choices, const std::uint8_t* pixels) const;
  void draw_centre(Canvas& canvas, const std::uint8_t* pixels) const;
  void draw_whole(Canvas& canvas, const std::uint8_t* pixels) const;
  template <class DrawView>
  void make(std::size_t n, float* views, DrawView&& draw) const;
  template <class DrawView>
  void make_bytes(std::uint8_t* view, DrawView&& draw) const;

  int side_, size_;
  ResamplingTaps crop_taps_, centre_taps_;
  NormalisedBytes normalised_;
};

// The images of a store with at most one label column, resized and held in memory.
std::shared_ptr<const MemoryImages> resized(const ImageStore& store, int side);
// The same for all parts of a set; parts of one store stay parts of one.
ImageDataSet resized(ImageDataSet set, int side);

}  // namespace lpl::rate
