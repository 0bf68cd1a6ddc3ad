#include "core/program_builder.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <set>
#include <stdexcept>

#include "core/errors.hpp"

namespace lpl {
namespace {

constexpr std::uint32_t kNever = std::numeric_limits<std::uint32_t>::max();

}  // namespace

ProgramBuilder::ProgramBuilder(std::uint16_t states) : states_(states) {
  for (std::uint16_t i = 0; i < states; ++i) entries_.push_back({.kind = Kind::state, .index = i});
}

Value ProgramBuilder::add(const Entry& entry) {
  entries_.push_back(entry);
  return {static_cast<std::uint32_t>(entries_.size() - 1)};
}

Value ProgramBuilder::by_neuron() { return add({.kind = Kind::by_neuron, .index = by_neuron_++}); }

Value ProgramBuilder::constant(double value) {
  const auto [place, fresh] = known_constants_.try_emplace(std::bit_cast<std::uint64_t>(value), 0);
  if (fresh) {
    place->second = add({.kind = Kind::constant, .index = static_cast<std::uint16_t>(constants_.size())}).id;
    constants_.push_back(value);
  }
  return {place->second};
}

Value ProgramBuilder::shared(Op op, std::uint16_t index, Value a, Value b, Value c) {
  const auto [place, fresh] = known_.try_emplace({op, index, a.id, b.id, c.id}, 0);
  if (fresh) place->second = add({.kind = Kind::result, .op = op, .index = index, .a = a.id, .b = b.id, .c = c.id}).id;
  return {place->second};
}

Value ProgramBuilder::emit(Op op, Value a, Value b, Value c) { return shared(op, 0, a, b, c); }
Value ProgramBuilder::draw(Op op, std::uint16_t count, Value mean) { return shared(op, count, {}, mean, {}); }
Value ProgramBuilder::time() { return shared(Op::time, 0, {}, {}, {}); }
Value ProgramBuilder::input(std::uint16_t index) { return shared(Op::input, index, {}, {}, {}); }

Value ProgramBuilder::arrival(std::uint16_t receptor) {
  return add({.kind = Kind::result, .op = Op::arrival, .index = receptor, .effect = true});
}
void ProgramBuilder::hook() { add({.kind = Kind::result, .op = Op::hook, .effect = true}); }
void ProgramBuilder::fired(Value who) {
  add({.kind = Kind::result, .op = Op::fired, .b = who.id, .c = who.id, .effect = true});
}
void ProgramBuilder::fired(Value who, Value count) {
  add({.kind = Kind::result, .op = Op::fired, .index = 1, .b = who.id, .c = count.id, .effect = true});
}
void ProgramBuilder::unsolved(Value who) {
  add({.kind = Kind::result, .op = Op::unsolved, .b = who.id, .effect = true});
}

void ProgramBuilder::commit(const std::vector<std::pair<std::uint16_t, Value>>& values) {
  // A value that lies in the register of another state, or is wanted twice, is copied before any register changes.
  std::set<std::uint32_t> taken;
  std::vector<std::pair<std::uint16_t, Value>> placed = values;
  for (auto& [index, value] : placed) {
    const Entry& entry = entries_[value.id];
    const auto [place, fresh] = committed_.try_emplace(value.id, index);
    const bool elsewhere = entry.kind == Kind::state ? entry.index != index : place->second != index;
    if (elsewhere || !taken.insert(value.id).second) value = add({.kind = Kind::result, .op = Op::copy, .a = value.id});
  }
  for (const auto& [index, value] : placed) add({.kind = Kind::commit, .index = index, .a = value.id, .effect = true});
}
void ProgramBuilder::clamp(std::uint16_t index) {
  add({.kind = Kind::result, .op = Op::clamp, .index = index, .effect = true});
}

std::vector<Value> ProgramBuilder::carried_from(std::uint16_t first) {
  std::vector<Value> values;
  for (std::uint16_t index = first; index < carried_; ++index)
    values.push_back(add({.kind = Kind::carried, .index = index}));
  return values;
}

std::vector<Value> ProgramBuilder::begin_repeat(const std::vector<Value>& first) {
  const std::uint16_t index = carried_;
  for (const Value& value : first) add({.kind = Kind::carry, .index = carried_++, .a = value.id, .effect = true});
  repetitions_.push_back({static_cast<std::uint32_t>(entries_.size()), 0});
  return carried_from(index);
}

std::vector<Value> ProgramBuilder::repeat(const std::vector<Value>& next, Value again) {
  // What lies in a register of another one is copied before any of them changes.
  std::vector<Value> placed = next;
  for (Value& value : placed)
    if (entries_[value.id].kind == Kind::carried) value = add({.kind = Kind::result, .op = Op::copy, .a = value.id});
  const auto first = static_cast<std::uint16_t>(carried_ - next.size());
  std::uint16_t index = first;
  for (const Value& value : placed) add({.kind = Kind::carry, .index = index++, .a = value.id, .effect = true});
  add({.kind = Kind::result, .op = Op::repeat, .b = again.id, .effect = true});
  repetitions_.back().end = static_cast<std::uint32_t>(entries_.size() - 1);
  return carried_from(first);
}

Program ProgramBuilder::finish() const {
  const auto count = static_cast<std::uint32_t>(entries_.size());
  const auto operands = [&](const Entry& entry, auto&& visit) {
    const std::array<std::uint32_t, 3> ids{entry.a, entry.b, entry.c};
    if (entry.kind == Kind::commit || entry.kind == Kind::carry) visit(entry.a);
    if (entry.kind == Kind::result)
      for (std::size_t n = 0; n < 3; ++n)
        if (registers_read(entry.op) >> n & 1u) visit(ids[n]);
  };

  std::vector<bool> wanted(count, false);
  std::vector<std::uint32_t> last_use(count, 0);
  for (std::uint32_t i = count; i-- > 0;) {
    if (!entries_[i].effect && !wanted[i]) continue;
    wanted[i] = true;
    operands(entries_[i], [&](std::uint32_t id) {
      wanted[id] = true;
      last_use[id] = std::max(last_use[id], i);
    });
  }

  // What a repetition finds, it needs to its end.
  for (const Repetition& repetition : repetitions_)
    for (std::uint32_t i = 0; i < repetition.begin; ++i)
      if (last_use[i] >= repetition.begin) last_use[i] = std::max(last_use[i], repetition.end);

  // A committed value lives in its state's register where, from its making to its last use, nothing else does.
  std::vector<std::uint32_t> home(count, kNever);  // the state
  std::vector<bool> copied(count, false);          // of commits
  for (std::uint16_t state = 0; state < states_; ++state) {
    std::uint32_t resident = state;  // the value now in the register
    std::uint32_t needed = last_use[state];
    for (std::uint32_t i = 0; i < count; ++i) {
      const Entry& entry = entries_[i];
      if (entry.kind != Kind::commit || entry.index != state || entry.a == resident) continue;
      const std::uint32_t value = entry.a;
      const bool movable = entries_[value].kind == Kind::result && home[value] == kNever && value >= needed;
      if (!movable && needed > i) throw std::logic_error("ProgramBuilder: a state is read after its commit");
      if (movable)
        home[value] = state;
      else
        copied[i] = true;
      resident = value;
      // What comes right behind a commit (who fired) reads the register.
      needed = movable ? std::max(last_use[value], i + 1) : i + 1;
    }
  }

  if (std::size_t{states_} + by_neuron_ + carried_ + constants_.size() >= std::numeric_limits<std::uint16_t>::max())
    throw ConfigError("the equations have more than 65534 states and constants; write shorter ones");
  Program program;
  program.states = states_;
  program.by_neuron = by_neuron_;
  program.carried = carried_;
  std::vector<std::uint16_t> constant_at(constants_.size(), 0);
  for (std::uint32_t i = 0; i < count; ++i)
    if (entries_[i].kind == Kind::constant && wanted[i]) {
      constant_at[entries_[i].index] = static_cast<std::uint16_t>(program.constants.size());
      program.constants.push_back(constants_[entries_[i].index]);
    }
  std::vector<std::uint16_t> reg(count, 0);
  std::vector<std::uint16_t> free;
  std::vector<std::vector<std::uint16_t>> freed(count + 1);
  std::uint16_t temporaries = 0;
  const std::uint16_t first = program.first_temporary();
  const auto allot = [&] {
    if (free.empty()) {
      if (first + temporaries >= std::numeric_limits<std::uint16_t>::max())
        throw ConfigError("the equations need more than 65534 registers; write shorter ones");
      return static_cast<std::uint16_t>(first + temporaries++);
    }
    const std::uint16_t last = free.back();
    free.pop_back();
    return last;
  };
  auto repetition = repetitions_.begin();
  std::size_t body = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const Entry& entry = entries_[i];
    for (const std::uint16_t r : freed[i]) free.push_back(r);
    if (repetition != repetitions_.end() && repetition->begin == i) {
      body = program.code.size();
      ++repetition;
    }
    if (!wanted[i]) continue;
    switch (entry.kind) {
      case Kind::state:
        reg[i] = entry.index;
        continue;
      case Kind::by_neuron:
        reg[i] = static_cast<std::uint16_t>(states_ + entry.index);
        continue;
      case Kind::constant:
        reg[i] = static_cast<std::uint16_t>(program.first_constant() + constant_at[entry.index]);
        continue;
      case Kind::carried:
        reg[i] = static_cast<std::uint16_t>(states_ + by_neuron_ + entry.index);
        continue;
      case Kind::carry:
        program.code.push_back(
            {Op::copy, static_cast<std::uint16_t>(states_ + by_neuron_ + entry.index), reg[entry.a]});
        continue;
      case Kind::commit:
        if (copied[i]) program.code.push_back({Op::copy, entry.index, reg[entry.a]});
        continue;
      case Kind::result:
        break;
    }
    Instruction instruction{entry.op};
    if (entry.op == Op::clamp) {
      instruction.to = entry.index;
    } else if (writes(entry.op)) {
      reg[i] = home[i] != kNever ? static_cast<std::uint16_t>(home[i]) : allot();
      // The register of a value that nobody reads is free at once.
      if (home[i] == kNever) freed[std::max(last_use[i], i + 1)].push_back(reg[i]);
      instruction.to = reg[i];
    }
    instruction.a = entry.index;
    std::uint16_t* const fields[] = {&instruction.a, &instruction.b, &instruction.c};
    const std::uint32_t ids[] = {entry.a, entry.b, entry.c};
    for (std::size_t n = 0; n < 3; ++n)
      if (registers_read(entry.op) >> n & 1u) *fields[n] = reg[ids[n]];
    if (entry.op == Op::clamp) instruction.a = 0;
    if (entry.op == Op::repeat) {
      if (program.code.size() - body > std::numeric_limits<std::uint16_t>::max())
        throw ConfigError("the equations take more than 65535 instructions a sub-step; write shorter ones");
      instruction.a = static_cast<std::uint16_t>(program.code.size() - body);
    }
    program.code.push_back(instruction);
  }
  program.temporaries = temporaries;
  return program;
}

}  // namespace lpl
