#include "rate/soundness.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace lpl::rate {
namespace {

class Inspector {
 public:
  explicit Inspector(Backend& backend) : backend_(backend) {}

  void look_at(const Block& block, std::size_t number) {
    block_ = number;
    for (const Layer& layer : block.layers) look_at(layer);
    if (block.shortcut) look_at(*block.shortcut);
    for (const Layer& layer : block.projector) look_at(layer);
    if (block.classifier) look_at(*block.classifier);
  }
  const std::string& found() const { return found_; }

 private:
  void look_at(const Layer& layer) {
    look_at(layer.weight);
    look_at(layer.bias);
    if (!layer.norm) return;
    look_at(layer.norm->weight);
    look_at(layer.norm->bias);
    look_at(layer.norm->mean.name, layer.norm->mean.value);
    look_at(layer.norm->variance.name, layer.norm->variance.value);
  }
  void look_at(const Parameter& p) {
    look_at(p.name, p.value);
    look_at("the optimiser's mean gradient of " + p.name, p.mean);
    look_at("the optimiser's mean square gradient of " + p.name, p.square);
  }
  void look_at(const std::string& name, const Array& array) {
    if (!found_.empty()) return;
    const std::vector<float> values = backend_.read(array);
    const auto broken = std::ranges::find_if(values, [](float v) { return !std::isfinite(v); });
    if (broken != values.end()) found_ = fmt::format("{} (block {}) holds {}", name, block_, *broken);
  }

  Backend& backend_;
  std::size_t block_ = 0;
  std::string found_;
};

}  // namespace

std::string broken_number(Encoder& encoder, Backend& backend) {
  Inspector inspector(backend);
  for (std::size_t b = 0; b < encoder.blocks().size(); ++b) inspector.look_at(encoder.blocks()[b], b + 1);
  return inspector.found();
}

}  // namespace lpl::rate
