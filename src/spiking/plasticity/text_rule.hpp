// Plasticity whose rule is a text (docs/rules.md).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "spiking/plasticity/plasticity.hpp"
#include "spiking/plasticity/rule_text.hpp"

namespace lpl::spiking {

// A trace of all neurons of a source together: x, then its spikes of the step add `jump` each, or set it, then all
// decays.
struct SourceTrace {
  std::size_t source = 0;
  Step delay = 0;
  double decay = 1, jump = 1, initial = 0;
  bool nearest = false;
};

struct TextRule final : RuleDescription {
  RuleText text;
  std::map<std::string, double> values;  // of parameters, SI
  std::vector<SourceTrace> source_traces;
  std::vector<Step> state_delays;  // of traces of states
  Step behind = 0;                 // of the delay, what lies behind the synapse; 0: it is axonal
  double dt = 0;                   // [s]

  SteadyValues steady() const {
    return text.steady([&](const std::string& name) { return values.at(name); }, dt);
  }
  std::unique_ptr<Plasticity> make(const RulePlace& place) const override;
  std::string summary() const override { return summary_of(text); }
};

// `text` has the rule's text. Where it is the `own` one of reading.rule, parameters have their defaults, else those
// that reading.rule gives.
std::shared_ptr<const RuleDescription> read_text_rule(const RuleReading& reading, Table& text, bool own);

}  // namespace lpl::spiking
