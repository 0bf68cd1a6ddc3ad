// Readers of the binary image sets of the field. A file is checked completely: one that is truncated, mis-sized or
// mislabelled is refused by a ConfigError naming the file, what was expected and what was found; nothing half-loads.
// Any whole number of records is a data set (so subsets work), but files that belong together must agree in number:
// that catches a copy that broke off between two records, too.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lpl {

struct ImageRecords {
  int side = 0;
  std::vector<std::uint8_t> pixels;  // (count, side, side, 3), row-major, RGB
  std::vector<std::int32_t> labels;  // (count, columns), from 0; empty where the set has none
};

// CIFAR-10 binary: records of 3073 bytes, a label 0..9 and the 32 x 32 planes R, G, B. The files are concatenated; all
// must hold the same number of records (10,000 as published).
ImageRecords read_cifar10(const std::vector<std::string>& paths);

// CIFAR-100 binary: the same with two labels, the coarse one 0..19 and the fine one 0..99; two labels a record.
ImageRecords read_cifar100(const std::string& path);

// STL-10 binary: records of 27,648 bytes, the 96 x 96 planes R, G, B, each stored column by column. `labels` names the
// file of one byte 1..10 a record (returned as 0..9), or is "" for the unlabelled images.
ImageRecords read_stl10(const std::string& images, const std::string& labels);

}  // namespace lpl
