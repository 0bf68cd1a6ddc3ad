// A built-in stand-in for the 3D Shapes data set: a room of one floor and one wall colour with an object in it, seen
// by a camera that moves around the object. Factors, levels, image order and label meaning are the published set's
// (io/shapes_file.hpp); the pictures are our own: rays against planes, box, cylinder, sphere and capsule, with a
// distant light and no cast shadows.
#pragma once

#include <array>
#include <vector>

#include "rate/data/images.hpp"

namespace lpl::rate {

// All 480,000 scenes at any side. The light that reaches a pixel from floor, walls and object depends on scale, shape
// and orientation only; it is computed once for each of these 480 geometries (16 rays a pixel), and a scene is that
// light times its three colours.
class SceneImages : public ImageStore {
 public:
  explicit SceneImages(int side);
  void fetch(std::span<const std::int64_t> images, std::uint8_t* pixels) const override;

 private:
  struct Light {
    float floor = 0, wall = 0, object = 0;  // reflected part of each surface's colour, by its share of the pixel
  };
  void illuminate(int geometry);
  void render(std::int64_t image, std::uint8_t* pixels) const;
  std::vector<Light> light_;  // (8 scales, 4 shapes, 15 orientations, side, side)
};

}  // namespace lpl::rate
