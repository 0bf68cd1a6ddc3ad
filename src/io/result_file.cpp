#include "io/result_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>
#include <random>
#include <sstream>

#include "core/errors.hpp"
#include "core/text.hpp"
#include "core/version.hpp"
#include "io/file_kind.hpp"

namespace lpl {

namespace {

constexpr std::size_t kStatusRoom = 16;

std::string padded_status(std::string status) {
  status.resize(kStatusRoom, '\0');
  return status;
}

std::string unique_name() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}", device(), device());
}

// The beginning of a file, where the attributes of its root lie.
std::string head_of(const std::string& path) {
  std::string head(1 << 16, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(file.gcount()));
  return head;
}

// Looks for the run's name in the raw bytes: after a kill, HDF5 may be unable to open the file before it is restored.
const std::string& checked_run(const std::string& path, const std::string& run) {
  if (!std::ifstream(path))
    throw IoError(fmt::format("{}: the result file of the checkpoint is not there; name it with --out", path));
  if (head_of(path).find(run) == std::string::npos)
    throw IoError(
        fmt::format("{}: is not the result file of the run that wrote the checkpoint; name that with --out", path));
  return run;
}

// Texts of all files, one a line.
std::string lines_of(const std::vector<InputFile>& files, std::string InputFile::*text) {
  std::string lines;
  for (const InputFile& file : files) lines += file.*text + "\n";
  return lines;
}

std::vector<InputFile> inputs_of(const h5::File& file) {
  std::vector<InputFile> inputs;
  if (!file.exists("/config/inputs")) return inputs;
  std::istringstream paths(file.read_text("/config/inputs/path")), sums(file.read_text("/config/inputs/checksum"));
  for (InputFile input; std::getline(paths, input.path) && std::getline(sums, input.checksum);) inputs.push_back(input);
  return inputs;
}

std::string options_of(const h5::File& file) {
  return file.exists("/config/options") ? file.read_text("/config/options") : "";
}

std::string with(const std::string& options) { return options.empty() ? "without options" : "with " + options; }

// In what the run of the result file at `path` differs from `facts`, "" where in nothing.
std::string difference(const std::string& path, const RunFacts& facts) {
  try {
    const h5::File file = h5::File::open_read_only(path);
    if (const std::string then = options_of(file); then != facts.options)
      return fmt::format("made {} there, {} here", with(then), with(facts.options));
    const std::string lines = first_difference(file.read_text("/config/description"), facts.description);
    return lines.empty() ? first_difference(inputs_of(file), facts.inputs) : lines;
  } catch (const IoError&) {
    return "it cannot be read";
  }
}

}  // namespace

bool check_replaceable(const std::string& path, const RunFacts& facts) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return false;
  if (!facts.run.empty() && head_of(path).find(facts.run) != std::string::npos) return true;
  if (const std::string found = what_is(path); found != kResult && found != kNoFile)
    throw ConfigError(
        fmt::format("{}: is there already, and is {}; name another file with --out, or move it away", path, found));
  if (const std::string other = difference(path, facts); !other.empty())
    throw ConfigError(
        fmt::format("{}: is there already, and not the result of this run ({}); name another file with --out, or "
                    "replace it with --overwrite",
                    path, other));
  return true;
}

void SpikeSeries::append(const std::vector<double>& timestamps, const std::vector<std::uint64_t>& node_ids) {
  timestamps_.append(timestamps);
  node_ids_.append(node_ids);
}

void RateSeries::append(const std::vector<double>& begin, const std::vector<double>& end,
                        const std::vector<float>& rate) {
  rate_.append(rate);
  begin_.append(begin);
  end_.append(end);
}

void PresentationSeries::append(const std::vector<double>& begin, const std::vector<double>& end,
                                const std::vector<std::uint32_t>& index) {
  begin_.append(begin);
  end_.append(end);
  index_.append(index);
}

ReportSeries::ReportSeries(SampleSeries samples, h5::Dataset axis, double start, double step, std::uint64_t rows)
    : samples_(std::move(samples)), axis_(std::move(axis)), start_(start * 1e3), step_(step * 1e3), rows_(rows) {
  write_axis();
}

void ReportSeries::append(const std::vector<double>& time, const std::vector<float>& values) {
  samples_.append(time, values);
  rows_ += time.size();
  write_axis();
}

// Readers count the samples as (stop - start) / step, some of them rounding down.
void ReportSeries::write_axis() {
  const auto rows = static_cast<double>(rows_);
  double stop = start_ + rows * step_;
  while ((stop - start_) / step_ < rows) stop = std::nextafter(stop, std::numeric_limits<double>::infinity());
  const double axis[] = {start_, stop, step_};
  axis_.write_rows(0, 3, axis);
}

ResultFile::ResultFile(const std::string& path, const RunFacts& facts)
    : run_(facts.run.empty() ? unique_name() : facts.run), file_(h5::File::create(path)) {
  file_.attribute("/", "status", "running", kStatusRoom);
  file_.attribute("/", "magic", std::vector<std::uint32_t>{0x0A7A});
  file_.attribute("/", "version", std::vector<std::uint32_t>{0, 1});
  file_.attribute("/", "run", run_);
  file_.attribute("/", "program", facts.program);
  file_.attribute("/", "program_version", kVersion);
  file_.attribute("/", "git_revision", kRevision);
  file_.attribute("/", "command_line", facts.command_line);
  file_.attribute("/", "ranks", std::vector<std::uint32_t>{static_cast<std::uint32_t>(facts.ranks)});
  file_.attribute("/", "seed", std::vector<std::uint64_t>{facts.seed});
  file_.attribute("/", "dt", facts.dt);
  for (const char* key : {"wall_time", "model_time", "real_time_factor"}) file_.attribute("/", key, 0.0);
  file_.write_text("/config/description", facts.description);
  if (!facts.options.empty()) file_.write_text("/config/options", facts.options);
  file_.write_text("/config/inputs/path", lines_of(facts.inputs, &InputFile::path));
  file_.write_text("/config/inputs/checksum", lines_of(facts.inputs, &InputFile::checksum));
  if (facts.dt > 0) file_.create_group("/spikes");
}

ResultFile::ResultFile(const std::string& path, const RunFacts& facts, const ResultFileState& state)
    : run_(checked_run(path, state.run)),
      file_(h5::File::resume(path, state.file)),
      resumed_(true),
      first_snapshot_(state.first_snapshot) {
  if (file_.read_text("/config/description") == facts.description) return;
  file_.remove("/config/description");
  file_.write_text("/config/description", facts.description);
}

ResultFileState ResultFile::sync() { return {run_, file_.sync(), first_snapshot_}; }

SpikeSeries ResultFile::create_spikes(const std::string& population, const std::vector<double>& recorded) {
  const std::string group = "/spikes/" + population;
  if (!resumed_) {
    file_.create_series<double>(group + "/timestamps", 0, kSpikesAChunk);
    file_.attribute(group + "/timestamps", "units", "ms");
    file_.create_series<std::uint64_t>(group + "/node_ids", 0, kSpikesAChunk);
    file_.sorting_by_time(group);
  }
  if (!recorded.empty()) file_.attribute(group, "recorded", recorded);
  return {file_.open_series(group + "/timestamps"), file_.open_series(group + "/node_ids")};
}

RateSeries ResultFile::create_rates(const std::string& population, double bin) {
  return create_rates_in("/rates/" + population, {}, bin);
}

RateSeries ResultFile::create_rate_columns(const std::string& group, const NamedList& columns, double bin) {
  RateSeries series = create_rates_in(group, {columns.names.size()}, bin);
  if (!resumed_) file_.attribute(group, columns.key, columns.names);
  return series;
}

RateSeries ResultFile::create_rates_in(const std::string& group, const std::vector<hsize_t>& row, double bin) {
  if (resumed_)
    return {file_.open_series(group + "/rate"), file_.open_series(group + "/time"), file_.open_series(group + "/end")};
  h5::Series rate = file_.create_series<float>(group + "/rate", row, kSamplesAChunk);
  file_.attribute(group + "/rate", "units", "Hz");
  h5::Series begin = file_.create_series<double>(group + "/time", 0, kSamplesAChunk),
             end = file_.create_series<double>(group + "/end", 0, kSamplesAChunk);
  for (const char* border : {"/time", "/end"}) file_.attribute(group + border, "units", "s");
  file_.attribute(group, "bin", bin);
  return {std::move(rate), std::move(begin), std::move(end)};
}

void ResultFile::write_patterns(const std::string& stimulus, const std::vector<std::vector<NeuronId>>& patterns) {
  if (resumed_) return;
  std::vector<NeuronId> neurons, sizes;
  for (const std::vector<NeuronId>& pattern : patterns) {
    neurons.insert(neurons.end(), pattern.begin(), pattern.end());
    sizes.push_back(static_cast<NeuronId>(pattern.size()));
  }
  file_.write("/patterns/" + stimulus + "/neuron", neurons);
  file_.write("/patterns/" + stimulus + "/size", sizes);
}

PresentationSeries ResultFile::create_presentations(const std::string& stimulus) {
  const std::string group = "/presentations/" + stimulus;
  if (!resumed_) {
    for (const char* border : {"/begin", "/end"}) {
      file_.create_series<double>(group + border, 0, kSamplesAChunk);
      file_.attribute(group + border, "units", "s");
    }
    file_.create_series<std::uint32_t>(group + "/index", 0, kSamplesAChunk);
  }
  return {file_.open_series(group + "/begin"), file_.open_series(group + "/end"), file_.open_series(group + "/index")};
}

ReportSeries ResultFile::create_report(const ReportDescription& report) {
  const std::string group = "/report/" + report.group, mapping = group + "/mapping";
  if (resumed_) {
    h5::Series data = file_.open_series(group + "/data");
    const std::uint64_t rows = data.rows();
    return {{std::move(data), file_.open_series(group + "/time")},
            file_.open_dataset(mapping + "/time"),
            report.start,
            report.step,
            rows};
  }
  const std::size_t n = report.neurons.size();
  h5::Series data = file_.create_series<float>(group + "/data", n, report_rows_a_chunk(n));
  file_.attribute(group + "/data", "units", report.units);
  file_.attribute(group + "/data", "variable", report.variable);
  file_.attribute(group, "population", report.population);
  file_.attribute(group, "record", report.record);
  file_.write(mapping + "/node_ids", std::vector<std::uint64_t>(report.neurons.begin(), report.neurons.end()));
  file_.attribute(mapping + "/node_ids", "sorted", std::vector<std::uint8_t>{1});
  std::vector<std::uint64_t> pointers(n + 1);
  std::iota(pointers.begin(), pointers.end(), std::uint64_t{0});
  file_.write(mapping + "/index_pointers", pointers);
  file_.hard_link(mapping + "/index_pointers", mapping + "/index_pointer");
  file_.write(mapping + "/element_ids", std::vector<std::uint32_t>(n, 0));
  file_.write(mapping + "/element_pos", std::vector<float>(n, 0.0f));
  h5::Dataset axis = file_.create_compact<double>(mapping + "/time", {3});
  file_.attribute(mapping + "/time", "units", "ms");
  h5::Series time = file_.create_series<double>(group + "/time", 0, kSamplesAChunk);
  file_.attribute(group + "/time", "units", "s");
  return {{std::move(data), std::move(time)}, std::move(axis), report.start, report.step, 0};
}

SampleSeries ResultFile::create_synapses(const std::string& connection, const std::string& name,
                                         const std::string& units, const std::vector<NeuronId>& pre,
                                         const std::vector<NeuronId>& post) {
  const std::string group = fmt::format("/weights/{}/{}", connection, name);
  if (resumed_) return {file_.open_series(group + "/value"), file_.open_series(group + "/time")};
  h5::Series value = file_.create_series<float>(group + "/value", pre.size(), kWeightRowsAChunk);
  file_.attribute(group + "/value", "units", units);
  file_.write(group + "/pre", pre);
  file_.write(group + "/post", post);
  h5::Series time = file_.create_series<double>(group + "/time", 0, kSamplesAChunk);
  file_.attribute(group + "/time", "units", "s");
  return {std::move(value), std::move(time)};
}

SampleSeries ResultFile::create_weight_columns(const std::string& connection, const std::string& name,
                                               const std::string& units, const std::vector<NamedList>& columns) {
  const std::string group = fmt::format("/weights/{}/{}", connection, name);
  if (resumed_) return {file_.open_series(group + "/value"), file_.open_series(group + "/time")};
  std::vector<hsize_t> row;
  for (const NamedList& list : columns) row.push_back(list.names.size());
  h5::Series value = file_.create_series<float>(group + "/value", row, kWeightRowsAChunk);
  file_.attribute(group + "/value", "units", units);
  for (const NamedList& list : columns) file_.attribute(group, list.key, list.names);
  h5::Series time = file_.create_series<double>(group + "/time", 0, kSamplesAChunk);
  file_.attribute(group + "/time", "units", "s");
  return {std::move(value), std::move(time)};
}

void ResultFile::write_snapshot(const std::string& connection, const std::string& snapshot, const std::string& units,
                                double time, NeuronId pre_size, NeuronId post_size, const std::vector<NeuronId>& pre,
                                const std::vector<NeuronId>& post, const std::vector<float>& value) {
  const std::string group = fmt::format("/weights/{}/{}", connection, snapshot);
  file_.create_group(group);
  const auto first = std::find_if(first_snapshot_.begin(), first_snapshot_.end(),
                                  [&](const auto& entry) { return entry.first == connection; });
  if (first == first_snapshot_.end()) {
    file_.write(group + "/pre", pre);
    file_.write(group + "/post", post);
    first_snapshot_.emplace_back(connection, group);
  } else {
    file_.hard_link(first->second + "/pre", group + "/pre");
    file_.hard_link(first->second + "/post", group + "/post");
  }
  file_.write(group + "/value", value);
  file_.attribute(group + "/value", "units", units);
  file_.attribute(group, "shape", std::vector<std::uint64_t>{pre_size, post_size});
  file_.attribute(group, "time", time);
}

void ResultFile::write_source(const std::string& name, NeuronId size, const std::vector<std::string>& groups,
                              const std::vector<NeuronId>& first, const std::vector<NeuronId>& sizes) {
  if (resumed_) return;
  const std::string group = "/network/" + name;
  file_.create_group(group);
  file_.attribute(group, "size", std::vector<std::uint32_t>{size});
  file_.attribute(group, "groups", groups);
  file_.write(group + "/group_first", first);
  file_.write(group + "/group_size", sizes);
}

void ResultFile::write_phase(const std::string& name, double begin, double end) {
  const std::string group = "/phases/" + name;
  file_.create_group(group);
  file_.attribute(group, "begin", begin);
  file_.attribute(group, "end", end);
}

void ResultFile::finish(const std::string& status, double wall, double model, const std::string& reason) {
  file_.attribute("/", "wall_time", wall);
  file_.attribute("/", "model_time", model);
  file_.attribute("/", "real_time_factor", model > 0 ? wall / model : 0.0);
  if (!reason.empty()) file_.attribute("/", "reason", reason);
  file_.flush();
  // The status goes last: "complete" is written only after all data has reached the file.
  file_.set_text_attribute("/", "status", status);
  file_.close();
}

void ResultFile::fail() {
  file_.abandon();
  if (!file_.in_place()) return;  // what is there is another run's
  // The attribute holds "running" padded to its room; its bytes stand once, in the file's head.
  const std::size_t at = head_of(file_.path()).find(padded_status("running"));
  if (at == std::string::npos) return;
  std::fstream bytes(file_.path(), std::ios::in | std::ios::out | std::ios::binary);
  bytes.seekp(static_cast<std::streamoff>(at));
  const std::string failed = padded_status("failed");
  bytes.write(failed.data(), static_cast<std::streamsize>(failed.size()));
}

}  // namespace lpl
