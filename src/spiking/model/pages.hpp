// The models of the catalogue, for people: what lpl_sim --models prints, and docs/models.md.
#pragma once

#include <string>

namespace lpl::spiking {

// A line each: name and title.
std::string list_of_models();

// Parameters with their defaults, states, receptors, equations. Throws ConfigError where there is no such model.
std::string page_of_model(const std::string& name);

}  // namespace lpl::spiking
