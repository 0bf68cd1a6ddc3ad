#include "spiking/stimulus/poisson_drive.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/aligned.hpp"
#include "core/text.hpp"
#include "core/vector_targets.hpp"
#include "spiking/model/equations.hpp"
#include "spiking/neurons.hpp"
#include "spiking/reading.hpp"
#include "spiking/stimulus/device.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spiking/stimulus/poisson_drive.cpp"
#include <hwy/foreach_target.h>
// The order matters: foreach_target first.
#include "spiking/model/noise_lanes.hpp"

#ifndef LPL_SPIKING_STIMULUS_POISSON_DRIVE
#define LPL_SPIKING_STIMULUS_POISSON_DRIVE
namespace lpl::spiking {

// Numbers of events in four steps, [step][block][lane].
struct DrivenSteps {
  const Noise& noise;
  const std::vector<std::uint32_t>& thresholds;
  NeuronId first_neuron;
  std::size_t blocks;
  Step four;  // step / 4
  std::uint8_t* events;
};

}  // namespace lpl::spiking
#endif

HWY_BEFORE_NAMESPACE();
namespace lpl::spiking::HWY_NAMESPACE {

// Thresholds that a draw has reached; they ascend, and few draws reach many of them.
HWY_INLINE NoiseVector reached(const std::vector<std::uint32_t>& thresholds, const NoiseVector& draw) {
  const NoiseTag tag;
  NoiseVector events = hn::Zero(tag);
  for (const std::uint32_t threshold : thresholds) {
    const auto is_below = hn::Lt(draw, hn::Set(tag, threshold));
    if (hn::AllTrue(tag, is_below)) break;
    events = hn::IfThenElse(is_below, events, hn::Add(events, hn::Set(tag, 1)));
  }
  return events;
}

void CountEvents(const DrivenSteps& d) {
  const NoiseTag tag;
  const hn::Rebind<std::uint8_t, NoiseTag> bytes;
  for (std::size_t block = 0; block < d.blocks; ++block) {
    const auto neuron = static_cast<NeuronId>(d.first_neuron + block * kBlock);
    const NoiseWords words = noise_words(d.noise, neuron, d.four, 0);
    for (std::size_t step = 0; step < 4; ++step)
      for (std::size_t lane = 0; lane < kBlock; lane += hn::MaxLanes(tag)) {
        const NoiseVector events = reached(d.thresholds, hn::Load(tag, words.word[step] + lane));
        hn::StoreU(hn::DemoteTo(bytes, hn::BitCast(hn::RebindToSigned<NoiseTag>(), events)), bytes,
                   d.events + (step * d.blocks + block) * kBlock + lane);
      }
  }
}

}  // namespace lpl::spiking::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lpl::spiking {

PoissonTable::PoissonTable(double mean) {
  double term = std::exp(-mean), sum = term;
  for (int events = 0; std::round(sum * 0x1p32) < 0x1p32; sum += term) {
    thresholds_.push_back(static_cast<std::uint32_t>(std::round(sum * 0x1p32)));
    term *= mean / ++events;
    if (events > mean && sum + term == sum) break;
  }
}

namespace {

HWY_EXPORT(CountEvents);

class DriveActor final : public Actor {
 public:
  DriveActor(const PoissonDrive& drive, std::uint64_t seed, Neurons& target)
      : drive_(drive),
        noise_{.seed = seed, .object = hash_name(drive.name)},
        table_(drive.mean),
        target_(target),
        weight_(target.blocks() * kBlock),
        events_(4 * weight_.size()) {
    const LocalRange& range = target.range();
    for (const NeuronId id : drive.neurons)
      if (range.holds(id)) weight_[id - range.first] = static_cast<float>(drive.weight);
  }
  void act(Step from, Step to) override {
    if (table_.thresholds().empty()) return;
    drive_.for_each_part(from, to, [&](Step begin, Step end) {
      for (Step step = begin; step < end; ++step) {
        if (step / 4 != four_) count(step / 4);
        add(step % 4, static_cast<std::size_t>(step - from));
      }
    });
  }

 private:
  void count(Step four) {
    four_ = four;
    HWY_DYNAMIC_DISPATCH(CountEvents)
    ({.noise = noise_,
      .thresholds = table_.thresholds(),
      .first_neuron = target_.range().first,
      .blocks = target_.blocks(),
      .four = four,
      .events = events_.data()});
  }
  void add(Step step, std::size_t slot) {
    const std::size_t blocks = target_.blocks(), slots = target_.layout().slots();
    const std::uint8_t* events = events_.data() + static_cast<std::size_t>(step) * blocks * kBlock;
    const float* weight = weight_.data();
    float* input = target_.input(drive_.receptor_) + slot * kBlock;
    for (std::size_t block = 0; block < blocks; ++block, events += kBlock, weight += kBlock, input += slots * kBlock)
      for (std::size_t lane = 0; lane < kBlock; ++lane) input[lane] += weight[lane] * static_cast<float>(events[lane]);
  }

  const PoissonDrive& drive_;
  Noise noise_;
  PoissonTable table_;
  Neurons& target_;
  AlignedVector<float> weight_;  // by block and lane; 0 for those that are not driven
  Step four_ = -1;               // which four steps `events_` are of
  AlignedVector<std::uint8_t> events_;
};

Stimulus read(const StimulusReading& reading) {
  Table& table = reading.table;
  const auto drive = std::make_shared<PoissonDrive>();
  const Population& target = read_target(reading, *drive);
  drive->receptor_ = read_receptor(table, target);
  const ReceptorText& receptor = target.cell.text->receptors[drive->receptor_];
  drive->weight = table.quantity("weight", receptor.weight, weights_of(receptor));
  const double dt = reading.grid.dt;
  drive->mean = table.quantity("rate", Dimension::frequency, kNonNegative) * dt;
  if (drive->mean > PoissonTable::kLargestMean)
    table.fail("rate", fmt::format("{}, which is {:.4g} events a step; at most {} are possible, so take several drives "
                                   "or a larger weight",
                                   table.stated("rate"), drive->mean, PoissonTable::kLargestMean));
  drive->span = read_span(reading);
  return {.spikes = nullptr, .device = drive};
}

}  // namespace

std::unique_ptr<Actor> PoissonDrive::make(double /*dt*/, std::uint64_t seed, Neurons& target) const {
  return std::make_unique<DriveActor>(*this, seed, target);
}

extern const StimulusEntry poisson_drive_stimulus{"poisson_drive", "Poisson input to each neuron, without synapses",
                                                  read};

}  // namespace lpl::spiking
#endif
