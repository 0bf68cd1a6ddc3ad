// Writes an event file of a few scalars into the folder given, for test_events.py to read.
#include <cstdio>

#include "io/event_file.hpp"

int main(int, char** argv) {
  lpl::EventFile events(argv[1], 300, 1700000000.5);
  events.add_scalar("layer_0/pull", 0, 0.25, 1700000001);
  events.add_scalar("layer_0/pull", 300, -1e-20, 1700000002.125);
  events.add_scalar("große Schicht", 9007199254740993, 1 / 3.0, 1700000003);
  std::puts(events.path().c_str());
}
