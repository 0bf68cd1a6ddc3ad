#include "spiking/wiring/positions.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/random.hpp"
#include "io/import.hpp"
#include "spiking/reading.hpp"

namespace lpl::spiking {

std::shared_ptr<const Positions> Positions::read(Table table, NeuronId size, std::uint64_t seed, std::uint32_t object) {
  const auto positions = std::make_shared<Positions>();
  positions->seed_ = seed;
  positions->object_ = object;
  table.only_one({"grid", "random", "file"});
  if (table.has("random") && !table.flag("random")) table.fail("random", "'random' can only be true");
  positions->periodic_ = table.flag("periodic", false);
  positions->read_extent(table, positions->periodic_ || !table.has("file"));
  if (table.has("grid")) positions->read_grid(table, size);
  if (table.has("file")) positions->read_file(table, size);
  table.finish();
  return positions;
}

void Positions::read_extent(Table& table, bool required) {
  if (!required && !table.has("extent")) return;
  const std::vector<double> sides = table.quantities("extent", Dimension::length, kPositive);
  if (sides.empty() || sides.size() > extent_.size())
    table.fail("extent", fmt::format("'extent' has {} sides; space has 1 to 3", sides.size()));
  dimensions_ = sides.size();
  std::ranges::copy(sides, extent_.begin());
}

void Positions::read_grid(Table& table, NeuronId size) {
  std::uint64_t places = 1;
  for (const std::int64_t side : table.integers("grid", 1, size)) {
    grid_.push_back(static_cast<NeuronId>(side));
    places = std::min<std::uint64_t>(places * grid_.back(), std::uint64_t{1} << 32);
  }
  if (grid_.size() != dimensions_)
    table.fail("grid", fmt::format("'grid' has {} sides, but 'extent' has {}", grid_.size(), dimensions_));
  if (places != size)
    table.fail("grid", fmt::format("{} has {} places for {} neurons", table.stated("grid"), places, size));
}

void Positions::read_file(Table& table, NeuronId size) {
  imported(table, "file", [&](const std::string& path) {
    for_each_row(path, [&](const TextRow& row) {
      if (dimensions_ == 0) dimensions_ = std::min(row.size(), extent_.size());
      row.expect(dimensions_, fmt::format("{} coordinates in m", dimensions_));
      Point& point = listed_.emplace_back();
      for (std::size_t d = 0; d < dimensions_; ++d) {
        point[d] = row[d];
        if (periodic_ && !(point[d] >= 0 && point[d] <= extent_[d]))
          row.fail(d, fmt::format("{} m lies outside of the periodic space from 0 m to {} m", point[d], extent_[d]));
      }
    });
    return 0;
  });
  if (listed_.size() != size)
    table.fail("file", fmt::format("the file holds {} positions, but there are {} neurons", listed_.size(), size));
}

std::vector<Symbol> Positions::symbols() const {
  std::vector<Symbol> symbols;
  for (const char* name : {"x", "y", "z"})
    if (symbols.size() < dimensions_) symbols.push_back({name, Dimension::length});
  return symbols;
}

Positions::Point Positions::at(NeuronId n) const {
  if (!listed_.empty()) return listed_[n];
  Point point{};
  if (grid_.empty()) {
    Random random(seed_, Draw::position, object_, n);
    for (std::size_t d = 0; d < dimensions_; ++d) point[d] = extent_[d] * random.uniform();
    return point;
  }
  // The middles of cells; the first side counts fastest.
  for (std::size_t d = 0; d < dimensions_; n /= grid_[d], ++d) point[d] = extent_[d] * (n % grid_[d] + 0.5) / grid_[d];
  return point;
}

}  // namespace lpl::spiking
