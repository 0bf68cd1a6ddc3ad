// Everything random about a view of an image. Plain data, read by devices too.
#pragma once

#include <array>
#include <cstdint>

namespace lpl::rate {

struct Crop {
  std::int32_t top, left, height, width;  // [pixels] of the source image
};

enum class Adjustment : std::uint8_t { brightness, contrast, saturation, hue };

struct AugmentChoices {
  Crop crop;
  bool flip = false;
  bool jitter = false;
  bool grey = false;
  bool blur = false;
  float brightness = 1, contrast = 1, saturation = 1;  // factors
  float hue = 0;                                       // shift [turns]
  std::array<Adjustment, 4> order{Adjustment::brightness, Adjustment::contrast, Adjustment::saturation,
                                  Adjustment::hue};
  float sigma = 1;  // of the blur [pixels]
};

// A view that is wanted of one image of a store.
struct ViewRequest {
  std::uint32_t image;
  AugmentChoices choices;
};

}  // namespace lpl::rate
