// What texts of neuron models and of plasticity rules have in common: parameters, constants that follow from them, and
// what must hold of them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/expression.hpp"

namespace lpl::spiking {

struct ParameterText {
  std::string name;
  Dimension dimension;
  Expression low, high;  // of dt and what the text may name before parameters; may be null
  bool low_excluded = false;
  Expression fallback;  // of i and N
  std::string written, help;
};
struct NamedExpression {
  std::string name;
  Expression value;
};
// A name that is explained.
struct NamedText {
  std::string name, help;
};
struct RequirementText {
  Expression that;
  std::string of, otherwise;
  std::string subject{};  // what `value`, a time, is said to be first; empty where nothing is
  Expression value = nullptr;
};

struct SteadyText {
  std::string title, source;
  std::vector<ParameterText> parameters;
  std::vector<NamedExpression> constants;
  std::vector<RequirementText> requirements;

  const ParameterText* parameter(const std::string& name) const;
};

// The values of parameters, of one neuron or of all.
using ParameterValues = std::function<double(const std::string& parameter)>;

// What is wrong with values, bounds and requirements: the parameter that it is about (may be empty), and a message that
// goes on after "'tau' is "0 ms"".
struct ValueFault {
  std::string parameter, message;
};
std::optional<ValueFault> fault_in(const SteadyText& text, const ParameterValues& values, double dt);

}  // namespace lpl::spiking
