// What a stimulus shows when: presentations, one after the other, that follow from seed, name and number.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "spiking/stimulus/stimulus.hpp"
#include "spiking/wiring/distribution.hpp"

namespace lpl::spiking {

struct Presentation {
  Step begin, end;      // a step at least
  std::uint32_t index;  // of what is shown
  std::uint64_t number;
};

// Each window begins with a time off; presentations of a time on and times off follow each other, cut at the window's
// end.
struct Schedule {
  // Of a run of `end` steps.
  void warn(const Grid& grid, Step end, const std::vector<StepRange>& windows,
            const std::function<void(const std::string&)>& say) const;

  std::uint64_t seed = 0;
  std::uint32_t object = 0;
  double dt = 0;
  std::uint32_t count = 0;             // of things that an order can have
  std::vector<std::uint32_t> indices;  // of these things, where they are not 0 .. count-1
  Distribution on, off;                // [s]
  std::vector<std::uint32_t> order;    // shown again and again; empty: drawn
  std::vector<double> cumulative;      // of drawn ones with unequal probabilities
  bool is_replay = false;
  std::vector<Presentation> replayed;
  std::size_t rounded = 0;  // times in the replayed file that lie between steps

  void read_times(const StimulusReading& reading);
  void read_replay(const StimulusReading& reading, std::uint32_t things);

 private:
  void read_order(Table& table);
  void read_probabilities(Table& table);
};

// The keys `on`, `off`, `order`, `start` and `stop`, or `replay`, of a stimulus that can show the things 0 .. count-1,
// or, of these, those in `indices`.
void read_schedule(const StimulusReading& reading, std::uint32_t count, StimulusDescription& stimulus,
                   std::vector<std::uint32_t> indices = {});

// The presentations of a schedule in `windows`, in order.
class PresentationWalk {
 public:
  PresentationWalk(const Schedule& schedule, const std::vector<StepRange>& windows);
  // Begins after the longest run where there are no more.
  const Presentation& current() const { return current_; }
  void next();
  // To the first that ends after `step`.
  void advance(Step step) {
    while (current_.end <= step) next();
  }

 private:
  void next_replayed();
  Presentation drawn(Step from) const;

  const Schedule& schedule_;
  std::vector<StepRange> windows_;
  std::size_t window_ = 0, replayed_ = 0;
  std::uint64_t number_ = 0;
  Step from_ = 0;  // the next time off begins
  Presentation current_{};
};

// Calls visit(presentation) for those that are shown in [begin, end); of very many for the first. Returns by how much
// what is found is to be multiplied.
template <class Visit>
double sample_presentations(const Schedule& schedule, const std::vector<StepRange>& windows, Step begin, Step end,
                            Visit&& visit) {
  constexpr int kMost = 1'000'000;
  PresentationWalk walk(schedule, windows);
  walk.advance(begin);
  for (int n = 0; walk.current().begin < end; walk.next(), ++n) {
    if (n == kMost) return static_cast<double>(end - begin) / static_cast<double>(walk.current().begin - begin);
    visit(walk.current());
  }
  return 1;
}

// Calls visit(stimulus) for all of them, those that make spikes, then devices;
template <class Visit>
void for_each_stimulus(const SimulationDescription& simulation, Visit&& visit) {
  for (const auto& stimulus : simulation.stimuli) visit(*stimulus);
  for (const auto& device : simulation.devices) visit(*device);
}
// for those that show something.
template <class Visit>
void for_each_schedule(const SimulationDescription& simulation, Visit&& visit) {
  for_each_stimulus(simulation, [&](const auto& stimulus) {
    if (stimulus.schedule) visit(stimulus);
  });
}

}  // namespace lpl::spiking
