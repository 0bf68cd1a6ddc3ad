// Texts of plasticity rules: read, compiled, and run once by the scalar run.
#include "spiking/plasticity/rule_text.hpp"

#include "core/program.hpp"
#include "fuzz/harness.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lpl;
  using namespace lpl::spiking;
  fuzz::refusable([&] {
    constexpr double kStep = 1e-4;
    Document document = Document::from_text(fuzz::text_of(data, size), "f.rule");
    Table table = document.root();
    table.text("type");
    const RuleText rule = read_rule_text(table, Dimension::none);
    const auto one = [](const std::string&) { return std::optional(1.0); };
    const ParameterValues values = [&](const std::string& name) {
      return *evaluate(rule.parameter(name)->fallback, one);
    };
    if (fault_in(rule, values, kStep)) return;
    const SteadyValues steady = rule.steady(values, kStep);
    const auto run_once = [](const SynapseProgram& compiled) {
      std::vector<double> registers(compiled.program.registers(), 0.5);
      NeuronStep<double> step;
      run<double>(compiled.program, registers, step);
    };
    for (const ChangeText* change : {&rule.on_arrival, &rule.on_spike, &rule.during, &rule.each})
      run_once(compile_change(rule, *change, steady, kStep));
    if (rule.condition) run_once(compile_condition(rule, steady, kStep));
    if (rule.every) steady.of(rule.every);
  });
  return 0;
}
