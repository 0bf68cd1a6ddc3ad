// what = "weights".
#include <fmt/format.h>

#include "spiking/record/packing.hpp"
#include "spiking/record/record.hpp"
#include "spiking/record/sampled.hpp"
#include "spiking/record_windows.hpp"

namespace lpl::spiking {
namespace {

struct Weights final : RecordDescription {
  std::unique_ptr<Record> make(const RecordPlace& place) const override;
  // One at the begin, one at the end of each phase, periodic ones; who is connected is there once.
  void add_size(SizeEstimate& estimate) const override {
    double count = 1 + static_cast<double>(windows.size());
    if (every) {
      count += SizeEstimate::rows(windows, *every);
      if (!windows.empty() && windows.front().begin == 0) count -= 1;
    }
    estimate.add_weights(connection, count);
  }
  std::size_t connection = 0;
  std::optional<Step> every;  // periodic snapshots besides those at the ends of phases
};

class Snapshots final : public Record {
 public:
  Snapshots(const RecordPlace& place, const Weights& description) : place_(place), description_(description) {}

  void open(ResultFile& file) override { file_ = &file; }

  Step next_end(Step now) const override {
    return description_.every ? next_sample_end(description_.windows, *description_.every, now) : kNever;
  }
  bool gather_due(Step now) const override {
    const std::optional<Step>& every = description_.every;
    return every && (now - 1) % *every == 0 && now - 1 > 0 && now != done_ && active(description_.windows, now - 1);
  }
  void gather(Step now) override {
    if (gather_due(now)) write_snapshot(fmt::format("step_{:012}", now - 1), now - 1);
    done_ = now;
  }
  void end_phase(const std::string& name, Step now) override {
    if (now == 0 || active(description_.windows, now - 1)) write_snapshot(name, now);
  }

  std::vector<std::int64_t> state() const override { return {done_}; }
  std::size_t state_size() const override { return 1; }
  void restore(std::span<const std::int64_t> state) override { done_ = state[0]; }

 private:
  void write_snapshot(const std::string& name, Step now);

  const RecordPlace place_;
  const Weights& description_;
  ResultFile* file_ = nullptr;  // rank 0
  Step done_ = -1;              // what was due there is written
};

void Snapshots::write_snapshot(const std::string& name, Step now) {
  const Network& network = place_.network;
  const SimulationDescription& simulation = place_.simulation;
  const Connection& connection = network.connections[description_.connection];
  const ConnectionDescription& description = *connection.description;
  const NeuronId first = network.populations[description.to]->range().first;
  std::vector<NeuronId> pre, post;
  std::vector<float> weight;
  connection.synapses.by_target([&](NeuronId source, std::uint64_t s) {
    pre.push_back(source);
    post.push_back(first + network.layout.neuron_of(connection.synapses.target[s]));
    weight.push_back(connection.synapses.weight[s]);
  });
  const auto pres = place_.comm.gather(bytes_of(pre)), posts = place_.comm.gather(bytes_of(post)),
             weights = place_.comm.gather(bytes_of(weight));
  place_.on_root([&] {
    // Ranks hold ascending ranges of targets: taking them in rank order by source sorts by (pre, post).
    std::vector<NeuronId> all_pre, all_post;
    std::vector<float> all_values;
    std::vector<std::vector<NeuronId>> rank_pre, rank_post;
    std::vector<std::vector<float>> rank_weight;
    for (std::size_t r = 0; r < pres.size(); ++r) {
      rank_pre.push_back(values_from<NeuronId>(pres[r]));
      rank_post.push_back(values_from<NeuronId>(posts[r]));
      rank_weight.push_back(values_from<float>(weights[r]));
    }
    std::vector<std::size_t> next(pres.size(), 0);
    for (NeuronId source = 0; source < simulation.sources[description.from].size; ++source)
      for (std::size_t r = 0; r < next.size(); ++r)
        for (std::size_t& s = next[r]; s < rank_pre[r].size() && rank_pre[r][s] == source; ++s) {
          all_pre.push_back(source);
          all_post.push_back(rank_post[r][s]);
          all_values.push_back(rank_weight[r][s]);
        }
    file_->write_snapshot(description.name, name, unit_of(simulation.receptor_of(description).weight),
                          simulation.seconds(now), simulation.sources[description.from].size,
                          simulation.populations[description.to].size, all_pre, all_post, all_values);
  });
}

std::unique_ptr<Record> Weights::make(const RecordPlace& place) const {
  return std::make_unique<Snapshots>(place, *this);
}

std::shared_ptr<RecordDescription> read(const RecordReading& reading) {
  const auto record = std::make_shared<Weights>();
  record->connection = reading.connection();
  reading.claim_only(reading.simulation.connections[record->connection].name);
  if (reading.table.has("every")) record->every = reading.grid.read_interval(reading.table, "every");
  return record;
}

}  // namespace

extern const RecordEntry weights_record{"weights", "all weights of a connection, at the ends of phases", read};

}  // namespace lpl::spiking
