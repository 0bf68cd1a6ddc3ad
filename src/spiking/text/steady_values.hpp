// What does not change in a run.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "spiking/text/steady_text.hpp"

namespace lpl::spiking {

// Parameters, dt and the constants that follow from them.
class SteadyValues {
 public:
  SteadyValues(const std::vector<ParameterText>& parameters, const std::vector<NamedExpression>& constants,
               const ParameterValues& values, double dt)
      : dt_(dt) {
    for (const ParameterText& parameter : parameters) known_[parameter.name] = values(parameter.name);
    for (const NamedExpression& constant : constants) known_[constant.name] = of(constant.value);
  }
  // Of an expression of such names.
  double of(const Expression& tree) const {
    return *evaluate(tree, [this](const std::string& name) { return find(name); });
  }
  std::optional<double> find(const std::string& name) const {
    if (name == "dt") return dt_;
    const auto found = known_.find(name);
    return found == known_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  double dt_;
  std::map<std::string, double> known_;
};

}  // namespace lpl::spiking
