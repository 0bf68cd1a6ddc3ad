#include "core/cores.hpp"

#include <algorithm>

namespace lpl {

Cores allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  Cores cores;
  for (std::size_t core = 0; core < cores.size(); ++core) cores[core] = CPU_ISSET(core, &set);
  return cores;
}

std::size_t confined_to(const Cores& cores, const std::vector<Cores>& ranks) {
  return static_cast<std::size_t>(
      std::ranges::count_if(ranks, [&](const Cores& other) { return (other & ~cores).none(); }));
}

const Cores* crowded_cores(const std::vector<Cores>& ranks) {
  const auto crowded =
      std::ranges::find_if(ranks, [&](const Cores& cores) { return confined_to(cores, ranks) > cores.count(); });
  return crowded == ranks.end() ? nullptr : &*crowded;
}

}  // namespace lpl
