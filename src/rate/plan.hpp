// How long a training is, and whether what is asked of it happens in that time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rate/description.hpp"
#include "rate/pairs.hpp"

namespace lpl::rate {

// The number of steps of a run with so many steps an epoch.
std::int64_t planned_steps(const TrainingDescription& description, std::int64_t steps_per_epoch);

// Throws ConfigError where [record] names steps that are never taken. Returns warnings of what is allowed, but hardly
// meant: a schedule that has no time to reach its rate, more steps than there are, and those of check_readout().
std::vector<std::string> check_plan(const TrainingDescription& description, PairSource& pairs);

// Warns of batches of readouts that the images do not fill.
std::vector<std::string> check_readout(const TrainingDescription& description, PairSource& pairs);

}  // namespace lpl::rate
