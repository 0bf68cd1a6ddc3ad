#include "spiking/record/sampled.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "spiking/record/packing.hpp"

namespace lpl::spiking {

Step next_sample_end(const std::vector<StepRange>& windows, Step every, Step now) {
  for (const StepRange& window : windows) {
    const Step end = (std::max(now, window.begin) + every - 1) / every * every + 1;
    if (end <= window.end) return end;
  }
  return kNever;
}

Step SampledRecord::next_end(Step now) const { return next_sample_end(description_.windows, every_, now); }

void SampledRecord::observe(Step from, Step to, OwnSpikes /*spikes*/) {
  const Step sampled = to - 1;
  if (sampled % every_ != 0 || !active(description_.windows, sampled)) return;
  steps_.push_back(sampled);
  sample(sampled - from, values_);
}

void SampledRecord::gather(Step /*now*/) {
  if (steps_.empty()) return;
  const std::vector<std::string> sent = place_.comm.gather(bytes_of(values_));
  place_.on_root([&] {
    std::vector<std::vector<std::int64_t>> parts;
    for (const std::string& part : sent) parts.push_back(values_from<std::int64_t>(part));
    std::vector<double> times;
    for (const Step step : steps_) times.push_back(place_.simulation.seconds(step));
    append(times, rows(parts, steps_.size()));
  });
  steps_.clear();
  values_.clear();
}

ChosenValues::ChosenValues(const RecordPlace& place, const RecordDescription& description, Step every,
                           std::size_t width)
    : SampledRecord(place, description, every, width), columns_(static_cast<std::size_t>(place.comm.size())) {}

void ChosenValues::add(std::size_t column, int rank, std::size_t local) {
  columns_[static_cast<std::size_t>(rank)].push_back(column);
  if (rank == place_.comm.rank()) local_.push_back(local);
}

float ChosenValues::value_of(const Variable& variable, std::size_t element) {
  if (variable.shown) return variable.shown(element);
  if (const auto* doubles = std::get_if<std::span<double>>(&variable.data))
    return static_cast<float>((*doubles)[element]);
  return std::get<std::span<float>>(variable.data)[element];
}

// Floats travel as bits.
void ChosenValues::sample(Step step, std::vector<std::int64_t>& values) const {
  for (const std::size_t local : local_) values.push_back(std::bit_cast<std::int32_t>(value(local, step)));
}

std::vector<float> ChosenValues::rows(const std::vector<std::vector<std::int64_t>>& parts, std::size_t count) const {
  std::vector<float> values(count * width_);
  for (std::size_t rank = 0; rank < parts.size(); ++rank) {
    const auto& columns = columns_[rank];
    for (std::size_t i = 0; i < parts[rank].size(); ++i)
      values[i / columns.size() * width_ + columns[i % columns.size()]] =
          std::bit_cast<float>(static_cast<std::int32_t>(parts[rank][i]));
  }
  return values;
}

SummedValues::SummedValues(const RecordPlace& place, const RecordDescription& description, Step every,
                           std::size_t width, std::size_t sums)
    : SampledRecord(place, description, every, width), sums_(sums) {}

void SummedValues::sample(Step /*step*/, std::vector<std::int64_t>& values) const {
  std::vector<ExactSum> sums(sums_);
  add(sums);
  for (const ExactSum& sum : sums) sum.append_parts(values);
}

std::vector<float> SummedValues::rows(const std::vector<std::vector<std::int64_t>>& parts, std::size_t count) const {
  constexpr std::size_t kParts = ExactSum::kParts;
  std::vector<std::int64_t> all(count * sums_ * kParts, 0);
  for (const auto& part : parts) std::ranges::transform(part, all, all.begin(), std::plus<>());
  std::vector<float> values;
  std::vector<long double> row(sums_);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t s = 0; s < sums_; ++s)
      row[s] = ExactSum::of(std::span(all).subspan((i * sums_ + s) * kParts).first<kParts>());
    finish(row, values);
  }
  return values;
}

}  // namespace lpl::spiking
