// Marks of functions that run on a CUDA device. Where no CUDA compiler reads them they are functions like others.
#pragma once

#ifdef __CUDACC__
#define LPL_DEVICE __host__ __device__
#define LPL_DEVICE_ONLY __device__
#else
#define LPL_DEVICE
#define LPL_DEVICE_ONLY
#endif
