#include "spiking/recorder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "core/errors.hpp"
#include "core/timers.hpp"
#include "spiking/exact_sum.hpp"

namespace lpl::spiking {
namespace {

using What = RecordDescription::What;

constexpr Step kNever = std::numeric_limits<Step>::max();
constexpr std::size_t kSpikesPerWrite = 1 << 16;
constexpr std::size_t kValuesPerGather = 1 << 18;
constexpr double kSecondsBetweenFlushes = 2;

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

template <class T>
std::vector<T> values_from(const std::string& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

Step next_multiple_end(Step now, Step every) { return (now + every - 1) / every * every + 1; }

const StepRange* active(const std::vector<StepRange>& windows, Step step) {
  for (const StepRange& window : windows)
    if (window.begin <= step && step < window.end) return &window;
  return nullptr;
}

}  // namespace

Recorder::Recorder(const SimulationDescription& simulation, const Network& network, Communicator& comm,
                   const std::string& path, const RunFacts& facts, const RecorderState* resume)
    : simulation_(simulation), network_(network), comm_(comm), last_flush_(wall_clock()) {
  agree(comm_, [&] {
    for (const RecordDescription& record : simulation.records) {
      switch (record.what) {
        case What::spikes:
        case What::rates:
          add_spike_record(record);
          break;
        case What::weights:
          snapshots_.push_back({&record, windows_of(record.window, simulation.phases)});
          break;
        default:
          add_sample_record(record);
      }
    }
  });
  // The mean of a group divides by its synapses on all ranks.
  for (SampleRecord& record : samples_) {
    if (record.description->what == What::group_weights) {
      std::vector<std::int64_t> sizes(record.width);
      const Connection& connection = network_.connections[record.description->target];
      const Source& source = simulation_.sources[connection.description->from];
      for (std::size_t g = 0; g < source.groups.size(); ++g) {
        const Group& group = source.groups[g];
        const auto [begin, end] = connection.synapses.of(group.first, group.size);
        sizes[g] = static_cast<std::int64_t>(end - begin);
      }
      comm_.sum(sizes);
      record.group_sizes.assign(sizes.begin(), sizes.end());
    }
  }
  agree(comm_, [&] {
    if (resume) {
      refuse_other_end(*resume);
      if (resume->rate_counts.size() != rates_.size()) throw IoError("the checkpoint has other records than this run");
      for (std::size_t i = 0; i < rates_.size(); ++i) rates_[i].count = resume->rate_counts[i];
      snapshots_done_ = resume->snapshots_done;
    }
    if (comm_.rank() != 0) return;
    file_ =
        resume ? std::make_unique<ResultFile>(path, facts, resume->file) : std::make_unique<ResultFile>(path, facts);
    create_series();
  });
}

// What was recorded before the checkpoint must be what a run that ends when this one does would have recorded.
void Recorder::refuse_other_end(const RecorderState& resume) const {
  const Phase& last = simulation_.phases.back();
  if (resume.end == last.end) return;
  const auto fail = [&](const RecordDescription& record, const std::string& why) {
    throw ConfigError(
        fmt::format("record '{}' {}, so the phase '{}', {} s long when the checkpoint was written, cannot "
                    "be continued to another length; keep its duration",
                    record.name, why, last.name, simulation_.seconds(resume.end - last.begin)));
  };
  for (const RecordDescription& record : simulation_.records) {
    const auto& phases = record.window.phases;
    if (std::ranges::find(phases, simulation_.phases.size() - 1) == phases.end()) continue;
    if (record.window.last && resume.now > std::max(last.begin, resume.end - *record.window.last))
      fail(record, "has recorded some of the phase's last steps");
    if (record.what == What::rates && resume.now == resume.end && resume.now % *record.every != 0)
      fail(record, "has counted a bin that ended early with the phase");
  }
}

void Recorder::add_spike_record(const RecordDescription& record) {
  for (const std::size_t source : record.sources) {
    if (record.what == What::spikes) {
      SpikeRecord& spikes = spikes_.emplace_back();
      spikes.source = source;
      spikes.windows = windows_of(record.window, simulation_.phases);
    } else {
      RateRecord& rates = rates_.emplace_back();
      rates.source = source;
      rates.windows = windows_of(record.window, simulation_.phases);
      rates.every = *record.every;
    }
  }
}

void Recorder::add_sample_record(const RecordDescription& description) {
  SampleRecord& record = samples_.emplace_back();
  record.description = &description;
  record.windows = windows_of(description.window, simulation_.phases);
  record.columns.resize(static_cast<std::size_t>(comm_.size()));
  if (description.what == What::group_weights) {
    const ConnectionDescription& connection = simulation_.connections[description.target];
    record.width = simulation_.sources[connection.from].groups.size();
    record.fixed_point = fixed_point_of(simulation_.receptor_of(connection).weight);
    return;
  }
  const bool state = description.what == What::state;
  const std::size_t population = state ? description.target : simulation_.connections[description.target].to;
  const std::vector<NeuronId>& neurons = state ? description.neurons : description.post;
  record.width = neurons.size();
  for (int rank = 0; rank < comm_.size(); ++rank) {
    const LocalRange range = local_range(simulation_.populations[population].size, rank, comm_.size());
    for (std::size_t i = 0; i < neurons.size(); ++i) {
      if (!range.holds(neurons[i])) continue;
      record.columns[static_cast<std::size_t>(rank)].push_back(i);
      if (rank != comm_.rank()) continue;
      const std::size_t local = neurons[i] - range.first;
      if (state) {
        record.local.push_back(local);
        continue;
      }
      const Synapses& synapses = network_.connections[description.target].synapses;
      const Synapses::Row row = synapses.of(description.pre[i]);
      const auto end = synapses.target.begin() + static_cast<std::ptrdiff_t>(row.end);
      const auto found = std::find(synapses.target.begin() + static_cast<std::ptrdiff_t>(row.begin), end,
                                   network_.layout.target_of(local));
      if (found == end)
        throw ConfigError(fmt::format("record '{}': connection '{}' has no synapse from {} to {}", description.name,
                                      simulation_.connections[description.target].name, description.pre[i],
                                      neurons[i]));
      record.local.push_back(static_cast<std::size_t>(found - synapses.target.begin()));
    }
  }
}

void Recorder::create_series() {
  for (const Source& source : simulation_.sources) {
    std::vector<std::string> names;
    std::vector<NeuronId> first, size;
    for (const Group& group : source.groups) {
      names.push_back(group.name);
      first.push_back(group.first);
      size.push_back(group.size);
    }
    file_->write_source(source.name, source.size, names, first, size);
  }
  for (const Phase& phase : simulation_.phases)
    file_->write_phase(phase.name, simulation_.seconds(phase.begin), simulation_.seconds(phase.end));
  for (SpikeRecord& record : spikes_) {
    std::vector<double> recorded;
    for (const StepRange& window : record.windows)
      recorded.insert(recorded.end(), {simulation_.seconds(window.begin), simulation_.seconds(window.end)});
    record.series =
        std::make_unique<SpikeSeries>(file_->create_spikes(simulation_.sources[record.source].name, recorded));
  }
  for (RateRecord& record : rates_)
    record.series = std::make_unique<RateSeries>(
        file_->create_rates(simulation_.sources[record.source].name, simulation_.seconds(record.every)));
  for (SampleRecord& record : samples_) {
    const RecordDescription& d = *record.description;
    if (d.what == What::state) continue;
    const ConnectionDescription& connection = simulation_.connections[d.target];
    if (d.what == What::synapses) {
      record.series = std::make_unique<SampleSeries>(
          file_->create_synapses(connection.name, d.name, variable_of(d).unit, d.pre, d.post));
    } else {
      std::vector<std::string> groups;
      for (const Group& group : simulation_.sources[connection.from].groups) groups.push_back(group.name);
      record.series = std::make_unique<SampleSeries>(
          file_->create_group_weights(connection.name, d.name, variable_of(d).unit, groups));
    }
  }
  create_reports();
  file_->flush();
}

// SONATA names a report by its population, and has one report a file, with one regular time axis: the first report of a
// population bears its name, others also that of their record, and further stretches of a record their number.
void Recorder::create_reports() {
  std::set<std::string> reported;
  for (SampleRecord& record : samples_) {
    const RecordDescription& d = *record.description;
    if (d.what != What::state) continue;
    const std::string& population = simulation_.populations[d.target].name;
    ReportDescription report{.group = reported.insert(population).second ? population : population + "." + d.name,
                             .population = population,
                             .record = d.name,
                             .variable = d.variable,
                             .units = variable_of(d).unit,
                             .neurons = d.neurons,
                             .step = simulation_.seconds(*d.every)};
    for (const StepRange& stretch : sampled_stretches(record.windows, *d.every)) {
      if (!record.reports.empty())
        report.group = fmt::format("{}.{}.{}", population, d.name, record.reports.size() + 1);
      report.start = simulation_.seconds(stretch.begin);
      record.reports.push_back({stretch.end, file_->create_report(report)});
    }
  }
}

Step Recorder::next_sample_end(Step now) const {
  Step next = kNever;
  const auto consider = [&](const std::vector<StepRange>& windows, Step every) {
    for (const StepRange& window : windows) {
      const Step candidate = next_multiple_end(std::max(now, window.begin), every);
      if (candidate <= window.end) {
        next = std::min(next, candidate);
        break;
      }
    }
  };
  for (const SampleRecord& record : samples_) consider(record.windows, *record.description->every);
  for (const SnapshotRecord& record : snapshots_)
    if (record.description->every) consider(record.windows, *record.description->every);
  return next;
}

void Recorder::observe(Step from, Step to, const std::vector<SpikeHistory>& spikes) {
  if (comm_.rank() == 0) {
    for (SpikeRecord& record : spikes_) {
      // Epochs never straddle a phase, but a window may begin inside one.
      const StepRange* const window = active(record.windows, to - 1);
      if (!window) continue;
      for (Step step = std::max(from, window->begin); step < to; ++step)
        for (const NeuronId id : spikes[record.source].at(step)) {
          record.times.push_back(simulation_.seconds(step) * 1e3);
          record.ids.push_back(id);
        }
      if (record.ids.size() >= kSpikesPerWrite) write_spikes();
    }
    for (RateRecord& record : rates_) {
      const StepRange* const window = active(record.windows, to - 1);
      if (!window) continue;
      for (Step begin = std::max(from, window->begin); begin < to;) {
        // A bin ends at a multiple of its width, or early with its window.
        const Step bin_end = std::min((begin / record.every + 1) * record.every, window->end);
        const Step end = std::min(bin_end, to);
        record.count += static_cast<std::int64_t>(spikes[record.source].between(begin, end).size());
        begin = end;
        if (end < bin_end) break;
        const Step bin_begin = std::max((bin_end - 1) / record.every * record.every, window->begin);
        const double seconds = simulation_.seconds(bin_end - bin_begin);
        record.begins.push_back(simulation_.seconds(bin_begin));
        record.ends.push_back(simulation_.seconds(bin_end));
        record.rates.push_back(static_cast<float>(static_cast<double>(record.count) /
                                                  (seconds * simulation_.sources[record.source].size)));
        record.count = 0;
      }
    }
  }
  const Step sampled = to - 1;
  for (SampleRecord& record : samples_)
    if (sampled % *record.description->every == 0 && active(record.windows, sampled)) {
      record.steps.push_back(sampled);
      sample(record);
    }
}

const Variable& Recorder::variable_of(const RecordDescription& record) const {
  if (record.what == What::state) return *network_.variables.find(By::neuron, record.target, record.variable);
  return *network_.variables.find(By::synapse, record.target, simulation_.connections[record.target].name + ".weight");
}

void Recorder::sample(SampleRecord& record) {
  if (record.description->what == What::group_weights) {
    const Connection& connection = network_.connections[record.description->target];
    for (const Group& group : simulation_.sources[connection.description->from].groups) {
      std::int64_t sum = 0;
      for (auto [s, end] = connection.synapses.of(group.first, group.size); s < end; ++s)
        sum += std::llround(connection.synapses.weight[s] * record.fixed_point);
      record.values.push_back(sum);
    }
    return;
  }
  const auto take = [&](const auto values) {
    for (const std::size_t index : record.local)
      record.values.push_back(std::bit_cast<std::int32_t>(static_cast<float>(values[index])));
  };
  const auto& data = variable_of(*record.description).data;
  if (const auto* doubles = std::get_if<std::span<double>>(&data))
    take(*doubles);
  else
    take(std::get<std::span<float>>(data));
}

// Whether a periodic snapshot falls onto the step that ends at `now`.
bool Recorder::snapshot_due(const SnapshotRecord& record, Step now) const {
  const std::optional<Step>& every = record.description->every;
  return every && (now - 1) % *every == 0 && now - 1 > 0 && now != snapshots_done_ && active(record.windows, now - 1);
}

bool Recorder::gather_due(Step now) const {
  for (const SampleRecord& record : samples_)
    if (record.steps.size() * record.width >= kValuesPerGather) return true;
  return std::ranges::any_of(snapshots_, [&](const SnapshotRecord& record) { return snapshot_due(record, now); });
}

void Recorder::gather(Step now) {
  for (SampleRecord& record : samples_) gather_samples(record);
  for (const SnapshotRecord& record : snapshots_)
    if (snapshot_due(record, now)) write_snapshot(*record.description, fmt::format("step_{:012}", now - 1), now - 1);
  snapshots_done_ = now;
  on_root([&] { flush_when_due(); });
}

void Recorder::gather_samples(SampleRecord& record) {
  if (record.steps.empty()) return;
  const std::vector<std::string> parts = comm_.gather(bytes_of(record.values));
  on_root([&] {
    const std::size_t rows = record.steps.size();
    std::vector<float> values(rows * record.width);
    if (record.description->what == What::group_weights) {
      std::vector<std::int64_t> sums(values.size(), 0);
      for (const std::string& part : parts) {
        const auto sent = values_from<std::int64_t>(part);
        for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += sent[i];
      }
      for (std::size_t i = 0; i < sums.size(); ++i)
        values[i] = static_cast<float>(static_cast<double>(sums[i]) / record.fixed_point /
                                       record.group_sizes[i % record.width]);
    } else {
      for (std::size_t rank = 0; rank < parts.size(); ++rank) {
        const auto sent = values_from<std::int64_t>(parts[rank]);
        const auto& columns = record.columns[rank];
        for (std::size_t i = 0; i < sent.size(); ++i)
          values[i / columns.size() * record.width + columns[i % columns.size()]] =
              std::bit_cast<float>(static_cast<std::int32_t>(sent[i]));
      }
    }
    append_samples(record, values);
  });
  record.steps.clear();
  record.values.clear();
}

// State goes to the report of its stretch.
void Recorder::append_samples(SampleRecord& record, const std::vector<float>& values) {
  std::vector<double> times;
  for (const Step step : record.steps) times.push_back(simulation_.seconds(step));
  if (record.series) record.series->append(times, values);
  std::size_t row = 0;
  for (Report& report : record.reports) {
    const std::size_t first = row;
    while (row < record.steps.size() && record.steps[row] < report.end) ++row;
    const auto value = [&](std::size_t at) { return values.begin() + static_cast<std::ptrdiff_t>(at * record.width); };
    const auto time = [&](std::size_t at) { return times.begin() + static_cast<std::ptrdiff_t>(at); };
    if (row > first) report.series.append({time(first), time(row)}, {value(first), value(row)});
  }
}

void Recorder::write_snapshot(const RecordDescription& record, const std::string& name, Step now) {
  const Connection& connection = network_.connections[record.target];
  const ConnectionDescription& description = *connection.description;
  const NeuronId first = network_.populations[description.to]->range().first;
  std::vector<NeuronId> pre, post;
  std::vector<float> weight;
  connection.synapses.by_target([&](NeuronId source, std::uint64_t s) {
    pre.push_back(source);
    post.push_back(first + network_.layout.neuron_of(connection.synapses.target[s]));
    weight.push_back(connection.synapses.weight[s]);
  });
  const auto pres = comm_.gather(bytes_of(pre)), posts = comm_.gather(bytes_of(post)),
             weights = comm_.gather(bytes_of(weight));
  on_root([&] {
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
    for (NeuronId source = 0; source < simulation_.sources[description.from].size; ++source)
      for (std::size_t r = 0; r < next.size(); ++r)
        for (std::size_t& s = next[r]; s < rank_pre[r].size() && rank_pre[r][s] == source; ++s) {
          all_pre.push_back(source);
          all_post.push_back(rank_post[r][s]);
          all_values.push_back(rank_weight[r][s]);
        }
    file_->write_snapshot(description.name, name, variable_of(record).unit, simulation_.seconds(now),
                          simulation_.sources[description.from].size, simulation_.populations[description.to].size,
                          all_pre, all_post, all_values);
  });
}

void Recorder::snapshot(const std::string& name, Step now) {
  for (const SnapshotRecord& record : snapshots_)
    if (now == 0 || active(record.windows, now - 1)) write_snapshot(*record.description, name, now);
}

void Recorder::write_spikes() {
  for (SpikeRecord& record : spikes_) {
    record.series->append(record.times, record.ids);
    record.times.clear();
    record.ids.clear();
  }
  for (RateRecord& record : rates_) {
    record.series->append(record.begins, record.ends, record.rates);
    record.begins.clear();
    record.ends.clear();
    record.rates.clear();
  }
  flush_when_due();
}

// Also where the file has been taken away is found out here.
void Recorder::flush_when_due() {
  if (wall_clock() - last_flush_ <= kSecondsBetweenFlushes) return;
  file_->flush();
  last_flush_ = wall_clock();
}

void Recorder::flush(Step now) {
  gather(now);
  on_root([&] {
    write_spikes();
    file_->flush();
  });
}

void Recorder::on_root(const std::function<void()>& body) {
  if (comm_.rank() != 0 || error_) return;
  try {
    body();
  } catch (...) {
    error_ = std::current_exception();
  }
}

void Recorder::check() {
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

RecorderState Recorder::state(Step now) {
  RecorderState state;
  state.now = now;
  state.end = simulation_.end();
  if (!file_) return state;
  state.file = file_->sync();
  for (const RateRecord& record : rates_) state.rate_counts.push_back(record.count);
  state.snapshots_done = snapshots_done_;
  return state;
}

void Recorder::finish(const std::string& status, double wall, double model, const std::string& reason) {
  if (file_) file_->finish(status, wall, model, reason);
}

void Recorder::fail() {
  if (file_) file_->fail();
}

}  // namespace lpl::spiking
