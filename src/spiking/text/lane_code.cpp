#include "spiking/text/lane_code.hpp"

#include <algorithm>

namespace lpl::spiking {
namespace {

template <class Visit>
void each_register(const Instruction& i, const Visit& visit) {
  const unsigned read = registers_read(i.op);
  if (read & 1u) visit(i.a);
  if (read & 2u) visit(i.b);
  if (read & 4u) visit(i.c);
  if (writes(i.op)) visit(i.to);
}

}  // namespace

Placement::Placement(const Program& program)
    : program_(program),
      columns_(program.first_constant()),
      last_use_(program.registers(), 0),
      column_(program.registers(), kNone) {
  for (std::uint16_t r = 0; r < columns_; ++r) column_[r] = r;
  for (std::size_t at = 0; at < program.code.size(); ++at)
    each_register(program.code[at], [&](std::uint16_t r) { last_use_[r] = at; });
  // What a repetition finds, it needs to its end.
  std::vector<std::size_t> first_use(program.registers(), program.code.size());
  for (std::size_t at = program.code.size(); at-- > 0;)
    each_register(program.code[at], [&](std::uint16_t r) { first_use[r] = at; });
  for (std::size_t end = 0; end < program.code.size(); ++end) {
    if (program.code[end].op != Op::repeat) continue;
    const std::size_t begin = end - program.code[end].a;
    for (std::uint16_t r = 0; r < program.registers(); ++r)
      if (first_use[r] < begin && last_use_[r] >= begin) last_use_[r] = std::max(last_use_[r], end);
  }
}

LaneInstruction Placement::place(std::size_t at) {
  const Instruction& i = program_.code[at];
  LaneInstruction code{static_cast<Action>(i.op), 0, i.to, i.a, i.b, i.c};
  const unsigned read = registers_read(i.op);
  std::uint16_t* const operands[] = {&code.a, &code.b, &code.c};
  for (unsigned n = 0; n < 3; ++n) {
    if ((read >> n & 1u) == 0) continue;
    if (is_constant(*operands[n])) code.constants |= static_cast<std::uint8_t>(1u << n);
    *operands[n] = is_constant(*operands[n]) ? static_cast<std::uint16_t>(*operands[n] - program_.first_constant())
                                             : column_[*operands[n]];
  }
  // Lanes are read before they are written: the result may take the place of an operand that dies here.
  each_register(i, [&](std::uint16_t r) {
    if (r != i.to && is_temporary(r) && last_use_[r] == at) release(r);
  });
  if (writes(i.op)) {
    if (column_[i.to] == kNone) column_[i.to] = free_column();
    code.to = column_[i.to];
    if (is_temporary(i.to) && last_use_[i.to] == at) release(i.to);
  }
  return code;
}

bool Placement::ends(std::uint16_t r, std::size_t at) const {
  if (!is_temporary(r)) return false;
  for (std::size_t later = at + 1; later < program_.code.size(); ++later) {
    const Instruction& i = program_.code[later];
    const unsigned read = registers_read(i.op);
    if (((read & 1u) && i.a == r) || ((read & 2u) && i.b == r) || ((read & 4u) && i.c == r)) return false;
    if (writes(i.op) && i.to == r) return true;
  }
  return true;
}

void Placement::release(std::uint16_t r) {
  if (column_[r] == kNone) return;
  free_.push_back(column_[r]);
  column_[r] = kNone;
}

std::uint16_t Placement::free_column() {
  if (free_.empty()) return columns_++;
  const std::uint16_t column = free_.back();
  free_.pop_back();
  return column;
}

}  // namespace lpl::spiking
