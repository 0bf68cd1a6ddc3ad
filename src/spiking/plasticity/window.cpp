#include "spiking/plasticity/window.hpp"

#include <fmt/format.h>

#include <cmath>

#include "io/import.hpp"
#include "spiking/grid.hpp"
#include "spiking/reading.hpp"

namespace lpl::spiking {

double Window::steps(double dt) const {
  const double count = static_cast<double>(values.size() - 1) * step / dt;
  return std::floor(count + Grid::on_grid(count)) + 1;
}

double Window::at(double time) const {
  const double place = time / step, last = static_cast<double>(values.size() - 1);
  if (place > last + Grid::on_grid(last)) return 0;
  const double below = std::min(std::floor(place), last);
  const auto i = static_cast<std::size_t>(below);
  return i + 1 < values.size() ? values[i] + (place - below) * (values[i + 1] - values[i]) : values[i];
}

std::vector<float> Window::by_steps(double dt) const {
  std::vector<float> found(static_cast<std::size_t>(steps(dt)));
  for (std::size_t k = 0; k < found.size(); ++k) found[k] = static_cast<float>(at(static_cast<double>(k) * dt));
  return found;
}

Window read_window(Table& table) {
  Window window;
  window.step = table.quantity("step", Dimension::time, kPositive);
  if (table.only_one({"values", "file"}) == 0)
    window.values = table.numbers("values", kAny);
  else
    imported(table, "file", [&](const std::string& path) {
      for_each_row(path, [&](const TextRow& row) {
        row.expect(1, "the window's value");
        if (!std::isfinite(static_cast<float>(row[0]))) row.fail(0, "the value lies outside the range of float32");
        window.values.push_back(row[0]);
      });
    });
  if (window.values.empty()) table.fail("values", "'values' is empty; a window has one value at least");
  table.finish();
  return window;
}

}  // namespace lpl::spiking
