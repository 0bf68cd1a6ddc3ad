// what = "state".
#pragma once

#include "spiking/record/record.hpp"

namespace lpl::spiking {

struct StateRecord final : RecordDescription {
  std::unique_ptr<Record> make(const RecordPlace& place) const override;
  void add_size(SizeEstimate& estimate) const override;
  std::size_t population = 0;
  std::string variable;           // "V", or a trace, "CONNECTION.TRACE"
  std::vector<NeuronId> neurons;  // ascending
  Step every = 0;
  std::string group;  // in /report
};

}  // namespace lpl::spiking
