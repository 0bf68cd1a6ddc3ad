// What a description can name, for people: what lpl_sim --models, --stimuli, --wirings, --rules and --records print,
// and docs/models.md.
#pragma once

#include <string>

namespace lpl::spiking {

// A line each: name and title.
std::string list_of_models();

// A line each: what a description calls it, and what it is.
std::string list_of_stimuli();
std::string list_of_wirings();
std::string list_of_rules();
std::string list_of_records();

// Parameters with their defaults, states, receptors, equations. Throws ConfigError where there is no such model.
std::string page_of_model(const std::string& name);
// Of a rule that is a text: parameters, traces, states of synapses and what changes them.
std::string page_of_rule(const std::string& name);

}  // namespace lpl::spiking
