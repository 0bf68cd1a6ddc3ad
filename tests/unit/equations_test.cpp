#include "spiking/model/equations.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/reference_cell.hpp"

namespace lpl::spiking {
namespace {

std::string catalogue_text(const std::string& name) {
  std::ifstream in(std::filesystem::path(LPL_CATALOGUE) / (name + ".cell"));
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(Equations, TheCatalogueCompiles) {
  int texts = 0;
  for (const auto& entry : std::filesystem::directory_iterator(LPL_CATALOGUE)) {
    if (entry.path().extension() != ".cell") continue;
    const std::string text = catalogue_text(entry.path().stem().string());
    if (text.find("model = \"equations\"") == std::string::npos) continue;
    SCOPED_TRACE(entry.path().stem().string());
    ReferenceCell cell(text, {}, 1e-4);
    for (int step = 0; step < 1000; ++step) cell.step();
    for (const StateText& state : cell.model.states) EXPECT_TRUE(std::isfinite(cell[state.name])) << state.name;
    if (getenv("LPL_SHOW"))
      for (const StateReport& r : cell.compiled.report)
        std::cout << r.name << ": " << r.method << ": " << r.update << "\n";
    ++texts;
  }
  EXPECT_GE(texts, 25);
}

}  // namespace
}  // namespace lpl::spiking
