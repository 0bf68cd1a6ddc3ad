#include "rate/initial_parameters.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include "core/errors.hpp"
#include "core/text.hpp"
#include "io/safetensors.hpp"

namespace lpl::rate {
namespace {

constexpr std::size_t kShown = 3;  // names in a message

std::string some_of(const std::vector<std::string>& names) {
  std::string text =
      join({names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, names.size()))}, ", ");
  if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
  return text;
}

// What a name stands in: all up to its first number ("network.encoder.blocks.0", "classifier_heads.3"), or without one
// all but its last word ("network.encoder.conv1").
std::string part_of(const std::string& name) {
  std::size_t begin = 0;
  for (std::size_t end = name.find('.'); end != std::string::npos; begin = end + 1, end = name.find('.', begin)) {
    const std::string word = name.substr(begin, end - begin);
    if (!word.empty() && std::ranges::all_of(word, [](unsigned char c) { return std::isdigit(c) != 0; }))
      return name.substr(0, end);
  }
  return name.substr(0, name.rfind('.'));
}

// What parts of a kind share: their names without the numbers at the end ("network.encoder.blocks",
// "network.encoder.layer" of layer1.0 and layer4.2).
std::string kind_of(std::string part) {
  part.resize(part.find_last_not_of(".0123456789") + 1);
  return part;
}

// What the file has in place of a parameter.
std::string in_place_of(const std::string& parameter, const std::vector<std::string>& tensors) {
  for (const std::string& tensor : tensors) {
    if (tensor.ends_with("." + parameter))
      return fmt::format("it has {}: take '{}' off the names", tensor,
                         tensor.substr(0, tensor.size() - parameter.size()));
    if (parameter.ends_with("." + tensor))
      return fmt::format("it has {}: put '{}' before the names", tensor,
                         parameter.substr(0, parameter.size() - tensor.size()));
  }
  const std::string close = nearest(parameter, tensors);
  if (!close.empty()) return "the nearest name is " + close;
  return tensors.empty() ? "it is empty" : "it has " + some_of(tensors);
}

}  // namespace

std::vector<std::string> unused_tensors(const std::string& path, const std::vector<std::string>& tensors,
                                        const std::vector<std::string>& parameters) {
  const std::set<std::string> known(parameters.begin(), parameters.end());
  const std::set<std::string> found(tensors.begin(), tensors.end());
  for (const std::string& parameter : parameters)
    if (!found.contains(parameter))
      throw ConfigError(fmt::format("{}: has no tensor {}; {}", path, parameter, in_place_of(parameter, tensors)));

  std::set<std::string> parts, kinds;
  for (const std::string& parameter : parameters) {
    parts.insert(part_of(parameter));
    kinds.insert(kind_of(part_of(parameter)));
  }
  std::vector<std::string> unused, foreign, of_more_parts;
  for (const std::string& tensor : tensors) {
    if (known.contains(tensor) || tensor.ends_with(".num_batches_tracked")) continue;
    const std::string part = part_of(tensor);
    (parts.contains(part) ? foreign : kinds.contains(kind_of(part)) ? of_more_parts : unused).push_back(tensor);
  }
  if (!of_more_parts.empty())
    throw ConfigError(
        fmt::format("{}: is of another network: {} of its tensors stand in blocks that this one does not have: {}; "
                    "describe the network that the file is of, or remove them from the file",
                    path, of_more_parts.size(), some_of(of_more_parts)));
  if (foreign.empty()) return unused;
  std::string hint;
  if (std::ranges::any_of(foreign, [](const std::string& name) { return name.find(".bn") != std::string::npos; }))
    hint = " (normalised = true in a residual net: batch normalisation inside blocks)";
  else if (std::ranges::all_of(foreign, [](const std::string& name) { return name.ends_with(".bias"); }))
    hint = " (network.biases = true)";
  throw ConfigError(
      fmt::format("{}: is of another network: {} of its tensors stand in parts of this one that have no such "
                  "parameter: {}; describe the network that the file is of{}, or remove them from the file",
                  path, foreign.size(), some_of(foreign), hint));
}

void set_array(NamedArray& p, const std::string& file, const std::vector<std::int64_t>& shape,
               const std::vector<float>& values, Backend& backend) {
  if (shape != p.shape)
    throw ConfigError(fmt::format("{}: {} has shape [{}]; the network's has [{}]", file, p.name, fmt::join(shape, ", "),
                                  fmt::join(p.shape, ", ")));
  const auto broken = std::ranges::find_if(values, [](float v) { return !std::isfinite(v); });
  if (broken != values.end())
    throw ConfigError(fmt::format("{}: {} holds {}; every value must be finite", file, p.name, *broken));
  backend.write(p.value, to_array_order(values, p.shape));
}

std::string load_parameters(const std::string& path, const std::vector<NamedArray*>& network, Backend& backend) {
  const SafetensorsFile file(path);
  std::vector<std::string> parameters;
  parameters.reserve(network.size());
  for (const NamedArray* p : network) parameters.push_back(p->name);
  const std::vector<std::string> unused = unused_tensors(path, file.names(), parameters);
  for (NamedArray* p : network) {
    const StoredTensor tensor = file.read(p->name);
    set_array(*p, path, {tensor.shape.begin(), tensor.shape.end()}, tensor.values, backend);
  }
  return unused.empty() ? "" : fmt::format("{}: not used: {}", path, join(unused, ", "));
}

}  // namespace lpl::rate
