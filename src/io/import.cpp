#include "io/import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <numeric>

#include "core/errors.hpp"
#include "io/hdf5.hpp"
#include "io/whole_file.hpp"

namespace lpl {
namespace {

// Calls `row(line_number, numbers)` for each line of whitespace-separated finite numbers.
template <class Row>
void for_each_row(const std::string& path, const std::string& bytes, std::size_t first_line, std::size_t offset,
                  Row&& row) {
  std::size_t line_number = first_line;
  std::vector<double> numbers;
  for (std::size_t begin = offset; begin < bytes.size(); ++line_number) {
    const std::size_t end = std::min(bytes.find('\n', begin), bytes.size());
    const char* p = bytes.data() + begin;
    const char* const stop = bytes.data() + end;
    numbers.clear();
    while (true) {
      while (p < stop && std::isspace(static_cast<unsigned char>(*p))) ++p;
      if (p == stop || *p == '#' || *p == '%') break;
      double value = 0;
      const auto [next, failure] = std::from_chars(p, stop, value);
      if (failure != std::errc{} || (next < stop && !std::isspace(static_cast<unsigned char>(*next))))
        throw ConfigError(fmt::format("{}:{}:{}: is not a number", path, line_number, p - (bytes.data() + begin) + 1));
      if (!std::isfinite(value))
        throw ConfigError(fmt::format("{}:{}:{}: the value is {}; all values must be finite", path, line_number,
                                      p - (bytes.data() + begin) + 1, value));
      numbers.push_back(value);
      p = next;
    }
    if (!numbers.empty()) row(line_number, numbers);
    begin = end + 1;
  }
}

// Sorts by (step, neuron) and refuses duplicates.
SpikeTrain sorted(const std::string& path, std::vector<std::pair<Step, NeuronId>> spikes) {
  std::sort(spikes.begin(), spikes.end());
  const auto twin = std::adjacent_find(spikes.begin(), spikes.end());
  if (twin != spikes.end())
    throw ConfigError(fmt::format("{}: neuron {} spikes twice in step {}; at most one spike a step is possible", path,
                                  twin->second, twin->first));
  SpikeTrain train;
  train.step.reserve(spikes.size());
  train.neuron.reserve(spikes.size());
  for (const auto& [step, neuron] : spikes) {
    train.step.push_back(step);
    train.neuron.push_back(neuron);
  }
  return train;
}

void check_neuron(const std::string& place, double neuron, NeuronId size) {
  if (neuron < 0 || neuron >= size || neuron != std::floor(neuron))
    throw ConfigError(
        fmt::format("{}: neuron {} does not exist; the stimulus has neurons 0 to {}", place, neuron, size - 1));
}

Step to_step(const std::string& place, double seconds, double dt) {
  if (!(seconds >= 0)) throw ConfigError(fmt::format("{}: spike time {} s is negative", place, seconds));
  return static_cast<Step>(std::llround(seconds / dt));
}

SpikeTrain read_auryn_binary(const std::string& path, NeuronId size, double dt) {
  const std::string bytes = whole_file(path);
  if (bytes.size() < 8 || bytes.size() % 8 != 0)
    throw ConfigError(
        fmt::format("{}: has {} bytes; a .spk file holds a header and records of 8 bytes each, so it "
                    "is truncated or of another format",
                    path, bytes.size()));
  std::uint32_t header[2];
  std::memcpy(header, bytes.data(), 8);
  if (header[0] == 0 || header[1] < 287960000 || header[1] >= 287970000)
    throw ConfigError(
        fmt::format("{}: the header is ({}, {}); a .spk file starts with steps per second and a tag of "
                    "287960000 + version",
                    path, header[0], header[1]));
  std::vector<std::pair<Step, NeuronId>> spikes;
  for (std::size_t at = 8; at < bytes.size(); at += 8) {
    std::uint32_t record[2];
    std::memcpy(record, bytes.data() + at, 8);
    const std::string place = fmt::format("{}: record {}", path, at / 8);
    check_neuron(place, record[1], size);
    spikes.emplace_back(to_step(place, static_cast<double>(record[0]) / header[0], dt), record[1]);
  }
  return sorted(path, std::move(spikes));
}

SpikeTrain read_raster_text(const std::string& path, NeuronId size, double dt) {
  std::vector<std::pair<Step, NeuronId>> spikes;
  for_each_row(path, whole_file(path), 1, 0, [&](std::size_t line, const std::vector<double>& numbers) {
    const std::string place = fmt::format("{}:{}", path, line);
    if (numbers.size() != 2)
      throw ConfigError(fmt::format("{}: has {} numbers; a .ras line holds time and neuron", place, numbers.size()));
    check_neuron(place, numbers[1], size);
    spikes.emplace_back(to_step(place, numbers[0], dt), static_cast<NeuronId>(numbers[1]));
  });
  return sorted(path, std::move(spikes));
}

SpikeTrain read_sonata(const std::string& path, std::string population, NeuronId size, double dt) {
  try {
    const h5::File file = h5::File::open_read_only(path);
    if (!file.exists("/spikes")) throw ConfigError(fmt::format("{}: has no group /spikes", path));
    if (population.empty()) {
      const auto names = file.children("/spikes");
      if (names.size() != 1)
        throw ConfigError(
            fmt::format("{}: has {} populations of spikes; name one with 'spike_population'", path, names.size()));
      population = names.front();
    }
    const std::string group = "/spikes/" + population;
    if (!file.exists(group + "/timestamps") || !file.exists(group + "/node_ids"))
      throw ConfigError(fmt::format("{}: has no {}/timestamps and node_ids", path, group));
    const auto times = file.read<double>(group + "/timestamps");
    const auto ids = file.read<std::uint64_t>(group + "/node_ids");
    if (times.size() != ids.size())
      throw ConfigError(fmt::format("{}: {} has {} timestamps but {} node_ids", path, group, times.size(), ids.size()));
    std::vector<std::pair<Step, NeuronId>> spikes;
    for (std::size_t i = 0; i < times.size(); ++i) {
      const std::string place = fmt::format("{}: {} entry {}", path, group, i);
      check_neuron(place, static_cast<double>(ids[i]), size);
      spikes.emplace_back(to_step(place, times[i] * 1e-3, dt), static_cast<NeuronId>(ids[i]));
    }
    return sorted(path, std::move(spikes));
  } catch (const IoError& error) {
    throw ConfigError(error.what());
  }
}

}  // namespace

std::vector<std::vector<double>> read_columns(const std::string& path, std::size_t columns) {
  std::vector<std::vector<double>> rows;
  for_each_row(path, whole_file(path), 1, 0, [&](std::size_t line, const std::vector<double>& numbers) {
    if (numbers.size() != columns)
      throw ConfigError(fmt::format("{}:{}: has {} numbers; each line holds {}", path, line, numbers.size(), columns));
    rows.push_back(numbers);
  });
  if (rows.empty()) throw ConfigError(fmt::format("{}: holds no numbers", path));
  return rows;
}

SpikeTrain read_spikes(const std::string& path, const std::string& population, NeuronId size, double dt) {
  if (path.ends_with(".spk")) return read_auryn_binary(path, size, dt);
  if (path.ends_with(".ras")) return read_raster_text(path, size, dt);
  if (path.ends_with(".h5")) return read_sonata(path, population, size, dt);
  throw ConfigError(fmt::format("{}: the format is not known; use .spk (Auryn), .ras (text) or .h5 (SONATA)", path));
}

SparseMatrix read_matrix_market(const std::string& path) {
  const std::string bytes = whole_file(path);
  if (!bytes.starts_with("%%MatrixMarket matrix coordinate"))
    throw ConfigError(
        fmt::format("{}:1: is not a MatrixMarket coordinate file; it must start with "
                    "'%%MatrixMarket matrix coordinate real general'",
                    path));
  SparseMatrix matrix;
  std::size_t announced = 0;
  bool sized = false;
  struct Entry {
    NeuronId pre, post;
    float value;
  };
  std::vector<Entry> entries;
  for_each_row(path, bytes, 1, 0, [&](std::size_t line, const std::vector<double>& numbers) {
    const std::string place = fmt::format("{}:{}", path, line);
    if (numbers.size() != 3)
      throw ConfigError(fmt::format("{}: has {} numbers; expected 3 ({})", place, numbers.size(),
                                    sized ? "pre post weight" : "rows columns entries"));
    if (!sized) {
      for (double number : numbers)
        if (number < 0 || number > 4e9 || number != std::floor(number))
          throw ConfigError(fmt::format("{}: the size line holds {}; sizes are whole numbers", place, number));
      matrix.rows = static_cast<NeuronId>(numbers[0]);
      matrix.columns = static_cast<NeuronId>(numbers[1]);
      announced = static_cast<std::size_t>(numbers[2]);
      sized = true;
      return;
    }
    if (numbers[0] < 1 || numbers[0] > matrix.rows || numbers[1] < 1 || numbers[1] > matrix.columns ||
        numbers[0] != std::floor(numbers[0]) || numbers[1] != std::floor(numbers[1]))
      throw ConfigError(fmt::format("{}: entry ({}, {}) lies outside the {} x {} matrix (indices start at 1)", place,
                                    numbers[0], numbers[1], matrix.rows, matrix.columns));
    entries.push_back(
        {static_cast<NeuronId>(numbers[0] - 1), static_cast<NeuronId>(numbers[1] - 1), static_cast<float>(numbers[2])});
  });
  if (!sized || entries.size() != announced)
    throw ConfigError(
        fmt::format("{}: announces {} entries but holds {}; it is truncated", path, announced, entries.size()));
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::pair(a.pre, a.post) < std::pair(b.pre, b.post); });
  const auto twin = std::adjacent_find(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.pre == b.pre && a.post == b.post;
  });
  if (twin != entries.end())
    throw ConfigError(fmt::format("{}: entry ({}, {}) stands twice", path, twin->pre + 1, twin->post + 1));
  for (const Entry& entry : entries) {
    matrix.pre.push_back(entry.pre);
    matrix.post.push_back(entry.post);
    matrix.value.push_back(entry.value);
  }
  return matrix;
}

}  // namespace lpl
