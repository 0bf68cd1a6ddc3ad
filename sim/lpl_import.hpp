// lpl_rate import: makes a set of images to train on from folders of pictures, idx, NumPy, HDF5 or CIFAR files.
#pragma once

namespace lpl {

// The body of main() for it; `argv` begins with the word import. Returns the exit status.
int run_import(int argc, char** argv);

}  // namespace lpl
