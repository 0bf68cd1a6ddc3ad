// Programs as they run on vector lanes: registers become columns, which temporaries share.
#pragma once

#include <cstdint>
#include <vector>

#include "core/program.hpp"

namespace lpl::spiking {

// An instruction as a machine runs it. A register is a column; constants are single numbers. An action is an Op or one
// of the following, which do what frequent pairs of Ops do.
enum class Action : std::uint8_t {
  add_arrival = static_cast<std::uint8_t>(Op::repeat) + 1,  // to = b + what Op::arrival of receptor a gives
};
struct LaneInstruction {
  Action action{};
  std::uint8_t constants = 0;  // bits 0, 1, 2: a, b, c are numbers of constants, else of columns
  std::uint16_t to = 0, a = 0, b = 0, c = 0;
};

// Gives registers their places. States and values by neuron keep their numbers.
class Placement {
 public:
  explicit Placement(const Program& program);

  // Of instruction `at`; call in order.
  LaneInstruction place(std::size_t at);
  // Is the value of temporary r read nowhere after instruction `at`?
  bool ends(std::uint16_t r, std::size_t at) const;
  std::uint16_t columns() const { return columns_; }

 private:
  static constexpr std::uint16_t kNone = 0xffff;
  bool is_constant(std::uint16_t r) const { return r >= program_.first_constant() && r < program_.first_temporary(); }
  bool is_temporary(std::uint16_t r) const { return r >= program_.first_temporary(); }
  void release(std::uint16_t r);
  std::uint16_t free_column();

  const Program& program_;
  std::uint16_t columns_;
  std::vector<std::size_t> last_use_;
  std::vector<std::uint16_t> column_, free_;
};

}  // namespace lpl::spiking
