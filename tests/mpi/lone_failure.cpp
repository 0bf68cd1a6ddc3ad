// A rank that fails where the others do not know of it: it says so and ends them, whatever they wait in.
#include "comm/communicator.hpp"

int main(int argc, char** argv) {
  const auto comm = lpl::make_mpi_communicator(argc, argv);
  if (comm->rank() == comm->size() - 1) comm->quit(1, "disk full");
  comm->max(0);
}
