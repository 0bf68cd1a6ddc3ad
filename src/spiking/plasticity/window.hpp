// Windows of plasticity: what a trace is by the time since the last spike, as a table.
#pragma once

#include <vector>

#include "config/table.hpp"
#include "core/types.hpp"

namespace lpl::spiking {

// Values on a grid that begins with 0 s; linear between them, 0 behind them.
struct Window {
  double step = 0;  // [s]
  std::vector<double> values;

  double at(double time) const;
  double steps(double dt) const;  // that it has
  // At 0, dt, 2 dt ...
  std::vector<float> by_steps(double dt) const;
};

Window read_window(Table& table);

}  // namespace lpl::spiking
