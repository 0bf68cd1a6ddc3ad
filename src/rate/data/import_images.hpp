// Makes a set of images (io/image_set.hpp) from what people have: folders of pictures, idx, NumPy, HDF5, the binary
// forms of CIFAR and STL-10.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/progress.hpp"
#include "io/image_set.hpp"

namespace lpl::rate {

struct ImportOptions {
  std::vector<std::string> sources;  // one after the other
  std::vector<std::string> labels;   // files of arrays, one for each source; empty: beside or within the sources
  std::string array, label_array;    // names within .npz and HDF5; "": by their shape
  int side = 0;                      // [pixels]; 0: as the images are, which must be squares of one size
  bool sequences = false;            // every folder that holds pictures is a sequence of frames, by their names
  int every = 1;                     // of whose frames one in so many is kept
  int crops = 0;                     // random squares of each picture; 0: its middle
  std::uint64_t seed = 1;            // of the crops
  bool grey = false;                 // one channel, whatever the sources have
  std::string out;
  bool overwrite = false;
};

// What was written. Throws ConfigError where something cannot be used.
ImageSetLayout import_images(const ImportOptions& options, ProgressStyle style);

}  // namespace lpl::rate
