// Texts of neuron models: read, compiled, and run for a few steps by the scalar run.
#include "fuzz/harness.hpp"
#include "core/program.hpp"
#include "spiking/model/equations.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lpl;
  using namespace lpl::spiking;
  fuzz::refusable([&] {
    constexpr double kStep = 1e-4;
    Document document = Document::from_text(fuzz::text_of(data, size), "f.cell");
    Table table = document.root();
    const ModelText model = read_model_text(table);
    if (model.substeps > 8) return;
    const auto place = [](const std::string&) { return std::optional(1.0); };
    const ParameterValues values = [&](const std::string& name) {
      return *evaluate(model.parameter(name)->fallback, place);
    };
    if (fault_in(model, values, kStep)) return;
    // Every other parameter differs by neuron.
    std::set<std::string> varying;
    for (std::size_t i = 0; i < model.parameters.size(); i += 2) varying.insert(model.parameters[i].name);
    const CompiledModel compiled = compile(model, values, varying, kStep);
    std::vector<double> registers(compiled.program.registers());
    const auto initial = initial_values(model, values, kStep, 0, 1, [](Op, std::uint16_t, double) { return 0.5; });
    const auto own = compiled.by_neuron(values);
    std::copy(initial.begin(), initial.end(), registers.begin());
    std::copy(own.begin(), own.end(), registers.begin() + compiled.program.states);
    const std::vector<double> inputs(model.inputs.size(), 1e-3), arrivals(model.receptors.size(), 1e-3);
    for (Step step = 0; step < 3; ++step) {
      NeuronStep<double> neuron;
      neuron.step = step;
      neuron.dt = kStep;
      neuron.inputs = inputs;
      neuron.arrivals = arrivals;
      run<double>(compiled.program, registers, neuron);
    }
  });
  return 0;
}
