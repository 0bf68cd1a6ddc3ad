// A loop whose threads write the same number, for the thread sanitizer to find.
#include <cstdio>

int main() {
  int last = 0;
#pragma omp parallel for schedule(static)
  for (int i = 0; i < 1000; ++i) last = i;
  std::printf("%d\n", last);
}
