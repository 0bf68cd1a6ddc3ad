// Pairs with a probability by their distance.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "spiking/wiring/formula.hpp"
#include "spiking/wiring/wiring.hpp"

namespace lpl::spiking {
namespace {

// Sources by cells of space, as wide as the greatest distance at least.
class Cells {
 public:
  Cells(const Positions& positions, NeuronId size, double within) : positions_(positions) {
    std::vector<Positions::Point> points(size);
    for (NeuronId n = 0; n < size; ++n) points[n] = positions.at(n);
    for (std::size_t d = 0; d < positions.dimensions(); ++d) {
      const auto [low, high] = std::ranges::minmax(points, {}, [&](const auto& point) { return point[d]; });
      low_[d] = positions.periodic() ? 0 : low[d];
      const double side = positions.periodic() ? positions.extent()[d] : high[d] - low[d];
      count_[d] = static_cast<int>(std::clamp(std::floor(side / within), 1.0, kMostCells));
      width_[d] = side > 0 ? side / count_[d] : 1;
    }
    first_.assign(static_cast<std::size_t>(count_[0]) * static_cast<std::size_t>(count_[1]) *
                          static_cast<std::size_t>(count_[2]) +
                      1,
                  0);
    std::vector<std::size_t> cell(size);
    for (NeuronId n = 0; n < size; ++n) {
      std::array<int, 3> place{};
      for (std::size_t d = 0; d < place.size(); ++d) place[d] = of(points[n], d, 0, count_[d] - 1);
      cell[n] = index(place);
      ++first_[cell[n] + 1];
    }
    for (std::size_t c = 1; c < first_.size(); ++c) first_[c] += first_[c - 1];
    member_.resize(size);
    std::vector<std::size_t> next(first_.begin(), first_.end() - 1);
    for (NeuronId n = 0; n < size; ++n) member_[next[cell[n]]++] = {n, points[n]};
  }

  struct Member {
    NeuronId neuron;
    Positions::Point point;
  };
  // Those of the cells around a point.
  template <class Visit>
  void around(const Positions::Point& point, Visit&& visit) const {
    std::array<std::vector<int>, 3> near;
    for (std::size_t d = 0; d < 3; ++d) {
      const int here = of(point, d, -1, count_[d]);
      for (int c = here - 1; c <= here + 1; ++c) {
        const int wrapped = positions_.periodic() ? (c + 2 * count_[d]) % count_[d] : c;
        if (wrapped >= 0 && wrapped < count_[d] && std::ranges::find(near[d], wrapped) == near[d].end())
          near[d].push_back(wrapped);
      }
    }
    for (const int x : near[0])
      for (const int y : near[1])
        for (const int z : near[2]) {
          const std::size_t c = index({x, y, z});
          for (std::size_t m = first_[c]; m < first_[c + 1]; ++m) visit(member_[m]);
        }
  }

 private:
  static constexpr double kMostCells = 256;  // a side

  // Of 0 .. count-1; -1 and count lie outside.
  int of(const Positions::Point& point, std::size_t d, int low, int high) const {
    return static_cast<int>(std::clamp<double>(std::floor((point[d] - low_[d]) / width_[d]), low, high));
  }
  std::size_t index(std::array<int, 3> c) const {
    return (static_cast<std::size_t>(c[2]) * static_cast<std::size_t>(count_[1]) + static_cast<std::size_t>(c[1])) *
               static_cast<std::size_t>(count_[0]) +
           static_cast<std::size_t>(c[0]);
  }

  const Positions& positions_;
  std::array<double, 3> low_{}, width_{1, 1, 1};
  std::array<int, 3> count_{1, 1, 1};
  std::vector<std::size_t> first_;
  std::vector<Member> member_;
};

class ByDistance final : public Wiring {
 public:
  ByDistance(Table& table, const WiringPlace& place) : Wiring(place) {
    place.require_positions(table, "distance");
    Table distance = table.table("distance");
    probability_ = DistanceFormula::read(distance, "probability", Dimension::none);
    if (distance.has("within")) within_ = distance.quantity("within", Dimension::length, kPositive);
    check_probability(distance);
    distance.finish();
    read_autapses(table, false);
  }

  void each(LocalRange local, const Body& body) const override {
    Heard heard;
    visit(local, [&](NeuronId post, const std::vector<Near>& sources) {
      heard.clear();
      Random draws = random(post);
      for (const Near& source : sources)
        if (draws.uniform() < probability_(source.distance)) heard.pre.push_back(source.neuron);
      if (!heard.pre.empty()) body(post, heard);
    });
  }

  double expected() const override {
    double sum = 0;
    visit({0, place().post_size}, [&](NeuronId, const std::vector<Near>& sources) {
      for (const Near& source : sources) sum += probability_(source.distance);
    });
    return sum;
  }

 private:
  struct Near {
    NeuronId neuron;
    double distance;
  };

  // Calls body(post, sources that are near enough, ascending).
  template <class Visit>
  void visit(LocalRange local, Visit&& body) const {
    const Positions& positions = *place().pre_positions;
    const Cells cells(positions, place().pre_size, within_);
    std::vector<Near> near;
    for (NeuronId post = local.first; post < local.first + local.count; ++post) {
      const Positions::Point here = place().post_positions->at(post);
      near.clear();
      cells.around(here, [&](const Cells::Member& member) {
        const double distance = positions.distance(member.point, here);
        if (distance <= within_ && !(not_itself() && member.neuron == post)) near.push_back({member.neuron, distance});
      });
      std::ranges::sort(near, {}, &Near::neuron);
      body(post, near);
    }
  }

  // At distances all over the space.
  void check_probability(Table& table) const {
    constexpr int kSamples = 1000;
    double most = 0;
    for (const double side : place().pre_positions->extent()) most += side;
    most = std::min(most > 0 ? most : 1.0, within_);
    for (int i = 0; i <= kSamples; ++i) {
      const double distance = most * i / kSamples, p = probability_(distance);
      if (!(p >= 0 && p <= 1))
        table.fail(
            "probability",
            fmt::format("{} is {:.6g} at a distance of {:.6g} m; probabilities lie from 0 to 1, so take min and max",
                        table.written("probability"), p, distance));
    }
  }

  DistanceFormula probability_;
  double within_ = std::numeric_limits<double>::infinity();
};

}  // namespace

extern const WiringEntry distance_wiring{"distance", "each pair with a probability by distance",
                                         make_wiring<ByDistance>};

}  // namespace lpl::spiking
