// The steps that a record sees.
#pragma once

#include <vector>

#include "spiking/description.hpp"

namespace lpl::spiking {

// When a record is on, ascending, an entry a phase.
std::vector<StepRange> windows_of(const RecordWindow& window, const std::vector<Phase>& phases);

// What of `windows` lies in `span`.
std::vector<StepRange> within(const StepRange& span, const std::vector<StepRange>& windows);

// Samples are taken at the multiples of `every` inside windows. A stretch of them has no gap: it samples begin,
// begin + every, ... before end, and end - begin is a multiple of `every`.
std::vector<StepRange> sampled_stretches(const std::vector<StepRange>& windows, Step every);

}  // namespace lpl::spiking
