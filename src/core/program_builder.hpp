// Writes programs. Every operation makes a new value; equal operations on equal values make one. finish() drops what
// nobody reads and gives each value a register, states' final values their state's where it is free.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "core/program.hpp"

namespace lpl {

// A value of a program under construction.
struct Value {
  std::uint32_t id = 0;
  bool operator==(const Value&) const = default;
};

class ProgramBuilder {
 public:
  explicit ProgramBuilder(std::uint16_t states);

  Value state(std::uint16_t index) const { return {index}; }  // at the beginning of the step
  Value by_neuron();                                          // the next register that differs between neurons
  Value constant(double value);
  Value emit(Op op, Value a = {}, Value b = {}, Value c = {});
  Value draw(Op op, std::uint16_t count, Value mean = {});
  Value time();
  Value input(std::uint16_t index);
  Value arrival(std::uint16_t receptor);
  void hook();
  void fired(Value who);
  void fired(Value who, Value count);
  void unsolved(Value who);
  // These states have these values from here on; what a state was before is read no more.
  void commit(const std::vector<std::pair<std::uint16_t, Value>>& values);
  // What a clamp leaves of a state that was committed.
  void clamp(std::uint16_t index);
  // What follows, up to repeat(), is done at least once, and again while `again` is true. `first` are the values of
  // what is carried on, `next` those for the next time. Both give the values as they are known from there on. A
  // repetition makes no effects and has no other one within it; its own values are not for use behind it.
  std::vector<Value> begin_repeat(const std::vector<Value>& first);
  std::vector<Value> repeat(const std::vector<Value>& next, Value again);

  Program finish() const;

 private:
  enum class Kind : std::uint8_t { state, by_neuron, constant, result, commit, carried, carry };
  struct Entry {
    Kind kind;
    Op op{};
    std::uint16_t index = 0;  // state, by neuron, constant, draw, input, receptor, carried
    std::uint32_t a = 0, b = 0, c = 0;
    bool effect = false;
  };
  using Key = std::tuple<Op, std::uint16_t, std::uint32_t, std::uint32_t, std::uint32_t>;
  Value add(const Entry& entry);
  Value shared(Op op, std::uint16_t index, Value a, Value b, Value c);

  // What is carried on, from number `first`, as it is from here on.
  std::vector<Value> carried_from(std::uint16_t first);

  std::uint16_t states_, by_neuron_ = 0, carried_ = 0;
  // The entries of a repetition: from the first one up to Op::repeat.
  struct Repetition {
    std::uint32_t begin, end;
  };
  std::vector<Repetition> repetitions_;
  std::vector<double> constants_;
  std::vector<Entry> entries_;
  std::map<Key, std::uint32_t> known_;
  std::map<std::uint64_t, std::uint32_t> known_constants_;
  std::map<std::uint32_t, std::uint16_t> committed_;  // where a value was committed first
};

}  // namespace lpl
