// Which sources a neuron hears. Seed, connection and neuron decide, never the rank.
//
// A wiring is one file of this folder: a class and a WiringEntry of the file's name, from which CMake writes the list
// of all. A [[connection]] names exactly one of them by its key.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/table.hpp"
#include "core/random.hpp"
#include "core/sampling.hpp"
#include "core/types.hpp"
#include "io/import.hpp"
#include "spiking/local_range.hpp"
#include "spiking/wiring/positions.hpp"

namespace lpl::spiking {

// What a wiring lies between.
struct WiringPlace {
  std::uint64_t seed = 0;
  std::uint32_t object = 0;     // hash of the connection's name
  std::string connection = {};  // its name
  std::string from, to;
  NeuronId pre_size = 0, post_size = 0;
  bool onto_itself = false;                                        // both are the same population
  std::shared_ptr<const Positions> pre_positions, post_positions;  // null where a description gives none
  std::vector<NeuronId> pre_groups;                                // sizes

  // Fails under `key` where not both have positions in one space.
  void require_positions(const Table& table, std::string_view key) const;
};

// The synapses of one neuron.
struct Heard {
  std::vector<NeuronId> pre;  // ascending, as often as it connects
  std::vector<float> weight;  // of each, where the wiring has weights of its own

  void clear() {
    pre.clear();
    weight.clear();
  }
};

class Wiring {
 public:
  using Body = std::function<void(NeuronId post, Heard& heard)>;

  explicit Wiring(WiringPlace place) : place_(std::move(place)) {}
  virtual ~Wiring() = default;

  // Calls body for the neurons of `local` that hear something, ascending; twice the same.
  virtual void each(LocalRange local, const Body& body) const = 0;
  // Synapses of the whole connection.
  virtual double expected() const = 0;
  // Whether several synapses may lead to one neuron.
  virtual bool converges() const { return place_.pre_size > 1; }
  // The matrix whose values are the weights; null where a description gives `weight`.
  virtual const SparseMatrix* weights() const { return nullptr; }

  const WiringPlace& place() const { return place_; }

 protected:
  // Of a wiring that connects a pair at most once.
  void read_autapses(Table& table, bool autapses);
  // Of one that may connect it several times.
  void read_repeats(Table& table, bool autapses, bool multapses);

  bool multapses() const { return multapses_; }
  // Whether neurons do not hear themselves, though they could.
  bool not_itself() const { return place_.onto_itself && !autapses_; }
  NeuronId heard_at_most() const { return place_.pre_size - (not_itself() ? 1 : 0); }
  double pairs() const { return static_cast<double>(heard_at_most()) * place_.post_size; }
  Random random(NeuronId neuron, std::uint32_t part = 0) const {
    return Random(place_.seed, Draw::wiring, place_.object, neuron, part);
  }

 private:
  WiringPlace place_;
  bool autapses_ = true, multapses_ = true;
};

// A wiring that draws each neuron's sources for itself.
class WiringByNeuron : public Wiring {
 public:
  using Wiring::Wiring;
  void each(LocalRange local, const Body& body) const final;

 protected:
  // Adds what `post` hears to what is empty. Autapses are taken out afterwards where they are not wanted.
  virtual void onto(NeuronId post, Heard& heard) const = 0;
};

// A wiring that draws a number of sources for each neuron.
class WiringByDegree : public Wiring {
 public:
  using Wiring::Wiring;

 protected:
  // Fails under `key` where a neuron cannot have `degree` different sources, though it must.
  void check_degree(Table& table, std::string_view key, double degree) const;
  // `degree` sources of `post`.
  void draw_sources(Random random, NeuronId post, std::uint32_t degree, DistinctDraws& distinct, Heard& heard) const;
};

struct WiringEntry {
  std::string_view key, help;
  std::shared_ptr<const Wiring> (*read)(Table&, const WiringPlace&);
};
template <class Kind>
std::shared_ptr<const Wiring> make_wiring(Table& table, const WiringPlace& place) {
  return std::make_shared<Kind>(table, place);
}
std::span<const WiringEntry> wirings();  // by key

// The one wiring that a [[connection]] gives.
std::shared_ptr<const Wiring> read_wiring(Table& table, const WiringPlace& place);

}  // namespace lpl::spiking
