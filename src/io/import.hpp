// Readers of the input formats that users of the field already have. Every reader checks its file completely
// and throws ConfigError naming file, place, what was found and what was expected; nothing half-loads.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/types.hpp"

namespace lpl {

// One line of numbers of a text file.
class TextRow {
 public:
  TextRow(const std::string& path, std::size_t line) : path_(path), line_(line) {}
  std::size_t size() const { return numbers_.size(); }
  double operator[](std::size_t i) const { return numbers_[i]; }
  // Fails unless there are `count` numbers; `what` names them: "time and neuron".
  void expect(std::size_t count, const std::string& what) const;
  // Throws ConfigError at the number `i`.
  [[noreturn]] void fail(std::size_t i, const std::string& message) const;
  void add(double number, std::size_t column) {
    numbers_.push_back(number);
    columns_.push_back(column);
  }

 private:
  const std::string& path_;
  std::size_t line_;
  std::vector<double> numbers_;
  std::vector<std::size_t> columns_;
};

// Calls `row` for every line of a text that holds numbers. They are finite, have a decimal point and are separated by
// blanks; '#' and '%' start comments. Calls `blank` for lines without numbers and comment. Throws where there is no
// number at all.
void for_each_row(
    const std::string& path, const std::function<void(const TextRow&)>& row,
    const std::function<void()>& blank = [] {});

// Spikes sorted by (step, neuron), at most one per neuron and step.
struct SpikeTrain {
  std::vector<Step> step;
  std::vector<NeuronId> neuron;
  std::size_t rounded = 0;  // spikes whose times lie between the steps of the grid
};

// Reads spikes of `size` neurons on a grid of `dt` seconds, by the file's suffix:
//   .spk  Auryn binary: 8-byte records (uint32 step of 0.1 ms, uint32 neuron), first record a header
//   .ras  text: time in seconds, neuron
//   .h5   SONATA: /spikes/<population>/{timestamps, node_ids}, in the unit that the attribute `units` of timestamps
//   names
//         (ms without it); `population` may be "" where there is one. Also the layout of earlier files,
//         /spikes/{timestamps, gids}
// Times become the nearest step.
SpikeTrain read_spikes(const std::string& path, const std::string& population, NeuronId size, double dt);

inline constexpr double kLargestWeight = 1e6;  // leak units; beyond it conductances of float32 could overflow

// A sparse matrix, sorted by (pre, post).
struct SparseMatrix {
  NeuronId rows = 0;     // presynaptic size
  NeuronId columns = 0;  // postsynaptic size
  std::vector<NeuronId> pre;
  std::vector<NeuronId> post;
  std::vector<float> value;
  bool pattern = false;  // the file says where entries are, not what they are; values are 1
};

// A MatrixMarket file (.wmat, .mtx) of weights: coordinate (1-based `pre post weight`) or array (whose zeros are no
// entries); real, integer or pattern; general or symmetric, which is completed to the whole matrix. Other forms,
// duplicate entries and what cannot be a weight are refused.
SparseMatrix read_matrix_market(const std::string& path);

}  // namespace lpl
