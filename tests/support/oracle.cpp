#include "support/oracle.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <utility>

#include "core/denormals.hpp"
#include "core/text.hpp"
#include "spiking/model/catalogue.hpp"
#include "spiking/network.hpp"
#include "spiking/plasticity/lpl.hpp"
#include "spiking/plasticity/lpl_kernels.hpp"
#include "spiking/plasticity/symmetric_stdp.hpp"
#include "spiking/stimulus/stimulus.hpp"
#include "support/delays.hpp"

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

constexpr double kUnit = 1.0 / (1 << 24);  // what rounding to float32 costs, of a value's size

// The terms that a value is a sum of: their sizes, and their sizes times the steps for which they have been in traces.
struct Terms {
  double size = 0, lag = 0;
  // A step of a trace: what is in it decays.
  void step(double decay, const Terms& input) {
    lag = decay * (lag + size) + input.lag;
    size = decay * size + input.size;
  }
  friend Terms operator*(const Terms& a, const Terms& b) { return {a.size * b.size, a.lag * b.size + a.size * b.lag}; }
  friend Terms operator*(double factor, const Terms& a) { return {factor * a.size, factor * a.lag}; }
  friend Terms operator+(const Terms& a, const Terms& b) { return {a.size + b.size, a.lag + b.lag}; }
};

// What float32 may do to a weight, to first order in kUnit. A trace is rounded twice in each step, by up to kUnit of
// its value, and where its input stands still always to the same side: a term that has been in traces for n steps is
// off by up to 2n kUnit. The changes of weights are sums of such terms, which largely cancel; their roundings need not.
// Each change also rounds the weight itself, four times with this side's: these are independent, so a random walk, of
// which 4 standard deviations are allowed (kUnit / sqrt(3) is that of one). Constants are rounded alike on both sides.
class Rounding {
 public:
  void change(const Terms& terms) {
    traces_ += 2 * terms.lag;
    ++changes_;
  }
  double of(double weight) const { return kUnit * (traces_ + 4 * weight * std::sqrt(4 * changes_ / 3)); }

 private:
  double traces_ = 0, changes_ = 0;
};

struct Synapse {
  NeuronId pre, post;
  float w;
  Step delay;
  double c = 0, f = 0, G = 0, g2 = 0;
  Terms c_terms = {}, f_terms = {}, G_terms = {}, g2_terms = {};  // the last of the g that g2 remembers
  double largest = w;
  Rounding rounding = {};

  void move(double to) {
    w = static_cast<float>(to);
    largest = std::max(largest, to);
  }
};

// Traces of one LPL or symmetric-STDP connection.
struct Traces {
  std::vector<float> mean, variance, e1, e;
  std::vector<Terms> e1_terms, e_terms, psp_terms, r_terms, x_pre_terms, x_post_terms;
  std::vector<double> psp, r, sigma;
  std::deque<std::vector<double>> psp_past, sigma_past;  // newest first
  std::deque<std::vector<Terms>> psp_terms_past;
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
      built.by_target([&](NeuronId pre, std::uint64_t s) {
        synapses_.back().push_back(
            {pre, network_.layout.neuron_of(built.target[s]), built.weight[s], delay_of(built, s)});
      });
      // What arrives in a step is added by step of emission, then by source.
      std::ranges::stable_sort(synapses_.back(), std::ranges::greater{}, &Synapse::delay);
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
      for (auto* v : {&t.e1_terms, &t.e_terms, &t.x_post_terms}) v->resize(post);
      for (auto* v : {&t.psp_terms, &t.r_terms, &t.x_pre_terms}) v->resize(pre);
      traces_.push_back(std::move(t));
    }
    spiked_.resize(sim_.sources.size());
    factors_.resize(sim_.connections.size());
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
      result_.tolerance.emplace_back();
      for (const Synapse& s : synapses) {
        result_.weights.back().push_back(s.w);
        result_.tolerance.back().push_back(s.rounding.of(s.largest));
      }
    }
    return std::move(result_);
  }

 private:
  Cells cells_of(std::size_t p) const {
    const Population& population = sim_.populations[p];
    const ModelText& text = *population.cell.text;
    Cells cells{
        .compiled = compile(text, values_of(population, 0, sim_.seed), varying_parameters(population.cell), sim_.dt),
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
    NeuronStep<float> now;
    now.noise = cells.noise;
    now.neuron = n;
    now.step = k;
    now.dt = sim_.dt;
    now.inputs = no_inputs;
    now.arrivals = arrivals;
    lpl::run<float>(cells.compiled.program, cells.registers[n], now);
    for (std::uint32_t i = 0; i < now.count; ++i) {
      ++spiked_[population].back()[n];
      result_.spikes[population].push_back({k, n});
    }
  }

  // By what each spike of step k - 1, the last ones known in step k, multiplies weights.
  void use_short_term(std::size_t i, Step k) {
    const Connection& connection = network_.connections[i];
    if (!connection.short_term) return;
    for (const NeuronId pre : connection.synapses.heard)
      for (unsigned again = spiked(sim_.connections[i].from, k - 1, pre); again > 0; --again)
        factors_[i][{k - 1, pre}].push_back(connection.short_term->factor(connection.synapses.row_of(pre), k - 1));
  }

  void deliver(std::size_t i, Step k, std::vector<std::vector<std::vector<float>>>& input, bool learns = false) {
    const ConnectionDescription& c = sim_.connections[i];
    use_short_term(i, k);
    for (Synapse& s : synapses_[i])
      for (unsigned n = 0; n < spiked(c.from, k - s.delay, s.pre); ++n) {
        const float factor = c.short_term ? factors_[i].at({k - s.delay, s.pre})[n] : 1;
        input[c.to][s.post][c.receptor] += s.w * factor;
        if (!is_stdp(i) || !learns) continue;
        const auto& rule = dynamic_cast<const SymmetricStdp&>(*c.rule);
        const double trace = traces_[i].x_post[s.post], offset = 2 * rule.target_rate * rule.tau;
        s.move(std::max(0.0, s.w + rule.learning_rate * (trace - offset)));
        s.rounding.change(rule.learning_rate * (traces_[i].x_post_terms[s.post] + Terms{offset}));
      }
  }

  void learn_inhibition(std::size_t i, Step k, bool learns) {
    const ConnectionDescription& c = sim_.connections[i];
    const auto& rule = dynamic_cast<const SymmetricStdp&>(*c.rule);
    for (Synapse& s : synapses_[i])
      if (learns && spiked(c.to, k, s.post)) {
        s.move(std::min(rule.w_max, s.w + rule.learning_rate * traces_[i].x_pre[s.pre]));
        s.rounding.change(rule.learning_rate * traces_[i].x_pre_terms[s.pre]);
      }
  }

  void advance_stdp_traces(std::size_t i, Step k) {
    const ConnectionDescription& c = sim_.connections[i];
    const double decay = std::exp(-sim_.dt / dynamic_cast<const SymmetricStdp&>(*c.rule).tau);
    Traces& t = traces_[i];
    const auto advance = [&](double& trace, Terms& terms, bool spike) {
      trace = (trace + spike) * decay;
      terms.step(decay, {spike * decay});
    };
    for (NeuronId j = 0; j < t.x_pre.size(); ++j) advance(t.x_pre[j], t.x_pre_terms[j], spiked(c.from, k - c.delay, j));
    for (NeuronId n = 0; n < t.x_post.size(); ++n) advance(t.x_post[n], t.x_post_terms[n], spiked(c.to, k, n));
  }

  void learn_lpl(std::size_t i, Step k, bool learns) {
    const ConnectionDescription& c = sim_.connections[i];
    const auto& rule = dynamic_cast<const Lpl&>(*c.rule).rule;
    const double dt = sim_.dt;
    const Step lateness = dynamic_cast<const Lpl&>(*c.rule).lateness;
    const auto late = static_cast<std::size_t>(lateness);
    const Step horizon = std::llround(rule.horizon / dt), window = std::llround(rule.window / dt);
    const bool in_error = rule.transmitter_form == TransmitterForm::in_error;
    Traces& t = traces_[i];
    const LplConstants lc = lpl_constants(rule, dt, lateness);
    for (NeuronId n = 0; n < t.mean.size(); ++n) {
      const float V = cells_[c.to].registers[n][*cells_[c.to].membrane];
      const float side = std::fma(lc.steepness, std::abs(V - lc.surrogate_threshold), 1.0f);
      t.sigma[n] = V < lc.surrogate_floor ? 0.0f : lc.steepness / (side * side);
    }
    t.sigma_past.push_front(t.sigma);
    t.psp_past.push_front(t.psp);
    t.psp_terms_past.push_front(t.psp_terms);
    const double keep_f = 1.0f - lc.eligibility_follow, keep_psp = 1.0f - lc.membrane_follow;
    const bool warm = t.psp_past.size() > late;
    for (Synapse& s : synapses_[i]) {
      if (warm) {
        s.c += t.psp_past[late][s.pre] * t.sigma_past[late][s.post];
        s.c_terms = s.c_terms + t.sigma_past[late][s.post] * t.psp_terms_past[late][s.pre];
      }
      s.f = keep_f * s.f + double{lc.eligibility_follow} * s.c;
      s.f_terms.step(keep_f, double{lc.eligibility_follow} * s.c_terms);
      s.c *= lc.eligibility_decay;
      s.c_terms.step(lc.eligibility_decay, {});
      s.G += s.f * t.e[s.post];
      s.G_terms = s.G_terms + s.f_terms * t.e_terms[s.post];
      if (!in_error && spiked(c.from, k - s.delay, s.pre)) s.G += rule.transmitter_strength;
    }
    if (warm) {
      t.psp_past.pop_back();
      t.sigma_past.pop_back();
      t.psp_terms_past.pop_back();
    }
    if (k % window == 0)
      for (Synapse& s : synapses_[i]) update_weight(s, rule, static_cast<double>(window), learns);
    for (NeuronId j = 0; j < t.psp.size(); ++j) {
      const double spike = spiked(c.from, k - c.delay, j), decay = lc.synapse_decay;
      t.psp[j] = keep_psp * t.psp[j] + double{lc.membrane_follow} * t.r[j];
      t.psp_terms[j].step(keep_psp, double{lc.membrane_follow} * t.r_terms[j]);
      t.r[j] = (t.r[j] + spike) * decay;
      t.r_terms[j].step(decay, {spike * decay});
    }
    // The slow traces in float32, as the reference and the engine have them: the rounding of their decay factors alone
    // is worth 3e-4 of their value.
    for (NeuronId n = 0; n < t.mean.size(); ++n) {
      const auto late_spike = static_cast<float>(spiked(c.to, k - lateness, n)),
                 past_spike = static_cast<float>(spiked(c.to, k - horizon, n));
      const float deviation = std::fma(-lc.mean_to_rate, t.mean[n], late_spike);
      const float push = lc.hebbian * deviation / (t.variance[n] + lc.epsilon);
      const float pull = lc.predictive * (past_spike - late_spike);
      const float err = push + lc.transmitter + pull;
      t.variance[n] = std::fma(deviation * deviation, lc.gain_variance, t.variance[n]) * lc.decay_variance;
      t.mean[n] = (t.mean[n] + static_cast<float>(spiked(c.to, k, n))) * lc.decay_mean;
      t.e1[n] = std::fma(lc.follow_rise, err - t.e1[n], t.e1[n]);
      t.e[n] = std::fma(lc.follow_fall, t.e1[n] - t.e[n], t.e[n]);
      t.e1_terms[n].step(1 - lc.follow_rise, {lc.follow_rise * (std::abs(push) + lc.transmitter + std::abs(pull))});
      t.e_terms[n].step(1 - lc.follow_fall, lc.follow_fall * t.e1_terms[n]);
    }
  }

  void update_weight(Synapse& s, const LplRule& rule, double window, bool learns) {
    const double g = std::exchange(s.G, 0) / window;
    double step = g;
    Terms terms = 1 / window * std::exchange(s.G_terms, {});
    if (rule.gradient == Gradient::augmented) {
      const double keep = std::exp(-window * sim_.dt / rule.tau_rms);
      s.g2_terms = g * g > s.g2 * keep ? terms : std::sqrt(keep) * s.g2_terms;
      s.g2 = std::max(g * g, s.g2 * keep);
      const double size = std::sqrt(s.g2) + 1e-32;
      step = g / size;
      terms = 1 / size * (terms + std::abs(step) * s.g2_terms);
    }
    if (!learns) return;
    s.rounding.change(rule.learning_rate * terms);
    double w = s.w;
    if (rule.weight_decay_time)
      w -= rule.learning_rate * (1 - std::exp(-window * sim_.dt / *rule.weight_decay_time)) * w;
    s.move(std::clamp(w + rule.learning_rate * step, 0.0, rule.w_max));
  }

  const SimulationDescription& sim_;
  Network network_;           // for the wiring, the initial potentials and the factors of short-term plasticity only
  std::vector<Cells> cells_;  // by population
  std::vector<std::vector<Synapse>> synapses_;
  std::vector<Traces> traces_;
  std::vector<std::map<std::pair<Step, NeuronId>, std::vector<float>>> factors_;  // by connection, of spikes
  std::vector<std::vector<std::vector<std::uint8_t>>> spiked_;                    // by source, step, neuron
  std::vector<SpikeHistory> histories_;
  Outcome result_;
};

}  // namespace

Outcome run(const SimulationDescription& simulation) { return Simulator(simulation).run(); }

}  // namespace lpl::spiking::oracle
