#include "io/import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <sstream>

#include "core/errors.hpp"
#include "core/text.hpp"
#include "core/whole_file.hpp"
#include "io/file_kind.hpp"
#include "io/hdf5.hpp"

namespace lpl {
namespace {

bool is_blank(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

// Why a word of a text file is no finite number.
std::string no_number(std::string_view word, std::errc failure) {
  if (failure == std::errc::result_out_of_range)
    return fmt::format("{} lies outside what a number can hold, about 2e-308 to 2e308", in_quotes(word));
  const bool comma = word.find_first_of(",;") != std::string_view::npos;
  return fmt::format("{} is not a number{}", in_quotes(word),
                     comma ? "; write decimals with a point, and blanks between numbers" : "");
}

double number_of(std::string_view word, const TextRow& row, std::size_t column, const std::string& path,
                 std::size_t line) {
  const std::string_view digits = word.substr(word.starts_with('+') && !word.starts_with("+-") ? 1 : 0);
  double value = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool whole = end == digits.data() + digits.size();
  if (failure != std::errc{} || !whole)
    throw ConfigError(fmt::format("{}:{}:{}: {}; expected number {} of the line", path, line, column,
                                  no_number(word, whole ? failure : std::errc::invalid_argument), row.size() + 1));
  if (!std::isfinite(value))
    throw ConfigError(fmt::format("{}:{}:{}: the value is {}; all values must be finite", path, line, column, value));
  return value;
}

// Where the text of a file begins: after the mark that some editors put there. Refuses what is no text in lines.
std::size_t begin_of_text(const std::string& path, const std::string& bytes) {
  if (const std::string kind = kind_by_bytes(bytes); !kind.empty())
    throw ConfigError(fmt::format("{}: is no text; it is {}", path, kind));
  if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF"))
    throw ConfigError(fmt::format("{}: is text in UTF-16; save it as UTF-8", path));
  if (const std::size_t zero = bytes.find('\0'); zero != std::string::npos)
    throw ConfigError(fmt::format("{}: is no text: its byte {} is zero, as in UTF-16; save it as UTF-8", path, zero));
  for (std::size_t at = bytes.find('\r'); at != std::string::npos; at = bytes.find('\r', at + 1))
    if (at + 1 < bytes.size() && bytes[at + 1] != '\n')
      throw ConfigError(fmt::format(
          "{}: byte {} is a carriage return without a line feed; end lines as Unix or Windows do", path, at));
  return bytes.starts_with("\xEF\xBB\xBF") ? 3 : 0;
}

}  // namespace

void TextRow::fail(std::size_t i, const std::string& message) const {
  throw ConfigError(fmt::format("{}:{}:{}: {}", path_, line_, columns_.at(std::min(i, size() - 1)), message));
}

void TextRow::expect(std::size_t count, const std::string& what) const {
  if (size() != count)
    fail(std::min(size() - 1, count),
         fmt::format("the line has {} number{}; expected {}: {}", size(), size() == 1 ? "" : "s", count, what));
}

namespace {

// Returns whether there was a number.
bool for_each_row_of(
    const std::string& path, const std::string& bytes, const std::function<void(const TextRow&)>& row,
    const std::function<void()>& blank = [] {}) {
  std::size_t line_number = 1;
  bool any = false;
  for (std::size_t begin = begin_of_text(path, bytes); begin < bytes.size(); ++line_number) {
    const std::size_t end = std::min(bytes.find('\n', begin), bytes.size());
    const std::string_view line(bytes.data() + begin, end - begin);
    TextRow numbers(path, line_number);
    bool commented = false;
    for (std::size_t at = 0; at < line.size();) {
      if (is_blank(line[at])) {
        ++at;
        continue;
      }
      commented = line[at] == '#' || line[at] == '%';
      if (commented) break;
      std::size_t stop = at;
      while (stop < line.size() && !is_blank(line[stop])) ++stop;
      numbers.add(number_of(line.substr(at, stop - at), numbers, at + 1, path, line_number), at + 1);
      at = stop;
    }
    if (numbers.size() > 0) {
      any = true;
      row(numbers);
    } else if (!commented) {
      blank();
    }
    begin = end + 1;
  }
  return any;
}

}  // namespace

void for_each_row(const std::string& path, const std::function<void(const TextRow&)>& row,
                  const std::function<void()>& blank) {
  if (!for_each_row_of(path, whole_file(path), row, blank))
    throw ConfigError(fmt::format("{}: holds no numbers", path));
}

namespace {

bool is_whole(double value) { return value == std::floor(value); }

struct TimeUnit {
  std::string name;
  double seconds;
};
const TimeUnit kSeconds{"s", 1};

// Collects the spikes of a file.
class Spikes {
 public:
  Spikes(const std::string& path, NeuronId size, double dt, const TimeUnit& unit = kSeconds)
      : path_(path), size_(size), dt_(dt), unit_(unit) {}

  // `fail(which, message)` throws at the place of the time (0) or of the neuron (1).
  template <class Fail>
  void add(double time, double neuron, Fail&& fail) {
    if (neuron < 0 || neuron >= size_ || !is_whole(neuron))
      fail(1, fmt::format("neuron {} does not exist; the stimulus has neurons 0 to {}", neuron, size_ - 1));
    const auto refuse = [&](const std::string& why) {
      fail(0, fmt::format("the spike time {} {} {}", time, unit_.name, why));
    };
    if (!std::isfinite(time)) refuse("is not finite");
    if (time < 0) refuse("is negative");
    const double count = time * unit_.seconds / dt_;
    if (count >= static_cast<double>(kLongestRun))
      refuse(
          fmt::format("lies after the end of the longest possible run, {} s", static_cast<double>(kLongestRun) * dt_));
    const auto step = static_cast<Step>(std::llround(count));
    if (std::abs(count - static_cast<double>(step)) > kOnGrid) ++rounded_;
    spikes_.emplace_back(step, static_cast<NeuronId>(neuron));
  }

  // Sorts by (step, neuron) and refuses duplicates.
  SpikeTrain sorted() && {
    std::sort(spikes_.begin(), spikes_.end());
    const auto twin = std::adjacent_find(spikes_.begin(), spikes_.end());
    if (twin != spikes_.end())
      throw ConfigError(
          fmt::format("{}: neuron {} spikes twice in step {}, at {} s; at most one spike a step is possible", path_,
                      twin->second, twin->first, static_cast<double>(twin->first) * dt_));
    SpikeTrain train;
    train.rounded = rounded_;
    train.step.reserve(spikes_.size());
    train.neuron.reserve(spikes_.size());
    for (const auto& [step, neuron] : spikes_) {
      train.step.push_back(step);
      train.neuron.push_back(neuron);
    }
    return train;
  }

 private:
  // How far from a step a time may lie, in steps, that was written with few digits.
  static constexpr double kOnGrid = 1e-3;
  const std::string& path_;
  NeuronId size_;
  double dt_;
  TimeUnit unit_;
  std::size_t rounded_ = 0;
  std::vector<std::pair<Step, NeuronId>> spikes_;
};

// Auryn's tag of a file of states, 61000 + version in the places of the values.
bool is_tag_of_states(std::uint32_t tag) {
  const auto value = std::bit_cast<float>(tag);
  return value >= 61000 && value < 62000 && is_whole(value);
}

// Auryn's binary files begin with the steps of a second and a tag: 28796, a digit for what the records are, and three
// for the version. The records of 0.x are known; lpl.py writes version 0.
void check_auryn_header(const std::string& path, std::uint32_t steps_per_second, std::uint32_t tag) {
  constexpr std::uint32_t kAuryn = 28796, kSpikes = 0, kStates = 1, kKnownVersions = 100;
  const std::uint32_t records = tag / 1000 % 10, version = tag % 1000;
  const bool of_auryn = tag / 10000 == kAuryn;
  if (is_tag_of_states(tag) || (of_auryn && records == kStates))
    throw ConfigError(fmt::format("{}: is an Auryn file of a state variable, not of spikes", path));
  if (steps_per_second == 0 || !of_auryn)
    throw ConfigError(
        fmt::format("{}: the header is ({}, {}); a .spk file starts with the steps of a second and a tag of "
                    "287960000 + version, little-endian",
                    path, steps_per_second, tag));
  if (records != kSpikes)
    throw ConfigError(fmt::format(
        "{}: the tag of its header, {}, is none of Auryn's files of spikes, 287960000 + version", path, tag));
  if (version >= kKnownVersions)
    throw ConfigError(
        fmt::format("{}: is of Auryn {}.{}.{}, whose records are not known here; those of Auryn 0.x are: write the "
                    "spikes as text with Auryn's aube, and name that .ras",
                    path, version / 100, version / 10 % 10, version % 10));
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
  check_auryn_header(path, header[0], header[1]);
  Spikes spikes(path, size, dt);
  for (std::size_t at = 8; at < bytes.size(); at += 8) {
    std::uint32_t record[2];
    std::memcpy(record, bytes.data() + at, 8);
    spikes.add(static_cast<double>(record[0]) / header[0], record[1], [&](int, const std::string& message) {
      throw ConfigError(fmt::format("{}: record {}: {}", path, at / 8, message));
    });
  }
  return std::move(spikes).sorted();
}

SpikeTrain read_raster_text(const std::string& path, NeuronId size, double dt) {
  Spikes spikes(path, size, dt);
  for_each_row_of(path, whole_file(path), [&](const TextRow& row) {
    row.expect(2, "time in seconds and neuron");
    spikes.add(row[0], row[1], [&](std::size_t which, const std::string& message) { row.fail(which, message); });
  });
  return std::move(spikes).sorted();
}

// The unit of SONATA's timestamps: theirs, or that of a group which they are in.
TimeUnit sonata_unit(const h5::File& file, const std::string& timestamps) {
  std::string unit = "ms";
  for (std::string place = timestamps; !place.empty(); place.resize(place.rfind('/')))
    if (const auto stated = file.text_attribute(place, "units")) {
      unit = *stated;
      break;
    }
  if (unit == "ms" || unit == "millisecond" || unit == "milliseconds") return {"ms", 1e-3};
  if (unit == "s" || unit == "sec" || unit == "second" || unit == "seconds") return {"s", 1};
  if (unit == "us" || unit == "microsecond" || unit == "microseconds") return {"us", 1e-6};
  throw ConfigError(
      fmt::format("{}: {} has the units {}; known are ms, s and us", file.path(), timestamps, in_quotes(unit)));
}

// Where a SONATA file has times and neurons.
struct SonataPlace {
  std::string times, neurons;
};

SonataPlace sonata_place(const h5::File& file, std::string population) {
  const std::string& path = file.path();
  if (!file.exists("/spikes")) throw ConfigError(fmt::format("{}: has no group /spikes", path));
  if (file.exists("/spikes/gids") && file.exists("/spikes/timestamps")) {
    if (!population.empty())
      throw ConfigError(
          fmt::format("{}: has the layout without populations (/spikes/gids); leave 'spike_population' out", path));
    for (const std::string& name : file.children("/spikes"))
      if (name != "gids" && name != "timestamps")
        throw ConfigError(fmt::format(
            "{}: has both /spikes/gids and /spikes/{}; spikes lie directly in /spikes or in populations, not in both",
            path, name));
    return {"/spikes/timestamps", "/spikes/gids"};
  }
  const std::vector<std::string> names = file.children("/spikes");
  if (population.empty()) {
    if (names.size() != 1)
      throw ConfigError(fmt::format("{}: has {} populations of spikes{}; name one with 'spike_population'", path,
                                    names.size(), names.empty() ? "" : ": " + join(names, ", ")));
    population = names.front();
  }
  SonataPlace place{"/spikes/" + population + "/timestamps", "/spikes/" + population + "/node_ids"};
  if (!file.exists(place.times) || !file.exists(place.neurons))
    throw ConfigError(fmt::format("{}: has no {} and node_ids; /spikes holds {}", path, place.times,
                                  names.empty() ? "nothing" : join(names, ", ")));
  return place;
}

SpikeTrain read_sonata(const std::string& path, const std::string& population, NeuronId size, double dt) {
  try {
    const h5::File file = h5::File::open_read_only(path);
    const SonataPlace place = sonata_place(file, population);
    const std::vector<std::uint64_t> shape = file.shape(place.times);
    if (shape.size() != 1 || file.shape(place.neurons) != shape)
      throw ConfigError(fmt::format("{}: {} and {} must be lists of the same length, but have the shapes ({}) and ({})",
                                    path, place.times, place.neurons, fmt::join(shape, ", "),
                                    fmt::join(file.shape(place.neurons), ", ")));
    const auto times = file.read<double>(place.times);
    const auto neurons = file.read<double>(place.neurons);  // negative and fractional ones are seen so, and refused
    Spikes spikes(path, size, dt, sonata_unit(file, place.times));
    for (std::size_t i = 0; i < times.size(); ++i)
      spikes.add(times[i], neurons[i], [&](int which, const std::string& message) {
        throw ConfigError(fmt::format("{}: {}[{}]: {}", path, which == 0 ? place.times : place.neurons, i, message));
      });
    return std::move(spikes).sorted();
  } catch (const IoError& error) {
    throw ConfigError(error.what());
  }
}

}  // namespace

SpikeTrain read_spikes(const std::string& path, const std::string& population, NeuronId size, double dt) {
  if (path.ends_with(".spk")) return read_auryn_binary(path, size, dt);
  if (path.ends_with(".ras")) return read_raster_text(path, size, dt);
  if (path.ends_with(".h5")) return read_sonata(path, population, size, dt);
  throw ConfigError(fmt::format("{}: the format is not known; use .spk (Auryn), .ras (text) or .h5 (SONATA)", path));
}

namespace {

// The words of a MatrixMarket header.
struct MatrixForm {
  bool array = false, integer = false, pattern = false, symmetric = false;
};

MatrixForm read_matrix_header(const std::string& path, const std::string& bytes) {
  const std::size_t begin = begin_of_text(path, bytes);
  std::string line = bytes.substr(begin, bytes.find('\n', begin) - begin);
  std::transform(line.begin(), line.end(), line.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::vector<std::string> words;
  std::istringstream in(line);
  for (std::string word; words.size() < 6 && in >> word;) words.push_back(word);
  const auto refuse = [&](const std::string& found, const std::string& allowed) {
    throw ConfigError(fmt::format("{}:1: {}; {}", path, found, allowed));
  };
  if (words.empty() || words[0] != "%%matrixmarket")
    refuse("is not a MatrixMarket file", "it must start with '%%MatrixMarket matrix coordinate real general'");
  if (words.size() != 5)
    refuse(fmt::format("the header has {} words after %%MatrixMarket", words.size() - 1),
           "it must be as '%%MatrixMarket matrix coordinate real general'");
  MatrixForm form;
  if (words[1] != "matrix") refuse(fmt::format("holds a {}", in_quotes(words[1])), "only a matrix can be read");
  form.array = words[2] == "array";
  if (!form.array && words[2] != "coordinate")
    refuse(fmt::format("the format is {}", in_quotes(words[2])), "it must be coordinate or array");
  form.pattern = words[3] == "pattern";
  form.integer = words[3] == "integer" || words[3] == "unsigned-integer";
  if (!form.pattern && !form.integer && words[3] != "real" && words[3] != "double")
    refuse(fmt::format("the values are {}", in_quotes(words[3])), "weights are real, integer or pattern");
  if (form.pattern && form.array) refuse("an array cannot be a pattern", "write it as coordinate");
  form.symmetric = words[4] == "symmetric";
  if (!form.symmetric && words[4] != "general")
    refuse(fmt::format("the matrix is {}", in_quotes(words[4])),
           "weights are general or symmetric, as half of another matrix is negative or complex");
  return form;
}

struct Entry {
  NeuronId pre, post;
  float value;
};

// Reads the lines below the header.
class MatrixBody {
 public:
  MatrixBody(const std::string& path, MatrixForm form) : path_(path), form_(form) {}

  void read(const TextRow& row) {
    if (!sized_) return read_size(row);
    if (form_.array)
      for (std::size_t i = 0; i < row.size(); ++i) read_element(row, i);
    else
      read_entry(row);
  }

  SparseMatrix finish() && {
    if (!sized_) throw ConfigError(fmt::format("{}: has no size line; it is truncated", path_));
    if (count_ != announced_)
      throw ConfigError(fmt::format("{}: announces {} entries but holds {}{}", path_, announced_, count_,
                                    count_ < announced_ ? "; it is truncated" : ""));
    std::sort(entries_.begin(), entries_.end(),
              [](const Entry& a, const Entry& b) { return std::pair(a.pre, a.post) < std::pair(b.pre, b.post); });
    const auto twin = std::adjacent_find(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
      return a.pre == b.pre && a.post == b.post;
    });
    if (twin != entries_.end())
      throw ConfigError(fmt::format("{}: entry ({}, {}) stands twice", path_, twin->pre + 1, twin->post + 1));
    SparseMatrix matrix{
        .rows = rows_, .columns = columns_, .pre = {}, .post = {}, .value = {}, .pattern = form_.pattern};
    for (const Entry& entry : entries_) {
      matrix.pre.push_back(entry.pre);
      matrix.post.push_back(entry.post);
      matrix.value.push_back(entry.value);
    }
    return matrix;
  }

 private:
  void read_size(const TextRow& row) {
    row.expect(form_.array ? 2 : 3, form_.array ? "rows and columns" : "rows, columns and entries");
    for (std::size_t i = 0; i < row.size(); ++i)
      if (row[i] < 0 || row[i] > (i < 2 ? std::numeric_limits<NeuronId>::max() : 1e15) || !is_whole(row[i]))
        row.fail(
            i, fmt::format("the size line holds {}; sizes are whole numbers, of rows and columns below 2^32", row[i]));
    rows_ = static_cast<NeuronId>(row[0]);
    columns_ = static_cast<NeuronId>(row[1]);
    if (form_.symmetric && rows_ != columns_)
      row.fail(1, fmt::format("a symmetric matrix cannot be {} x {}", rows_, columns_));
    const std::uint64_t all =
        form_.symmetric ? std::uint64_t{rows_} * (std::uint64_t{rows_} + 1) / 2 : std::uint64_t{rows_} * columns_;
    announced_ = form_.array ? all : static_cast<std::uint64_t>(row[2]);
    if (announced_ > all)
      row.fail(2,
               fmt::format("{} entries are announced, but a {} x {} matrix has {}", announced_, rows_, columns_, all));
    sized_ = true;
  }

  void read_entry(const TextRow& row) {
    row.expect(form_.pattern ? 2 : 3, form_.pattern ? "pre and post" : "pre, post and weight");
    for (std::size_t i = 0; i < 2; ++i)
      if (row[i] < 1 || row[i] > (i == 0 ? rows_ : columns_) || !is_whole(row[i]))
        row.fail(i, fmt::format("entry ({}, {}) lies outside the {} x {} matrix (indices start at 1)", row[0], row[1],
                                rows_, columns_));
    if (form_.symmetric && row[1] > row[0])
      row.fail(1, fmt::format("entry ({}, {}) lies above the diagonal; of a symmetric matrix the file holds the rest",
                              row[0], row[1]));
    add(static_cast<NeuronId>(row[0] - 1), static_cast<NeuronId>(row[1] - 1), form_.pattern ? 1.0f : weight(row, 2));
  }

  // Of an array: column by column, of a symmetric one from the diagonal down. What is 0 is no entry.
  void read_element(const TextRow& row, std::size_t i) {
    if (count_ == announced_) row.fail(i, fmt::format("more than {} values stand in the file", announced_));
    const float value = weight(row, i);
    if (value != 0)
      add(row_, column_, value);
    else
      ++count_;
    if (++row_ < rows_) return;
    ++column_;
    row_ = form_.symmetric ? column_ : 0;
  }

  float weight(const TextRow& row, std::size_t i) const {
    const double value = row[i];
    const double size = std::abs(value);
    if (size > kLargestWeight || (size != 0 && size < static_cast<double>(std::numeric_limits<float>::min())))
      row.fail(i, fmt::format("the weight is {}; its size must be 0 or from 1.2e-38 to {}", value, kLargestWeight));
    if (form_.integer && !is_whole(value))
      row.fail(i, fmt::format("the weight is {}, but the header says that the values are integer", value));
    return static_cast<float>(value);
  }

  void add(NeuronId pre, NeuronId post, float value) {
    ++count_;
    entries_.push_back({pre, post, value});
    if (form_.symmetric && pre != post) entries_.push_back({post, pre, value});
  }

  const std::string& path_;
  MatrixForm form_;
  bool sized_ = false;
  NeuronId rows_ = 0, columns_ = 0;
  std::uint64_t announced_ = 0, count_ = 0;  // of what stands in the file
  NeuronId row_ = 0, column_ = 0;            // of an array: the next value's
  std::vector<Entry> entries_;
};

}  // namespace

SparseMatrix read_matrix_market(const std::string& path) {
  const std::string bytes = whole_file(path);
  MatrixBody body(path, read_matrix_header(path, bytes));
  for_each_row_of(path, bytes, [&](const TextRow& row) { body.read(row); });
  return std::move(body).finish();
}

}  // namespace lpl
