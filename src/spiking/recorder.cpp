#include "spiking/recorder.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/errors.hpp"
#include "core/timers.hpp"
#include "spiking/record/presentations.hpp"
#include "spiking/stimulus/presentation.hpp"

namespace lpl::spiking {
namespace {

constexpr double kSecondsBetweenFlushes = 2;

}  // namespace

Recorder::Recorder(const SimulationDescription& simulation, const Network& network, Communicator& comm,
                   const std::string& path, const RunFacts& facts, const RecorderState* resume)
    : simulation_(simulation), comm_(comm), on_root_(comm), last_flush_(wall_clock()) {
  agree(comm_, [&] {
    const RecordPlace place{.simulation = simulation, .network = network, .comm = comm, .on_root = on_root_};
    for (const auto& record : simulation.records) records_.push_back(record->make(place));
    for_each_schedule(simulation, [&](const StimulusDescription& stimulus) {
      records_.push_back(make_presentation_record(place, stimulus));
    });
  });
  for (const auto& record : records_) record->prepare();
  agree(comm_, [&] {
    if (resume) restore(*resume);
    if (comm_.rank() != 0) return;
    file_ =
        resume ? std::make_unique<ResultFile>(path, facts, resume->file) : std::make_unique<ResultFile>(path, facts);
    open_records();
  });
}

void Recorder::restore(const RecorderState& resume) {
  refuse_other_end(resume);
  if (resume.records.size() != records_.size()) throw IoError("the checkpoint has other records than this run");
  for (std::size_t i = 0; i < records_.size(); ++i) {
    if (resume.records[i].size() != records_[i]->state_size())
      throw IoError("the checkpoint has other records than this run");
    records_[i]->restore(resume.records[i]);
  }
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
  for (const auto& record : simulation_.records) {
    const auto& phases = record->window.phases;
    if (std::ranges::find(phases, simulation_.phases.size() - 1) == phases.end()) continue;
    if (record->window.last && resume.now > std::max(last.begin, resume.end - *record->window.last))
      fail(*record, "has recorded some of the phase's last steps");
    if (resume.now == resume.end && record->is_cut_short(resume.now))
      fail(*record, "has counted a bin that ended early with the phase");
  }
}

void Recorder::open_records() {
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
  for_each_stimulus(simulation_, [&](const StimulusDescription& stimulus) {
    if (!stimulus.drawn.empty()) file_->write_patterns(stimulus.name, stimulus.drawn);
  });
  for (const auto& record : records_) record->open(*file_);
  file_->flush();
}

Step Recorder::next_sample_end(Step now) const {
  Step next = kNever;
  for (const auto& record : records_) next = std::min(next, record->next_end(now));
  return next;
}

void Recorder::observe(Step from, Step to, OwnSpikes spikes) {
  for (const auto& record : records_) record->observe(from, to, spikes);
}

bool Recorder::is_full() const {
  return std::ranges::any_of(records_, [](const auto& record) { return record->is_full(); });
}

bool Recorder::gather_due(Step now) const {
  return std::ranges::any_of(records_, [&](const auto& record) { return record->gather_due(now); });
}

void Recorder::gather(Step now) {
  for (const auto& record : records_) record->gather(now);
  on_root_([&] { flush_when_due(); });
}

void Recorder::end_phase(const std::string& name, Step now) {
  for (const auto& record : records_) record->end_phase(name, now);
}

// Also where the file has been taken away is found out here.
void Recorder::flush_when_due() {
  if (wall_clock() - last_flush_ <= kSecondsBetweenFlushes) return;
  file_->flush();
  last_flush_ = wall_clock();
}

void Recorder::flush(Step now) {
  gather(now);
  on_root_([&] { file_->flush(); });
}

RecorderState Recorder::state(Step now) {
  RecorderState state;
  state.now = now;
  state.end = simulation_.end();
  for (const auto& record : records_) state.records.push_back(record->state());
  agree(comm_, [&] {
    if (file_) state.file = file_->sync();
  });
  return state;
}

void Recorder::finish(const std::string& status, double wall, double model, const std::string& reason) {
  if (file_) file_->finish(status, wall, model, reason);
}

void Recorder::fail() {
  if (file_) file_->fail();
}

}  // namespace lpl::spiking
