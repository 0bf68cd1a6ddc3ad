// Processor cores that processes may run on.
#pragma once

#include <sched.h>

#include <bitset>
#include <cstddef>
#include <vector>

namespace lpl {

using Cores = std::bitset<CPU_SETSIZE>;

// The cores that this process may run on.
Cores allowed_cores();

// How many of these ranks can run on no core outside of `cores`.
std::size_t confined_to(const Cores& cores, const std::vector<Cores>& ranks);

// The cores of a rank that shares them with more ranks than they are; nullptr where every rank can have its own.
const Cores* crowded_cores(const std::vector<Cores>& ranks);

}  // namespace lpl
