// Where the neurons of a population or the inputs of a stimulus lie: `positions` of either.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "config/table.hpp"
#include "core/expression.hpp"
#include "core/types.hpp"

namespace lpl::spiking {

class Positions {
 public:
  using Point = std::array<double, 3>;  // [m]; 0 beyond the dimensions

  // A table with exactly one of
  //   grid = [columns, rows, layers], random = true, file = "..." (a line of metres for each)
  // and `extent`, the side lengths of the space from 0 on, `periodic`: whether its opposite sides touch.
  // `object`: hash of the name of what lies there.
  static std::shared_ptr<const Positions> read(Table table, NeuronId size, std::uint64_t seed, std::uint32_t object);

  Point at(NeuronId n) const;
  // The coordinates as names of expressions, x, y, z: those of the dimensions, and what they are of a neuron.
  std::vector<Symbol> symbols() const;
  double coordinate(std::string_view name, NeuronId n) const { return at(n)[static_cast<std::size_t>(name[0] - 'x')]; }
  std::size_t dimensions() const { return dimensions_; }
  const Point& extent() const { return extent_; }  // [m]; 0 where none is given
  bool periodic() const { return periodic_; }

  double distance(const Point& a, const Point& b) const {
    double squares = 0;
    for (std::size_t d = 0; d < dimensions_; ++d) {
      double between = a[d] - b[d];
      if (periodic_) between -= extent_[d] * std::round(between / extent_[d]);
      squares += between * between;
    }
    return std::sqrt(squares);
  }

 private:
  void read_extent(Table& table, bool required);
  void read_grid(Table& table, NeuronId size);
  void read_file(Table& table, NeuronId size);

  std::uint64_t seed_ = 0;
  std::uint32_t object_ = 0;
  std::size_t dimensions_ = 0;
  Point extent_{};
  bool periodic_ = false;
  std::vector<NeuronId> grid_;  // empty: random, or
  std::vector<Point> listed_;
};

}  // namespace lpl::spiking
