#include "support/oracle.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <utility>

#include "core/denormals.hpp"
#include "core/text.hpp"
#include "spiking/model/catalogue.hpp"
#include "spiking/network.hpp"
#include "spiking/plasticity/lpl.hpp"
#include "spiking/plasticity/lpl_kernels.hpp"
#include "spiking/plasticity/symmetric_stdp.hpp"
#include "spiking/stimulus/stimulus.hpp"

namespace lpl::spiking::oracle {
namespace {

// The neurons of a population: the program of their text, run one by one by the scalar interpreter.
struct Cells {
  CompiledModel compiled;
  std::optional<std::size_t> membrane;
  std::size_t receptors;
  std::vector<std::vector<float>> registers;  // by neuron
  Noise noise;
};

struct Synapse {
  NeuronId pre, post;
  float w;
  double c = 0, f = 0, G = 0, g2 = 0;
};

// Traces of one LPL or symmetric-STDP connection.
struct Traces {
  std::vector<float> mean, variance, e1, e;
  std::vector<double> psp, r, sigma;
  std::deque<std::vector<double>> psp_past, sigma_past;  // newest first
  std::vector<double> x_pre, x_post;
};

class Simulator {
 public:
  explicit Simulator(const SimulationDescription& simulation) : sim_(simulation), network_(simulation, 0, 1) {
    flush_denormals();
    for (std::size_t p = 0; p < sim_.populations.size(); ++p) {
      cells_.push_back(cells_of(p));
    }
    for (std::size_t i = 0; i < sim_.connections.size(); ++i) {
      const Synapses& built = network_.connections[i].synapses;
      synapses_.emplace_back();
      for (NeuronId pre = 0; pre < built.pre_size(); ++pre)
        for (std::uint64_t s = built.row[pre]; s < built.row[pre + 1]; ++s)
          synapses_.back().push_back({pre, network_.layout.neuron_of(built.target[s]), built.weight[s]});
      const ConnectionDescription& c = sim_.connections[i];
      const NeuronId pre = sim_.sources[c.from].size, post = sim_.populations[c.to].size;
      Traces t;
      if (const auto* const lpl = dynamic_cast<const Lpl*>(c.rule.get())) {
        t.mean.assign(post, static_cast<float>(lpl->initial_mean_rate * lpl->rule.tau_mean));
        t.variance.assign(post, static_cast<float>(lpl->initial_variance));
      }
      for (auto* v : {&t.sigma, &t.x_post}) v->assign(post, 0.0);
      for (auto* v : {&t.e1, &t.e}) v->assign(post, 0.0f);
      for (auto* v : {&t.psp, &t.r, &t.x_pre}) v->assign(pre, 0.0);
      traces_.push_back(std::move(t));
    }
    spiked_.resize(sim_.sources.size());
    result_.spikes.resize(sim_.populations.size());
    for (const auto& stimulus : sim_.stimuli) {
      histories_.emplace_back(sim_.end() + 2 * SpikeMaker::kMostAhead);
      stimulus->make(sim_.dt, sim_.seed)->fill(histories_.back(), sim_.end());
    }
  }

  Outcome run() {
    for (const Phase& phase : sim_.phases)
      for (Step k = phase.begin; k < phase.end; ++k) advance(k, phase);
    for (const auto& synapses : synapses_) {
      result_.weights.emplace_back();
      for (const Synapse& s : synapses) result_.weights.back().push_back(s.w);
    }
    return std::move(result_);
  }

 private:
  Cells cells_of(std::size_t p) const {
    const Population& population = sim_.populations[p];
    const ModelText& text = *population.cell.text;
    Cells cells{.compiled = compile(text, values_of(population, 0, sim_.seed), varying_parameters(population.cell),
                                    sim_.dt),
                .membrane = text.membrane,
                .receptors = text.receptors.size(),
                .registers = {},
                .noise = {.seed = sim_.seed, .object = hash_name(population.name)}};
    for (NeuronId n = 0; n < population.size; ++n) {
      auto& registers = cells.registers.emplace_back(cells.compiled.program.registers());
      for (std::size_t s = 0; s < text.states.size(); ++s)
        registers[s] = std::get<std::span<float>>(network_.variables.find(By::neuron, p, text.states[s].name)->data)[n];
      const std::vector<double> own = cells.compiled.by_neuron(values_of(population, n, sim_.seed));
      std::ranges::transform(own, registers.begin() + static_cast<std::ptrdiff_t>(text.states.size()),
                             [](double value) { return static_cast<float>(value); });
    }
    return cells;
  }

  // Spikes of a neuron in step k.
  unsigned spiked(std::size_t source, Step k, NeuronId id) const {
    if (k < 0) return 0;
    const auto& past = spiked_[source];
    return past[static_cast<std::size_t>(k)][id];
  }

  void advance(Step k, const Phase& phase) {
    for (std::size_t i = 0; i < sim_.stimuli.size(); ++i) {
      auto& now = spiked_[cells_.size() + i].emplace_back(sim_.stimuli[i]->size, 0);
      for (const NeuronId id : histories_[i].at(k)) ++now[id];
    }
    // Arrivals are spikes of earlier steps: input sums per receptor in connection order, as the engine's buffers.
    std::vector<std::vector<std::vector<float>>> input;
    for (const Cells& cells : cells_)
      input.emplace_back(cells.registers.size(), std::vector<float>(cells.receptors, 0.0f));
    for (std::size_t i = 0; i < sim_.connections.size(); ++i)
      if (!is_stdp(i)) deliver(i, k, input);
    for (std::size_t i = 0; i < sim_.connections.size(); ++i)
      if (is_stdp(i)) deliver(i, k, input, phase.learns[i]);
    for (std::size_t p = 0; p < cells_.size(); ++p) {
      spiked_[p].emplace_back(cells_[p].registers.size(), 0);
      for (NeuronId n = 0; n < cells_[p].registers.size(); ++n) step(p, k, n, input[p][n]);
    }
    for (std::size_t i = 0; i < sim_.connections.size(); ++i)
      if (is_stdp(i)) learn_inhibition(i, k, phase.learns[i]);
    // 4 and 5. LPL and traces.
    for (std::size_t i = 0; i < sim_.connections.size(); ++i) {
      const ConnectionDescription& c = sim_.connections[i];
      if (!c.rule) continue;
      if (is_stdp(i))
        advance_stdp_traces(i, k);
      else
        learn_lpl(i, k, phase.learns[i]);
    }
  }

  bool is_stdp(std::size_t i) const {
    return dynamic_cast<const SymmetricStdp*>(sim_.connections[i].rule.get()) != nullptr;
  }

  void step(std::size_t population, Step k, NeuronId n, const std::vector<float>& arrivals) {
    Cells& cells = cells_[population];
    const std::vector<float> no_inputs(8, 0.0f);
    NeuronStep<float> now{.noise = cells.noise, .neuron = n, .step = k, .dt = sim_.dt, .inputs = no_inputs,
                          .arrivals = arrivals};
    lpl::run<float>(cells.compiled.program, cells.registers[n], now);
    for (std::uint32_t i = 0; i < now.count; ++i) {
      ++spiked_[population].back()[n];
      result_.spikes[population].push_back({k, n});
    }
  }

  void deliver(std::size_t i, Step k, std::vector<std::vector<std::vector<float>>>& input, bool learns = false) {
    const ConnectionDescription& c = sim_.connections[i];
    for (Synapse& s : synapses_[i])
      for (unsigned again = spiked(c.from, k - c.delay, s.pre); again > 0; --again) {
        input[c.to][s.post][c.receptor] += s.w;
        if (!is_stdp(i) || !learns) continue;
        const auto& rule = dynamic_cast<const SymmetricStdp&>(*c.rule);
        s.w = static_cast<float>(
            std::max(0.0, s.w + rule.learning_rate * (traces_[i].x_post[s.post] - 2 * rule.target_rate * rule.tau)));
      }
  }

  void learn_inhibition(std::size_t i, Step k, bool learns) {
    const ConnectionDescription& c = sim_.connections[i];
    const auto& rule = dynamic_cast<const SymmetricStdp&>(*c.rule);
    for (Synapse& s : synapses_[i])
      if (learns && spiked(c.to, k, s.post))
        s.w = static_cast<float>(std::min(rule.w_max, s.w + rule.learning_rate * traces_[i].x_pre[s.pre]));
  }

  void advance_stdp_traces(std::size_t i, Step k) {
    const ConnectionDescription& c = sim_.connections[i];
    const double decay = std::exp(-sim_.dt / dynamic_cast<const SymmetricStdp&>(*c.rule).tau);
    Traces& t = traces_[i];
    for (NeuronId j = 0; j < t.x_pre.size(); ++j) t.x_pre[j] = (t.x_pre[j] + spiked(c.from, k - c.delay, j)) * decay;
    for (NeuronId n = 0; n < t.x_post.size(); ++n) t.x_post[n] = (t.x_post[n] + spiked(c.to, k, n)) * decay;
  }

  void learn_lpl(std::size_t i, Step k, bool learns) {
    const ConnectionDescription& c = sim_.connections[i];
    const auto& rule = dynamic_cast<const Lpl&>(*c.rule).rule;
    const double dt = sim_.dt;
    const auto late = static_cast<std::size_t>(sim_.min_delay);
    const Step horizon = std::llround(rule.horizon / dt), window = std::llround(rule.window / dt);
    const bool in_error = rule.transmitter_form == TransmitterForm::in_error;
    Traces& t = traces_[i];
    const LplConstants lc = lpl_constants(rule, dt, sim_.min_delay);
    for (NeuronId n = 0; n < t.mean.size(); ++n) {
      const float V = cells_[c.to].registers[n][*cells_[c.to].membrane];
      const float side = std::fma(lc.steepness, std::abs(V - lc.surrogate_threshold), 1.0f);
      t.sigma[n] = V < lc.surrogate_floor ? 0.0f : lc.steepness / (side * side);
    }
    t.sigma_past.push_front(t.sigma);
    t.psp_past.push_front(t.psp);
    const bool warm = t.psp_past.size() > late;
    for (Synapse& s : synapses_[i]) {
      if (warm) s.c += t.psp_past[late][s.pre] * t.sigma_past[late][s.post];
      s.f += dt / rule.tau_fall * (s.c - s.f);
      s.c *= std::exp(-dt / rule.tau_rise);
      s.G += s.f * t.e[s.post];
      if (!in_error && spiked(c.from, k - c.delay, s.pre)) s.G += rule.transmitter_strength;
    }
    if (warm) {
      t.psp_past.pop_back();
      t.sigma_past.pop_back();
    }
    if (k % window == 0)
      for (Synapse& s : synapses_[i]) update_weight(s, rule, static_cast<double>(window), learns);
    for (NeuronId j = 0; j < t.psp.size(); ++j) {
      t.psp[j] += dt / rule.tau_membrane * (t.r[j] - t.psp[j]);
      t.r[j] = (t.r[j] + spiked(c.from, k - c.delay, j)) * std::exp(-dt / rule.tau_synapse);
    }
    // The slow traces in float32, as the reference and the engine have them: the rounding of their decay factors alone
    // is worth 3e-4 of their value.
    for (NeuronId n = 0; n < t.mean.size(); ++n) {
      const auto late_spike = static_cast<float>(spiked(c.to, k - sim_.min_delay, n)), past_spike = static_cast<float>(spiked(c.to, k - horizon, n));
      const float deviation = std::fma(-lc.mean_to_rate, t.mean[n], late_spike);
      const float err = lc.hebbian * deviation / (t.variance[n] + lc.epsilon) + lc.transmitter +
                        lc.predictive * (past_spike - late_spike);
      t.variance[n] = std::fma(deviation * deviation, lc.gain_variance, t.variance[n]) * lc.decay_variance;
      t.mean[n] = (t.mean[n] + static_cast<float>(spiked(c.to, k, n))) * lc.decay_mean;
      t.e1[n] = std::fma(lc.follow_rise, err - t.e1[n], t.e1[n]);
      t.e[n] = std::fma(lc.follow_fall, t.e1[n] - t.e[n], t.e[n]);
    }
  }

  void update_weight(Synapse& s, const LplRule& rule, double window, bool learns) {
    const double g = std::exchange(s.G, 0) / window;
    double step = g;
    if (rule.gradient == Gradient::augmented) {
      s.g2 = std::max(g * g, s.g2 * std::exp(-window * sim_.dt / rule.tau_rms));
      step = g / (std::sqrt(s.g2) + 1e-32);
    }
    if (!learns) return;
    double w = s.w;
    if (rule.weight_decay_time)
      w -= rule.learning_rate * (1 - std::exp(-window * sim_.dt / *rule.weight_decay_time)) * w;
    s.w = static_cast<float>(std::clamp(w + rule.learning_rate * step, 0.0, rule.w_max));
  }

  const SimulationDescription& sim_;
  Network network_;  // for the wiring and the initial potentials only
  std::vector<Cells> cells_;  // by population
  std::vector<std::vector<Synapse>> synapses_;
  std::vector<Traces> traces_;
  std::vector<std::vector<std::vector<std::uint8_t>>> spiked_;  // by source, step, neuron
  std::vector<SpikeHistory> histories_;
  Outcome result_;
};

}  // namespace

Outcome run(const SimulationDescription& simulation) { return Simulator(simulation).run(); }

}  // namespace lpl::spiking::oracle
