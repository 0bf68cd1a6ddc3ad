// What happens on a stream of the tests' own device (fake_cuda.cpp).
#pragma once

#include <functional>

// Done at once, or kept for the graph while the stream is captured.
void enqueue(std::function<void()> call);
