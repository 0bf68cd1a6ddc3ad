// What ranks tell each other in a training step, on the host, for every backend. Order and sums are those of the
// slices, whoever computed them.
#pragma once

#include <cstdint>
#include <vector>

#include "comm/communicator.hpp"
#include "rate/backend.hpp"

namespace lpl::rate {

// Collective. Of the whole batch, from the activities of this rank's slices; a rank without slices learns it from the
// others. Throws ConfigError where indices of 32 bits do not do.
HookShape hook_shape(Communicator& comm, const Batch& batch, const std::vector<Tensor>& z);

// Collective. The values of all slices, one after the other, from those of this rank's; `row` values a sample and view.
std::vector<float> gather_slices(Communicator& comm, const Batch& batch, std::int64_t row, std::vector<float> own);

// Collective. to[i] = sum over all slices of part[i], i < size; `own` are the parts of this rank's slices. `to` may be
// one of them.
void sum_slices(Communicator& comm, const Batch& batch, std::int64_t size, const std::vector<const float*>& own,
                float* to);

}  // namespace lpl::rate
