#include "spiking/wiring/listed.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "spiking/reading.hpp"

namespace lpl::spiking {

Listed::Listed(Table& table, std::string_view key, bool own_weights, const WiringPlace& place)
    : WiringByNeuron(place),
      matrix_(imported(table, key, [](const auto& path) { return read_matrix_market(path); })),
      own_weights_(own_weights) {
  if (matrix_.pattern && own_weights)
    table.fail(key, "the matrix is a pattern and holds no weights; use it as 'mask' and give a 'weight'");
  list(table, key);
}

Listed::Listed(Table& table, std::string_view key, SparseMatrix matrix, const WiringPlace& place)
    : WiringByNeuron(place), matrix_(std::move(matrix)), own_weights_(true) {
  list(table, key);
}

void Listed::list(Table& table, std::string_view key) {
  const WiringPlace& place = this->place();
  if (matrix_.rows != place.pre_size || matrix_.columns != place.post_size)
    table.fail(key, fmt::format("the matrix is {} x {}, but '{}' has {} and '{}' has {} neurons", matrix_.rows,
                                matrix_.columns, place.from, place.pre_size, place.to, place.post_size));
  read_autapses(table, true);
  const auto is_synapse = [&](std::uint64_t i) {
    return (own_weights_ || matrix_.value[i] != 0) && !(not_itself() && matrix_.pre[i] == matrix_.post[i]);
  };
  first_.assign(place.post_size + 1, 0);
  for (std::uint64_t i = 0; i < matrix_.value.size(); ++i) first_[matrix_.post[i] + 1] += is_synapse(i);
  for (std::size_t post = 0; post < place.post_size; ++post) first_[post + 1] += first_[post];
  entry_.resize(first_.back());
  std::vector<std::uint64_t> next(first_.begin(), first_.end() - 1);
  for (std::uint64_t i = 0; i < matrix_.value.size(); ++i)
    if (is_synapse(i)) entry_[next[matrix_.post[i]]++] = i;
}

bool Listed::converges() const {
  for (std::size_t post = 0; post + 1 < first_.size(); ++post)
    if (std::count_if(entry_.begin() + static_cast<std::ptrdiff_t>(first_[post]),
                      entry_.begin() + static_cast<std::ptrdiff_t>(first_[post + 1]),
                      [&](std::uint64_t i) { return matrix_.value[i] != 0; }) > 1)
      return true;
  return false;
}

void Listed::onto(NeuronId post, Heard& heard) const {
  for (std::uint64_t at = first_[post]; at < first_[post + 1]; ++at) {
    heard.pre.push_back(matrix_.pre[entry_[at]]);
    if (own_weights_) heard.weight.push_back(matrix_.value[entry_[at]]);
  }
}

}  // namespace lpl::spiking
