// The memory of a step whose calls are always the same. The first time it is noted what is taken and given back, and in
// which order; from then on every piece has a place of its own in an arena (rate/cuda/layout.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lpl::rate::cuda {

class StepMemory {
 public:
  // The first time. Pieces are numbered as they are taken.
  std::size_t note(std::int64_t bytes);
  void note_return(std::size_t piece);
  // Ends the first time. What was not given back stays for good, and has no place.
  void lay_out();

  std::size_t pieces() const { return pieces_; }
  std::int64_t bytes() const { return bytes_; }      // of the arena
  std::int64_t at_once() const { return at_once_; }  // that no arena could do without

  // Another time. What is done otherwise than the first time is a deviation, which ends it.
  void begin();
  struct Place {
    std::size_t piece;
    std::int64_t offset;
  };
  std::optional<Place> take(std::int64_t bytes);
  void give_back(std::size_t piece);
  void end();
  // Empty where there was none.
  const std::string& deviation() const { return deviation_; }

 private:
  // A piece is taken, or given back.
  struct Event {
    std::size_t piece;
    bool taken;
  };
  const Event* expected() const { return next_ < events_.size() ? &events_[next_] : nullptr; }
  std::string said(const Event* event) const;
  void deviate(const std::string& found);

  std::vector<Event> events_;
  std::vector<std::int64_t> sizes_, offsets_;  // by piece
  std::size_t pieces_ = 0;
  std::int64_t bytes_ = 0, at_once_ = 0;
  bool laid_out_ = false;
  std::size_t next_ = 0;  // event
  std::string deviation_;
};

}  // namespace lpl::rate::cuda
