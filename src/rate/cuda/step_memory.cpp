#include "rate/cuda/step_memory.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "rate/cuda/layout.hpp"

namespace lpl::rate::cuda {

std::size_t StepMemory::note(std::int64_t bytes) {
  events_.push_back({sizes_.size(), true});
  sizes_.push_back(bytes);
  return sizes_.size() - 1;
}

void StepMemory::note_return(std::size_t piece) {
  if (!laid_out_) events_.push_back({piece, false});
}

void StepMemory::lay_out() {
  std::vector<bool> returned(sizes_.size());
  for (const Event& event : events_)
    if (!event.taken) returned[event.piece] = true;
  std::erase_if(events_, [&](const Event& event) { return !returned[event.piece]; });

  std::vector<Lifetime> lifetimes;
  std::vector<std::size_t> index(sizes_.size());  // of a piece among them
  for (std::size_t moment = 0; moment < events_.size(); ++moment) {
    const auto now = static_cast<std::int64_t>(moment);
    const std::size_t piece = events_[moment].piece;
    if (events_[moment].taken) {
      index[piece] = lifetimes.size();
      lifetimes.push_back({sizes_[piece], now, now});
    } else {
      lifetimes[index[piece]].end = now;
    }
  }
  const Layout layout = cuda::lay_out(lifetimes);
  offsets_.resize(sizes_.size());
  for (const Event& event : events_) offsets_[event.piece] = layout.offsets[index[event.piece]];
  pieces_ = lifetimes.size();
  bytes_ = layout.bytes;
  at_once_ = most_at_once(lifetimes);
  laid_out_ = true;
}

void StepMemory::begin() {
  next_ = 0;
  deviation_.clear();
}

std::optional<StepMemory::Place> StepMemory::take(std::int64_t bytes) {
  const Event* const event = expected();
  if (!event || !event->taken || sizes_[event->piece] != bytes) deviate(fmt::format("{} bytes are taken", bytes));
  if (!deviation_.empty()) return std::nullopt;
  ++next_;
  return Place{event->piece, offsets_[event->piece]};
}

void StepMemory::give_back(std::size_t piece) {
  const Event* const event = expected();
  if (!event || event->taken || event->piece != piece)
    deviate(fmt::format("piece {} of {} bytes is given back", piece, sizes_[piece]));
  ++next_;
}

void StepMemory::end() {
  if (expected()) deviate("nothing follows");
}

std::string StepMemory::said(const Event* event) const {
  if (!event) return "nothing followed";
  if (event->taken) return fmt::format("{} bytes were taken", sizes_[event->piece]);
  return fmt::format("piece {} of {} bytes was given back", event->piece, sizes_[event->piece]);
}

void StepMemory::deviate(const std::string& found) {
  if (deviation_.empty()) deviation_ = fmt::format("{} where the first time {}", found, said(expected()));
}

}  // namespace lpl::rate::cuda
