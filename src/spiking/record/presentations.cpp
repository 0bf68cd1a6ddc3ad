#include "spiking/record/presentations.hpp"

#include "spiking/stimulus/presentation.hpp"

namespace lpl::spiking {
namespace {

class PresentationRecord final : public Record {
 public:
  PresentationRecord(const RecordPlace& place, const StimulusDescription& stimulus)
      : place_(place), stimulus_(stimulus), walk_(*stimulus.schedule, stimulus.windows) {}

  void open(ResultFile& file) override {
    series_ = std::make_unique<PresentationSeries>(file.create_presentations(stimulus_.name));
  }

  // Those that begin in [from, to).
  void observe(Step from, Step to, OwnSpikes /*spikes*/) override {
    if (!series_) return;
    while (walk_.current().begin < from) walk_.next();
    for (; walk_.current().begin < to; walk_.next()) {
      begins_.push_back(place_.simulation.seconds(walk_.current().begin));
      ends_.push_back(place_.simulation.seconds(walk_.current().end));
      indices_.push_back(walk_.current().index);
    }
  }

  void gather(Step /*now*/) override {
    place_.on_root([&] { series_->append(begins_, ends_, indices_); });
    begins_.clear();
    ends_.clear();
    indices_.clear();
  }

 private:
  const RecordPlace place_;
  const StimulusDescription& stimulus_;
  PresentationWalk walk_;
  std::unique_ptr<PresentationSeries> series_;  // rank 0
  std::vector<double> begins_, ends_;
  std::vector<std::uint32_t> indices_;
};

}  // namespace

std::unique_ptr<Record> make_presentation_record(const RecordPlace& place, const StimulusDescription& stimulus) {
  return std::make_unique<PresentationRecord>(place, stimulus);
}

}  // namespace lpl::spiking
