// For files of vector kernels, before any header of Highway: what they are compiled for. Three targets are enough: the
// baseline, AVX2 and AVX-512. Each more costs build time and gains nothing here.
#pragma once

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
