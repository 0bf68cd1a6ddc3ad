// what = "state".
#pragma once

#include "spiking/record/reports.hpp"

namespace lpl::spiking {

struct StateRecord final : RecordDescription {
  std::unique_ptr<Record> make(const RecordPlace& place) const override;
  void add_size(SizeEstimate& estimate) const override { of.add_size(estimate, windows); }
  ReportedNeurons of;  // whose variable is "V", or a trace, "CONNECTION.TRACE"
};

}  // namespace lpl::spiking
