// What stimuli show when, which every result has.
#pragma once

#include "spiking/record/record.hpp"

namespace lpl::spiking {

// Of a stimulus with a schedule.
std::unique_ptr<Record> make_presentation_record(const RecordPlace& place, const StimulusDescription& stimulus);

}  // namespace lpl::spiking
