#include "core/termination.hpp"

#include <csignal>

namespace lpl {
namespace {

// Signal handlers reach nothing but static objects.
volatile std::sig_atomic_t received = 0;

void remember(int signal) { received = signal; }

constexpr int kSignals[] = {SIGTERM, SIGINT, SIGUSR1};

void remember_first(int signal) {
  received = signal;
  for (const int other : kSignals) std::signal(other, SIG_DFL);
}

}  // namespace

void watch_for_termination(bool second_ends) {
  struct sigaction action {};
  action.sa_handler = second_ends ? remember_first : remember;
  action.sa_flags = SA_RESTART;
  for (const int signal : kSignals) sigaddset(&action.sa_mask, signal);
  for (const int signal : kSignals) sigaction(signal, &action, nullptr);
}

int termination_signal() { return received; }

}  // namespace lpl
