#include "rate/data/scenes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>

namespace lpl::rate {
namespace {

struct Vec {
  double x, y, z;
};
Vec operator+(Vec a, Vec b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
Vec operator*(double s, Vec a) { return {s * a.x, s * a.y, s * a.z}; }
double dot(Vec a, Vec b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
Vec cross(Vec a, Vec b) { return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x}; }
Vec unit(Vec a) { return (1 / std::sqrt(dot(a, a))) * a; }

struct Ray {
  Vec origin, direction;
  Vec at(double t) const { return origin + t * direction; }
};

struct Hit {
  double t;
  Vec normal;  // unit length, against the ray
};

// The room: floor z = 0 and walls x = +-kRoom, y = +-kRoom, all lit by one distant light and its surroundings. At
// orientation 0 the camera looks into a corner, which moves across the picture with the orientation.
constexpr double kRoom = 5;
constexpr double kCameraDistance = 4.5, kCameraHeight = 2.2, kLookHeight = 0.75;
constexpr double kFieldOfView = 45;  // [degrees]
constexpr double kAmbient = 0.3, kDiffuse = 0.7;
const Vec kLight = unit({-0.35, -0.75, 0.8});

double brightness(Vec normal) { return kAmbient + kDiffuse * std::max(0.0, dot(normal, kLight)); }

// Objects of scale 1 around the origin; they stand on the floor at z = -half_height.
constexpr double kCube = 0.62;
constexpr double kCylinderRadius = 0.6, kCylinderHalf = 0.75;
constexpr double kSphere = 0.75;
constexpr double kCapsuleRadius = 0.45, kCapsuleHalf = 0.5;  // half length of the straight part

std::optional<Hit> hit_cube(const Ray& ray) {
  double enter = 0, leave = std::numeric_limits<double>::infinity();
  Vec normal{};
  const double origin[3] = {ray.origin.x, ray.origin.y, ray.origin.z};
  const double direction[3] = {ray.direction.x, ray.direction.y, ray.direction.z};
  for (int axis = 0; axis < 3; ++axis) {
    const double side = direction[axis] > 0 ? -1.0 : 1.0;
    const double near = (side * kCube - origin[axis]) / direction[axis];
    const double far = (-side * kCube - origin[axis]) / direction[axis];
    if (near > enter) {
      enter = near;
      normal = {axis == 0 ? side : 0.0, axis == 1 ? side : 0.0, axis == 2 ? side : 0.0};
    }
    leave = std::min(leave, far);
  }
  if (enter > leave || enter == 0) return {};
  return Hit{enter, normal};
}

std::optional<Hit> hit_sphere(const Ray& ray, Vec centre, double radius) {
  const Vec from = ray.origin + -1.0 * centre;
  const double b = dot(from, ray.direction), c = dot(from, from) - radius * radius;
  const double discriminant = b * b - c;
  if (discriminant < 0) return {};
  const double t = -b - std::sqrt(discriminant);
  return Hit{t, (1 / radius) * (from + t * ray.direction)};
}

// The curved side of an upright cylinder, from z = -half to z = half.
std::optional<Hit> hit_tube(const Ray& ray, double radius, double half) {
  const Vec o = ray.origin, d = ray.direction;
  const double a = d.x * d.x + d.y * d.y, b = o.x * d.x + o.y * d.y, c = o.x * o.x + o.y * o.y - radius * radius;
  const double discriminant = b * b - a * c;
  if (discriminant < 0) return {};
  const double t = (-b - std::sqrt(discriminant)) / a;
  const Vec point = ray.at(t);
  if (std::abs(point.z) > half) return {};
  return Hit{t, {point.x / radius, point.y / radius, 0}};
}

std::optional<Hit> hit_cylinder(const Ray& ray) {
  if (const auto side = hit_tube(ray, kCylinderRadius, kCylinderHalf)) return side;
  // The camera is above all objects: of the two lids it sees the upper one.
  const double t = (kCylinderHalf - ray.origin.z) / ray.direction.z;
  const Vec point = ray.at(t);
  if (t <= 0 || point.x * point.x + point.y * point.y > kCylinderRadius * kCylinderRadius) return {};
  return Hit{t, {0, 0, 1}};
}

std::optional<Hit> hit_capsule(const Ray& ray) {
  if (const auto side = hit_tube(ray, kCapsuleRadius, kCapsuleHalf)) return side;
  const auto top = hit_sphere(ray, {0, 0, kCapsuleHalf}, kCapsuleRadius);
  return top ? top : hit_sphere(ray, {0, 0, -kCapsuleHalf}, kCapsuleRadius);
}

enum class Shape { cube, cylinder, sphere, capsule };

double half_height(Shape shape) {
  switch (shape) {
    case Shape::cube:
      return kCube;
    case Shape::cylinder:
      return kCylinderHalf;
    case Shape::sphere:
      return kSphere;
    case Shape::capsule:
      return kCapsuleHalf + kCapsuleRadius;
  }
  return 0;
}

// In the object's own units. Distances along the ray are not needed: an object is in front of floor and walls.
std::optional<Hit> hit_object(Shape shape, const Ray& ray) {
  switch (shape) {
    case Shape::cube:
      return hit_cube(ray);
    case Shape::cylinder:
      return hit_cylinder(ray);
    case Shape::sphere:
      return hit_sphere(ray, {0, 0, 0}, kSphere);
    case Shape::capsule:
      return hit_capsule(ray);
  }
  return {};
}

struct Camera {
  Vec position, forward, right, up;

  explicit Camera(double orientation) {
    const double angle = (orientation + 45) * std::numbers::pi / 180;
    position = {-kCameraDistance * std::sin(angle), -kCameraDistance * std::cos(angle), kCameraHeight};
    forward = unit(Vec{0, 0, kLookHeight} + -1.0 * position);
    right = unit(cross(forward, {0, 0, 1}));
    up = cross(right, forward);
  }

  // Picture coordinates from -1 (left, top) to 1.
  Ray ray(double x, double y) const {
    const double extent = std::tan(kFieldOfView / 2 * std::numbers::pi / 180);
    return {position, unit(forward + extent * x * right + -extent * y * up)};
  }
};

// Where a ray from inside leaves the room through a wall.
Hit hit_wall(const Ray& ray) {
  const double side_x = ray.direction.x > 0 ? 1.0 : -1.0, side_y = ray.direction.y > 0 ? 1.0 : -1.0;
  const double t_x = (side_x * kRoom - ray.origin.x) / ray.direction.x;
  const double t_y = (side_y * kRoom - ray.origin.y) / ray.direction.y;
  return t_x < t_y ? Hit{t_x, {-side_x, 0, 0}} : Hit{t_y, {0, -side_y, 0}};
}

// Fully saturated colours evenly around the colour circle, red first.
std::array<float, 3> hue_colour(int level) {
  const double hue = kShapesFactors[0].value(level);
  std::array<float, 3> colour;
  for (std::size_t c = 0; c < 3; ++c) {
    const double distance = std::abs(std::remainder(hue - static_cast<double>(c) / 3, 1.0));
    colour[c] = static_cast<float>(std::clamp(2 - 6 * distance, 0.0, 1.0));
  }
  return colour;
}

std::vector<std::int32_t> all_labels() {
  std::vector<std::int32_t> labels;
  labels.reserve(static_cast<std::size_t>(kShapesCount) * kShapesFactors.size());
  for (std::int64_t image = 0; image < kShapesCount; ++image)
    for (const int level : shapes_levels(image)) labels.push_back(level);
  return labels;
}

constexpr int kRaysAcross = 4;  // a pixel
constexpr int kGeometries = kShapesFactors[3].levels * kShapesFactors[4].levels * kShapesFactors[5].levels;

}  // namespace

SceneImages::SceneImages(int side)
    : ImageStore(kShapesCount, side, shapes_columns(), all_labels()),
      light_(static_cast<std::size_t>(kGeometries * side * side)) {
#pragma omp parallel for schedule(static)
  for (int geometry = 0; geometry < kGeometries; ++geometry) illuminate(geometry);
}

void SceneImages::illuminate(int geometry) {
  const ShapesLevels levels = shapes_levels(geometry);
  const double scale = kShapesFactors[3].value(levels[3]);
  const auto shape = static_cast<Shape>(levels[4]);
  const Camera camera(kShapesFactors[5].value(levels[5]));
  const int samples = side() * kRaysAcross;
  const double share = 1.0 / (kRaysAcross * kRaysAcross);
  Light* light = light_.data() + geometry * side() * side();
  for (int row = 0; row < samples; ++row)
    for (int column = 0; column < samples; ++column) {
      const Ray ray = camera.ray((2 * column + 1.0) / samples - 1, (2 * row + 1.0) / samples - 1);
      const Vec centre{0, 0, scale * half_height(shape)};
      Light& pixel = light[row / kRaysAcross * side() + column / kRaysAcross];
      if (const auto object = hit_object(shape, {(1 / scale) * (ray.origin + -1.0 * centre), ray.direction})) {
        pixel.object += static_cast<float>(share * brightness(object->normal));
        continue;
      }
      const Hit wall = hit_wall(ray);
      if (ray.at(wall.t).z > 0)
        pixel.wall += static_cast<float>(share * brightness(wall.normal));
      else
        pixel.floor += static_cast<float>(share * brightness({0, 0, 1}));
    }
}

void SceneImages::render(std::int64_t image, std::uint8_t* pixels) const {
  const ShapesLevels levels = shapes_levels(image);
  const auto floor = hue_colour(levels[0]), wall = hue_colour(levels[1]), object = hue_colour(levels[2]);
  const int area = side() * side();
  const Light* light = light_.data() + image % kGeometries * area;
  for (int i = 0; i < area; ++i)
    for (std::size_t c = 0; c < 3; ++c) {
      const float value = light[i].floor * floor[c] + light[i].wall * wall[c] + light[i].object * object[c];
      *pixels++ = static_cast<std::uint8_t>(std::min(255.0f * value + 0.5f, 255.0f));
    }
}

void SceneImages::fetch(std::span<const std::int64_t> images, std::uint8_t* pixels) const {
#pragma omp parallel for schedule(static)
  for (std::size_t i = 0; i < images.size(); ++i) render(images[i], pixels + i * bytes_per_image());
}

}  // namespace lpl::rate
