// What happens on a stream of the tests' own device (fake_device.cpp).
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <functional>

// Done at once, or kept for the graph while the stream is captured. Ends the test where there is no such stream.
void enqueue(cudaStream_t stream, std::function<void()> call);

// As a stream does it: of a piece of an arena, it is there from now on, or no longer. Ends the test where it was
// written meanwhile.
void watch_piece(cudaStream_t stream, void* memory, std::size_t bytes, bool there);

// Ends the test where a device would refuse to launch.
void check_launch(std::size_t blocks_x, std::size_t blocks_y, std::size_t threads, std::size_t shared_bytes);

// Ends the test unless all `bytes` from `memory` on are the device's, and allocated.
void check_memory(const void* memory, std::size_t bytes, const char* call);

// Ends the test unless a thread may move so many bytes together: 16 at a time, or the powers of two below.
void check_aligned(const void* address, std::size_t bytes);

// A rule of CUDA or of the backend was broken.
[[noreturn]] void end_test(const char* why);
