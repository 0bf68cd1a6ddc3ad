// Groups of sources and groups of neurons, each pair of groups with a probability.
#include <fmt/format.h>

#include <numeric>

#include "spiking/wiring/wiring.hpp"

namespace lpl::spiking {
namespace {

class Blocks final : public WiringByNeuron {
 public:
  Blocks(Table& table, const WiringPlace& place) : WiringByNeuron(place) {
    Table blocks = table.table("blocks");
    const std::vector<std::int64_t> whole(place.pre_groups.begin(), place.pre_groups.end());
    from_ = read_sizes(blocks, "from", place.pre_size, place.from, whole);
    to_ = read_sizes(blocks, "to", place.post_size, place.to, {place.post_size});
    probability_ = blocks.number_rows("probability", kProbability);
    if (probability_.size() != from_.size() ||
        !std::ranges::all_of(probability_, [&](const auto& row) { return row.size() == to_.size(); }))
      blocks.fail("probability",
                  fmt::format("there must be {} rows, one for each group of '{}', of {} numbers, one for "
                              "each group of '{}'",
                              from_.size(), place.from, to_.size(), place.to));
    blocks.finish();
    for (const std::vector<double>& row : probability_) gap_.emplace_back(row.begin(), row.end());
    read_autapses(table, false);
  }

  double expected() const override {
    double sum = 0;
    for (std::size_t i = 0; i < from_.size(); ++i)
      for (std::size_t j = 0; j < to_.size(); ++j)
        sum += probability_[i][j] *
               (static_cast<double>(from_[i].count) * to_[j].count - (not_itself() ? shared(from_[i], to_[j]) : 0));
    return sum;
  }

 private:
  static std::vector<LocalRange> read_sizes(Table& blocks, std::string_view key, NeuronId size, const std::string& name,
                                            const std::vector<std::int64_t>& fallback) {
    const std::vector<std::int64_t> sizes = blocks.integers(key, 1, size, fallback);
    const std::int64_t sum = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
    if (sum != size)
      blocks.fail(key, fmt::format("{}, in all {}, but '{}' has {} neurons", blocks.stated(key), sum, name, size));
    std::vector<LocalRange> groups;
    NeuronId first = 0;
    for (const std::int64_t count : sizes) {
      groups.push_back({first, static_cast<NeuronId>(count)});
      first += groups.back().count;
    }
    return groups;
  }
  static double shared(LocalRange a, LocalRange b) {
    const NeuronId first = std::max(a.first, b.first), end = std::min(a.first + a.count, b.first + b.count);
    return first < end ? end - first : 0;
  }

  void onto(NeuronId post, Heard& heard) const override {
    const auto column = static_cast<std::size_t>(
        std::ranges::find_if(to_, [&](LocalRange group) { return group.holds(post); }) - to_.begin());
    Random draws = random(post);
    for (std::size_t i = 0; i < from_.size(); ++i) {
      if (probability_[i][column] <= 0) continue;
      const Geometric& gap = gap_[i][column];
      for (double n = gap(draws); n < from_[i].count; n += 1 + gap(draws))
        heard.pre.push_back(from_[i].first + static_cast<NeuronId>(n));
    }
  }

  std::vector<LocalRange> from_, to_;
  std::vector<std::vector<double>> probability_;  // [from][to]
  std::vector<std::vector<Geometric>> gap_;
};

}  // namespace

extern const WiringEntry blocks_wiring{
    "blocks", "groups of sources and of neurons, a probability for each pair of groups", make_wiring<Blocks>};

}  // namespace lpl::spiking
