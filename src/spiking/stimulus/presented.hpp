// Stimuli that show something by a schedule, with a background of Poisson spikes.
#pragma once

#include "spiking/stimulus/presentation.hpp"
#include "spiking/stimulus/segment_maker.hpp"

namespace lpl::spiking {

struct PresentedStimulus : SpikingStimulus {
  double expected_spikes(Step begin, Step end, double dt) const final;
  void warn(const Grid& grid, Step end, const std::function<void(const std::string&)>& say) const override;
  // Spikes of all its neurons in `steps` steps from the onset of a presentation of `index`, without the background.
  virtual double expected_while_shown(std::uint32_t index, Step steps, double dt) const = 0;

  double background = 0;  // [Hz] while nothing is shown
  bool background_during_stimulus = false;
};

// The key `background`; `otherwise`: where it is not given.
void read_background(const StimulusReading& reading, PresentedStimulus& stimulus, double otherwise);

class PresentedMaker : public SegmentMaker {
 public:
  PresentedMaker(const PresentedStimulus& stimulus, double dt, std::uint64_t seed);

 protected:
  // Adds the spikes of steps [from, to), which lie in the presentation and in the segment that begins at `origin`.
  virtual void show(const Presentation& presentation, Step from, Step to, Step origin, Random& random) = 0;

  std::uint64_t seed() const { return seed_; }
  std::uint32_t object() const { return stimulus_.schedule->object; }
  double dt() const { return dt_; }

 private:
  void make_segment(Step segment) final;
  void add_background(Step from, Step to, Step origin, Random& random);

  const PresentedStimulus& stimulus_;
  double dt_;
  std::uint64_t seed_;
  PresentationWalk walk_;
};

}  // namespace lpl::spiking
