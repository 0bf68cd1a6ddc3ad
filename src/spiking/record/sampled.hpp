// Records of values that are sampled at the ends of steps k with k mod every = 0. Samples are buffered where the values
// live and gathered a batch at a time.
#pragma once

#include "spiking/exact_sum.hpp"
#include "spiking/record/record.hpp"

namespace lpl::spiking {

// The end of the next step after `now` that is a multiple of `every` in a window.
Step next_sample_end(const std::vector<StepRange>& windows, Step every, Step now);

class SampledRecord : public Record {
 public:
  Step next_end(Step now) const final;
  void observe(Step from, Step to, OwnSpikes spikes) final;
  bool is_full() const final { return steps_.size() * width_ >= kValuesPerGather; }
  void gather(Step now) final;

 protected:
  // A row holds `width` values.
  SampledRecord(const RecordPlace& place, const RecordDescription& description, Step every, std::size_t width)
      : place_(place), description_(description), every_(every), width_(width) {}

  // Appends what this rank has of a row, which is sampled in this step of the epoch, from 0.
  virtual void sample(Step step, std::vector<std::int64_t>& values) const = 0;
  // Rank 0: the rows, from what each rank has appended.
  virtual std::vector<float> rows(const std::vector<std::vector<std::int64_t>>& parts, std::size_t count) const = 0;
  virtual void append(const std::vector<double>& times, const std::vector<float>& values) = 0;

  const RecordPlace place_;
  const RecordDescription& description_;
  const Step every_;
  const std::size_t width_;
  std::vector<Step> steps_;  // of the rows that are buffered

 private:
  static constexpr std::size_t kValuesPerGather = 1 << 18;

  std::vector<std::int64_t> values_;
};

// Values of neurons or synapses, each of which lives on one rank.
class ChosenValues : public SampledRecord {
 protected:
  ChosenValues(const RecordPlace& place, const RecordDescription& description, Step every, std::size_t width);
  // Column `column` of rows lives on `rank`, there as element `local`.
  void add(std::size_t column, int rank, std::size_t local);
  // Of an element that lives here, as sample().
  virtual float value(std::size_t local, Step step) const = 0;
  static float value_of(const Variable& variable, std::size_t element);

 private:
  void sample(Step step, std::vector<std::int64_t>& values) const final;
  std::vector<float> rows(const std::vector<std::vector<std::int64_t>>& parts, std::size_t count) const final;

  std::vector<std::size_t> local_;
  std::vector<std::vector<std::size_t>> columns_;  // by rank
};

// Numbers that follow from sums over ranks, the same however neurons are spread over them.
class SummedValues : public SampledRecord {
 protected:
  SummedValues(const RecordPlace& place, const RecordDescription& description, Step every, std::size_t width,
               std::size_t sums);
  // Adds what this rank has to the sums of a row.
  virtual void add(std::vector<ExactSum>& sums) const = 0;
  // Appends the values of a row.
  virtual void finish(const std::vector<long double>& sums, std::vector<float>& row) const = 0;

 private:
  void sample(Step step, std::vector<std::int64_t>& values) const final;
  std::vector<float> rows(const std::vector<std::vector<std::int64_t>>& parts, std::size_t count) const final;

  std::size_t sums_;
};

}  // namespace lpl::spiking
