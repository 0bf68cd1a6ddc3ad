// GoogleTest's main for all test programs: starts MPI, prints on rank 0 only (and failures of all ranks), and ends
// with the worst result of all ranks.
#include <gtest/gtest.h>

#include "support/world.hpp"

namespace {
std::unique_ptr<lpl::Communicator> world_communicator;
}

lpl::Communicator& lpl::test::world() { return *world_communicator; }

int main(int argc, char** argv) {
  world_communicator = lpl::make_mpi_communicator(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  if (world_communicator->rank() != 0) {
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    struct FailuresOnly : testing::EmptyTestEventListener {
      void OnTestPartResult(const testing::TestPartResult& result) override {
        if (result.failed())
          std::fprintf(stderr, "rank %d: %s:%d: %s\n", lpl::test::world().rank(), result.file_name(),
                       result.line_number(), result.summary());
      }
    };
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailuresOnly);
  }
  const std::int64_t worst = world_communicator->max(RUN_ALL_TESTS());
  const bool ran = testing::UnitTest::GetInstance()->test_to_run_count() > 0;
  world_communicator.reset();
  return worst != 0 || !ran ? 1 : 0;
}
