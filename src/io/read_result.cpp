#include "io/read_result.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/errors.hpp"
#include "core/text.hpp"
#include "io/hdf5.hpp"

namespace lpl {
namespace {

std::string quoted(const std::vector<std::string>& names) {
  std::vector<std::string> list;
  for (const std::string& name : names) list.push_back(in_quotes(name));
  return list.empty() ? "none" : join(list, ", ");
}

// By time. Other records of the weights have no shape.
std::vector<std::string> snapshots_in(const h5::File& file, const std::string& group) {
  std::vector<std::pair<double, std::string>> found;
  for (const std::string& name : file.children(group)) {
    const std::string path = fmt::format("{}/{}", group, name);
    const std::vector<double> time = file.number_attribute(path, "time");
    if (time.size() == 1 && file.number_attribute(path, "shape").size() == 2) found.emplace_back(time.front(), name);
  }
  std::ranges::stable_sort(found, {}, [](const auto& entry) { return entry.first; });
  std::vector<std::string> names;
  for (auto& [time, name] : found) names.push_back(std::move(name));
  return names;
}

std::string checked_snapshot(const h5::File& file, const std::string& connection, const std::string& snapshot) {
  const std::string group = "/weights/" + connection;
  if (!file.exists("/weights") || !file.exists(group))
    throw ConfigError(fmt::format(
        "{}: holds no weights of a connection '{}'; there are those of {} (a record of 'weights' keeps them)",
        file.path(), connection,
        quoted(file.exists("/weights") ? file.children("/weights") : std::vector<std::string>{})));
  const std::vector<std::string> names = snapshots_in(file, group);
  if (snapshot.empty() && !names.empty()) return names.back();
  if (std::ranges::find(names, snapshot) == names.end())
    throw ConfigError(fmt::format("{}: holds no weights of '{}' at '{}'; there are {}", file.path(), connection,
                                  snapshot, quoted(names)));
  return snapshot;
}

NeuronId size_from(double number, const std::string& place) {
  if (!(number >= 0 && number <= 4294967295.0 && number == std::floor(number)))
    throw ConfigError(fmt::format("{}: 'shape' says {}, which is no number of neurons", place, number));
  return static_cast<NeuronId>(number);
}

std::string checked_phase(const h5::File& file, const std::string& owner, const std::string& phase) {
  const std::string root = "/variables";
  std::vector<std::pair<double, std::string>> found;
  std::vector<std::string> names, owners;
  for (const std::string& name : file.exists(root) ? file.children(root) : std::vector<std::string>{}) {
    const std::string group = fmt::format("{}/{}", root, name);
    for (const std::string& other : file.children(group))
      if (std::ranges::find(owners, other) == owners.end()) owners.push_back(other);
    const std::vector<double> step = file.number_attribute(fmt::format("{}/{}", group, owner), "step");
    if (step.size() == 1) found.emplace_back(step.front(), name);
  }
  if (found.empty())
    throw ConfigError(
        fmt::format("{}: holds no variables of '{}'; there are those of {} (a record of 'variables' keeps "
                    "them)",
                    file.path(), owner, quoted(owners)));
  std::ranges::stable_sort(found, {}, [](const auto& entry) { return entry.first; });
  for (const auto& [step, name] : found) {
    if (name == phase) return phase;
    names.push_back(name);
  }
  if (phase.empty()) return names.back();
  throw ConfigError(
      fmt::format("{}: holds no variables of '{}' at '{}'; there are {}", file.path(), owner, phase, quoted(names)));
}

template <class T>
std::string bytes_of(const h5::Dataset& dataset) {
  const std::vector<T> values = dataset.read<T>();
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string bytes_of(const h5::Dataset& dataset) {
  if (dataset.holds<float>()) return bytes_of<float>(dataset);
  if (dataset.holds<double>()) return bytes_of<double>(dataset);
  if (dataset.holds<std::int64_t>()) return bytes_of<std::int64_t>(dataset);
  dataset.refuse("float32, float64 or int64");
}

}  // namespace

std::string snapshot_of(const std::string& path, const std::string& connection, const std::string& snapshot) {
  return h5::of_user([&] { return checked_snapshot(h5::File::open_read_only(path), connection, snapshot); });
}

SparseMatrix read_weights(const std::string& path, const std::string& connection, const std::string& snapshot) {
  return h5::of_user([&] {
    const h5::File file = h5::File::open_read_only(path);
    const std::string group = fmt::format("/weights/{}/{}", connection, checked_snapshot(file, connection, snapshot));
    const std::vector<double> shape = file.number_attribute(group, "shape");
    const std::string place = path + group;
    SparseMatrix matrix;
    matrix.rows = size_from(shape[0], place);
    matrix.columns = size_from(shape[1], place);
    matrix.pre = file.read<NeuronId>(group + "/pre");
    matrix.post = file.read<NeuronId>(group + "/post");
    matrix.value = file.read<float>(group + "/value");
    if (matrix.pre.size() != matrix.value.size() || matrix.post.size() != matrix.value.size())
      throw ConfigError(fmt::format("{}: holds {} values of {} presynaptic and {} postsynaptic neurons", place,
                                    matrix.value.size(), matrix.pre.size(), matrix.post.size()));
    for (std::size_t i = 0; i < matrix.value.size(); ++i) {
      if (matrix.pre[i] >= matrix.rows || matrix.post[i] >= matrix.columns)
        throw ConfigError(fmt::format("{}: the synapse from {} to {} lies outside the {} x {} neurons", place,
                                      matrix.pre[i], matrix.post[i], matrix.rows, matrix.columns));
      if (!(std::abs(matrix.value[i]) <= kLargestWeight))
        throw ConfigError(fmt::format("{}: the weight from {} to {} is {}, which cannot be a weight", place,
                                      matrix.pre[i], matrix.post[i], matrix.value[i]));
      if (i > 0 && std::pair(matrix.pre[i], matrix.post[i]) < std::pair(matrix.pre[i - 1], matrix.post[i - 1]))
        throw ConfigError(fmt::format("{}: synapses are not sorted by (pre, post): that from {} to {} comes too late",
                                      place, matrix.pre[i], matrix.post[i]));
    }
    return matrix;
  });
}

std::string phase_of(const std::string& path, const std::string& owner, const std::string& phase) {
  return h5::of_user([&] { return checked_phase(h5::File::open_read_only(path), owner, phase); });
}

StoredVariables read_variables(const std::string& path, const std::string& owner, const std::string& phase) {
  return h5::of_user([&] {
    const h5::File file = h5::File::open_read_only(path);
    const std::string group = fmt::format("/variables/{}/{}", checked_phase(file, owner, phase), owner);
    StoredVariables stored;
    stored.step = std::llround(file.number_attribute(group, "step").front());
    stored.wiring = file.text_attribute(group, "wiring").value_or("");
    for (const std::string& name : file.children(group)) {
      const std::string place = fmt::format("{}/{}", group, name);
      stored.variables.push_back(
          {name, file.text_attribute(place, "by").value_or(""), bytes_of(file.open_dataset(place))});
    }
    return stored;
  });
}

}  // namespace lpl
