// The result file of a run: one HDF5 file, SONATA where SONATA has a word for it (docs/formats.md). Written by
// rank 0 as the run goes; readable up to the last flush while the run is alive.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "core/types.hpp"
#include "io/checksum.hpp"
#include "io/hdf5.hpp"

namespace lpl {

// Facts of a run that stand at the root of its result file.
struct RunFacts {
  std::string program;
  std::string command_line;
  int ranks = 1;
  std::uint64_t seed = 0;
  double dt = 0;                       // [s]
  std::string description;             // canonical text
  std::string fixed_text = {};         // the same without what a resumed run may change: how long it lasts
  std::vector<InputFile> inputs = {};  // the data that the description names
  std::string options = {};            // of the command line, that change what the result holds: "--activity"
  std::string run = {};                // of the run that is resumed: keeps its name; "": a new one is made
};

// Throws ConfigError where a file lies at `path` and is neither an earlier result of the same run nor one of the same
// description and inputs, which a rerun may replace. Returns whether there is one.
bool check_replaceable(const std::string& path, const RunFacts& facts);

// What resuming a run needs to know of its result file.
struct ResultFileState {
  std::string run;  // attribute of the file
  h5::FileState file;
  std::vector<std::pair<std::string, std::string>> first_snapshot;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& run& file& first_snapshot;
  }
};

// Rows of a chunk: a series takes whole chunks of the file.
inline constexpr std::size_t kSpikesAChunk = 16384, kSamplesAChunk = 4096, kWeightRowsAChunk = 256;
constexpr std::size_t report_rows_a_chunk(std::size_t neurons) {
  return std::clamp<std::size_t>(65536 / neurons, 1, kSamplesAChunk);
}

class SpikeSeries {
 public:
  SpikeSeries(h5::Series timestamps, h5::Series node_ids)
      : timestamps_(std::move(timestamps)), node_ids_(std::move(node_ids)) {}
  // Times in ms, ascending.
  void append(const std::vector<double>& timestamps, const std::vector<std::uint64_t>& node_ids);

 private:
  h5::Series timestamps_, node_ids_;
};

// Samples of several values over time, with their times in seconds.
class SampleSeries {
 public:
  SampleSeries(h5::Series data, h5::Series time) : data_(std::move(data)), time_(std::move(time)) {}
  template <class T>
  void append(const std::vector<double>& time, const std::vector<T>& values) {
    data_.append(values);
    time_.append(time);
  }

 private:
  h5::Series data_, time_;
};

// Rates of bins from `begin` to `end`, in seconds.
class RateSeries {
 public:
  RateSeries(h5::Series rate, h5::Series begin, h5::Series end)
      : rate_(std::move(rate)), begin_(std::move(begin)), end_(std::move(end)) {}
  void append(const std::vector<double>& begin, const std::vector<double>& end, const std::vector<float>& rate);

 private:
  h5::Series rate_, begin_, end_;
};

// What a stimulus showed, from `begin` to `end`, in seconds.
class PresentationSeries {
 public:
  PresentationSeries(h5::Series begin, h5::Series end, h5::Series index)
      : begin_(std::move(begin)), end_(std::move(end)), index_(std::move(index)) {}
  void append(const std::vector<double>& begin, const std::vector<double>& end,
              const std::vector<std::uint32_t>& index);

 private:
  h5::Series begin_, end_, index_;
};

// A report of SONATA: one value per neuron, sampled at start, start + step, ... without a gap.
struct ReportDescription {
  std::string group;  // within /report
  std::string population, record, variable, units;
  std::vector<NeuronId> neurons;  // ascending
  double start = 0, step = 0;     // [s]
};

class ReportSeries {
 public:
  ReportSeries(SampleSeries samples, h5::Dataset axis, double start, double step, std::uint64_t rows);
  void append(const std::vector<double>& time, const std::vector<float>& values);

 private:
  void write_axis();
  SampleSeries samples_;
  h5::Dataset axis_;  // start, stop, step of the samples that are there [ms]
  double start_, step_;
  std::uint64_t rows_;
};

// An attribute that says what columns are.
struct NamedList {
  std::string key;  // "groups"
  std::vector<std::string> names;
};

class ResultFile {
 public:
  // Creates the file, status "running". Throws IoError.
  ResultFile(const std::string& path, const RunFacts& facts);
  // Cuts the file at `path` back to what it was at `state` and goes on writing, of a run that may last longer now; the
  // create_ functions then open what is there. Throws IoError where the file is not that of the run that wrote `state`.
  ResultFile(const std::string& path, const RunFacts& facts, const ResultFileState& state);
  // /spikes/<population>, as SONATA has it; attribute recorded: begin and end [s] of what is recorded, pair by pair.
  SpikeSeries create_spikes(const std::string& population, const std::vector<double>& recorded = {});
  // /rates/<population>/{rate, time, end}: rates in Hz of bins from `time` to `end`; `bin` wide, less at the border of
  // a window.
  RateSeries create_rates(const std::string& population, double bin);
  // <group>/{rate, time, end}: the same of several columns, whose names are an attribute.
  RateSeries create_rate_columns(const std::string& group, const NamedList& columns, double bin);
  // /patterns/<stimulus>/{neuron, size}: the members of all patterns, one after the other, and how many each has.
  void write_patterns(const std::string& stimulus, const std::vector<std::vector<NeuronId>>& patterns);
  // /presentations/<stimulus>/{begin, end, index}.
  PresentationSeries create_presentations(const std::string& stimulus);
  // /report/<group>, as SONATA has it, and the times of the samples in seconds.
  ReportSeries create_report(const ReportDescription& report);
  // /weights/<connection>/<name>/{value, time, pre, post}: chosen synapses over time.
  SampleSeries create_synapses(const std::string& connection, const std::string& name, const std::string& units,
                               const std::vector<NeuronId>& pre, const std::vector<NeuronId>& post);
  // /weights/<connection>/<name>/{value, time}: numbers about weights, a dimension for each list, whose names are an
  // attribute.
  SampleSeries create_weight_columns(const std::string& connection, const std::string& name, const std::string& units,
                                     const std::vector<NamedList>& columns);
  // /weights/<connection>/<snapshot>/{pre, post, value}, attributes shape and time [s]. pre and post are stored once
  // per connection and linked from later snapshots.
  void write_snapshot(const std::string& connection, const std::string& snapshot, const std::string& units, double time,
                      NeuronId pre_size, NeuronId post_size, const std::vector<NeuronId>& pre,
                      const std::vector<NeuronId>& post, const std::vector<float>& value);
  // /network/<source>: attributes size, groups (texts); datasets group_first, group_size.
  void write_source(const std::string& name, NeuronId size, const std::vector<std::string>& groups,
                    const std::vector<NeuronId>& first, const std::vector<NeuronId>& sizes);
  // /phases/<name>: attributes begin, end [s].
  void write_phase(const std::string& name, double begin, double end);

  const std::string& run() const { return run_; }
  // For datasets that only one program writes.
  h5::File& file() { return file_; }
  void flush() { file_.flush(); }
  // Flushes to the disk itself; what resuming needs to come back here.
  ResultFileState sync();
  // Writes the end's facts and the status: complete | interrupted | stopped (for a reason), and closes the file.
  void finish(const std::string& status, double wall, double model, const std::string& reason = {});
  // After an error: leaves the file as the last flush left it and sets its status to "failed" in place, which needs
  // no room on the disk and no working HDF5.
  void fail();

 private:
  RateSeries create_rates_in(const std::string& group, const std::vector<hsize_t>& row, double bin);

  std::string run_;  // tells the files of runs apart
  h5::File file_;
  bool resumed_ = false;
  std::vector<std::pair<std::string, std::string>> first_snapshot_;  // connection, group
};

}  // namespace lpl
