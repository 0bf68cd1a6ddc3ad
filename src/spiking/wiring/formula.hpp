// A formula of `distance`, read with its dimension checked, and computed fast.
#pragma once

#include <string_view>

#include "config/table.hpp"
#include "core/program.hpp"

namespace lpl::spiking {

class DistanceFormula {
 public:
  static DistanceFormula read(Table& table, std::string_view key, Dimension dimension);
  double operator()(double distance) const;  // [m]

 private:
  Program program_;
};

}  // namespace lpl::spiking
