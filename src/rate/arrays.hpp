// Numbers and maps in the memory of a backend.
#pragma once

#include <cstdint>
#include <memory>

namespace lpl::rate {

enum class Precision { float32, bfloat16 };

struct Shape {
  std::int64_t samples = 0;
  std::int64_t channels = 0;
  std::int64_t height = 1;
  std::int64_t width = 1;
  std::int64_t positions() const { return height * width; }
  std::int64_t size() const { return samples * channels * height * width; }
  bool operator==(const Shape&) const = default;
};

// An activity map in the memory and layout of its backend.
struct Tensor {
  Shape shape;
  Precision precision = Precision::float32;
  std::shared_ptr<void> data;
  std::shared_ptr<float> means = {};  // over positions, where the backend formed them with the map
};

// Float32 numbers in the memory of a backend. Filters lie as out x row x column x in (PyTorch: out x in x row x
// column; rate/encoder.hpp converts).
struct Array {
  std::int64_t size = 0;
  std::shared_ptr<float> data;

  // Where number i lies, in the memory of the backend.
  float* at(std::int64_t i = 0) const { return data.get() + i; }
  // `count` of the numbers, which they keep alive.
  Array part(std::int64_t first, std::int64_t count) const { return {count, {data, at(first)}}; }
};

// Whole numbers in the memory of a backend: the first `size` of a room that never moves.
struct Indices {
  std::int64_t size = 0;
  std::shared_ptr<std::int32_t> data;

  std::int32_t* at() const { return data.get(); }
};

}  // namespace lpl::rate
