// The program of one step of a model's text (docs/numerics.md section 2 says which methods).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "core/errors.hpp"
#include "core/float_decay.hpp"
#include "core/noise.hpp"
#include "core/text.hpp"
#include "spiking/model/equations.hpp"
#include "spiking/model/propagator.hpp"
#include "spiking/text/steady_values.hpp"

namespace lpl::spiking {
namespace {

using Values = std::vector<Value>;

bool is_noise(const std::string& name) { return name.starts_with("noise()"); }

// x' = sum of factor * name + constant, all steady; nothing where it is no such sum.
struct Affine {
  std::map<std::string, Expression> factors;
  Expression constant;
};

class Compiler {
 public:
  Compiler(const ModelText& model, const ParameterValues& values, const std::set<std::string>& varying, double dt)
      : model_(model),
        steady_(model.parameters, model.constants, values, dt),
        varying_(varying),
        program_(static_cast<std::uint16_t>(model.states.size())) {
    result_.parameters = model.parameters;
    result_.constants = model.constants;
    result_.dt = dt;
    result_.substep = dt / model.substeps;
    for (const NamedExpression& constant : model.constants)
      if (any_name(constant.value, [&](const std::string& name) { return varying_.count(name) > 0; }))
        varying_.insert(constant.name);
  }

  CompiledModel compile() {
    choose_methods();
    find_frozen();
    Values x;
    for (std::size_t i = 0; i < model_.states.size(); ++i) x.push_back(program_.state(static_cast<std::uint16_t>(i)));
    const Values old = x;
    see_who_rests(x);
    if (model_.arrivals == ArrivalOrder::first) add_arrivals(x);
    std::optional<Value> fired;
    const Values before = x;
    if (model_.test_first) fired = fires(x);
    move(x);
    const Values moved = x;
    if (model_.arrivals == ArrivalOrder::before_threshold) add_arrivals(x);
    hold(x, model_.every_substep ? moved : old);
    rest_on(x);
    if (model_.every_substep) {
      tell_spikes(x, program_.emit(Op::greater, spikes_, constant(0)), spikes_);
    } else {
      if (model_.when && !fired) fired = fires(x);
      const Values seen = model_.test_first ? before : x;
      if (fired) spike(x, seen, *fired);
    }
    if (model_.arrivals == ArrivalOrder::last) add_arrivals(x);
    std::vector<std::pair<std::uint16_t, Value>> all;
    for (std::size_t i = 0; i < x.size(); ++i) all.emplace_back(static_cast<std::uint16_t>(i), x[i]);
    program_.commit(all);
    if (model_.membrane) program_.clamp(static_cast<std::uint16_t>(*model_.membrane));
    result_.program = program_.finish();
    return std::move(result_);
  }

 private:
  // --- What is known before a run --------------------------------------------------------------------------------

  bool is_steady(const std::string& name) const { return steady_.find(name).has_value(); }
  bool is_steady(const Expression& tree) const {
    return !draws(tree) && !any_name(tree, [&](const std::string& name) { return !is_steady(name); });
  }
  bool varies(const Expression& tree) const {
    return any_name(tree, [&](const std::string& name) { return varying_.count(name) > 0; });
  }
  double value_of(const Expression& tree) const {
    return *evaluate(tree, [&](const std::string& name) { return steady_.find(name); });
  }
  // A steady value: a constant, or one by neuron.
  Value steady(const Expression& tree) {
    if (!varies(tree)) return program_.constant(value_of(tree));
    const auto [place, fresh] = by_neuron_.try_emplace(text_of(tree), Value{});
    if (fresh) {
      place->second = program_.by_neuron();
      result_.by_neuron_values.push_back({.value = tree});
    }
    return place->second;
  }

  // --- Expressions in a program ----------------------------------------------------------------------------------

  // A name's value, where states are `x` and the time has gone on by `later` [s].
  Value name_value(const std::string& name, const Values& x, double later = 0) {
    if (const auto i = model_.state_named(name); i && !is_refractory(*i)) return x[*i];
    for (std::size_t i = 0; i < model_.inputs.size(); ++i)
      if (model_.inputs[i].name == name) return program_.input(static_cast<std::uint16_t>(i));
    if (name == "t") {
      const Value now = program_.time();
      if (within_) return sum(now, *within_);
      return later == 0 ? now : program_.emit(Op::add, now, program_.constant(later));
    }
    if (const auto let = lets_.find(name); let != lets_.end()) return let->second;
    return steady(named(name, Dimension::none));
  }
  Value lower(const Expression& tree, const Values& x, double later = 0) {
    Lowering lowering;
    lowering.name = [&](const std::string& name) { return name_value(name, x, later); };
    // A list of assignments is computed as it is written.
    if (model_.step.empty())
      lowering.known = [&](const Expression& part) -> std::optional<Value> {
        if (!is_steady(part)) return {};
        return steady(part);
      };
    return append(program_, tree, lowering);
  }
  Value constant(double value) { return program_.constant(value); }
  Value sum(Value a, Value b) { return program_.emit(Op::add, a, b); }
  Value product(Value a, Value b) { return program_.emit(Op::multiply, a, b); }

  // --- Methods ---------------------------------------------------------------------------------------------------

  const StateText& state(std::size_t i) const { return model_.states[i]; }
  [[noreturn]] void refuse(std::size_t i, const std::string& why) const {
    throw ConfigError(fmt::format("the state '{}' {}", state(i).name, why));
  }

  static std::vector<std::string> noises_in(const Expression& tree) {
    std::vector<std::string> found;
    for_each_name(tree, [&](const std::string& name) {
      if (is_noise(name) && std::find(found.begin(), found.end(), name) == found.end()) found.push_back(name);
    });
    return found;
  }

  // The derivative of state i as drift and factors of noises.
  struct Drift {
    Expression rest;
    std::vector<std::pair<std::string, Expression>> noises;
  };
  Drift drift(std::size_t i) const {
    Drift result{state(i).derivative, {}};
    for (const std::string& name : noises_in(state(i).derivative)) {
      const auto linear = linear_in(result.rest, name);
      if (!linear || !noises_in(linear->factor).empty())
        refuse(i, "has noise() in a form that is no sum of a drift and a factor times noise()");
      result.rest = linear->constant;
      result.noises.emplace_back(name, linear->factor);
    }
    return result;
  }

  std::optional<Affine> affine(std::size_t i) const {
    const Drift d = drift(i);
    for (const auto& [name, factor] : d.noises)
      if (!is_steady(factor)) return {};
    Affine result{{}, d.rest};
    std::set<std::string> names;
    for_each_name(d.rest, [&](const std::string& name) {
      if (!is_steady(name)) names.insert(name);
    });
    for (const std::string& name : names) {
      const auto linear = name == "t" ? std::nullopt : linear_in(result.constant, name);
      if (!linear || !is_steady(linear->factor)) return {};
      result.constant = linear->constant;
      if (!is_zero(linear->factor)) result.factors[name] = linear->factor;
    }
    if (!is_steady(result.constant)) return {};
    return result;
  }

  void choose_methods() {
    const std::size_t n = model_.states.size();
    method_.assign(n, Method::automatic);
    group_.assign(n, 0);
    for (std::size_t i = 0; i < n; ++i)
      if (state(i).derivative) method_[i] = state(i).method;
    if (is_adaptive()) choose_adaptive();
    if (model_.draws * model_.substeps > Noise::kMostDraws)
      throw ConfigError(
          fmt::format("the sub-steps draw more than {} random numbers a step; take fewer of them", Noise::kMostDraws));
    choose_exact();
    choose_by_components();
    for (std::size_t i = 0; i < n; ++i)
      if (state(i).derivative &&
          (method_[i] == Method::rk4 || method_[i] == Method::rkf45 || method_[i] == Method::heun) &&
          !drift(i).noises.empty())
        refuse(i, "has noise(), which takes the method euler, exponential_euler or exact");
  }

  // Whatever their method: by each of them, a step adds to a state what is too small for it.
  void find_frozen() {
    for (std::size_t i = 0; i < model_.states.size(); ++i) {
      const auto form = state(i).derivative ? affine(i) : std::nullopt;
      if (!form) continue;
      for (const auto& [name, factor] : form->factors)
        if (const double rate = name == state(i).name ? -value_of(factor) : 0;
            rate > 0 && !float_decays(result_.substep, 1 / rate))
          result_.frozen.push_back({name, 1 / rate});
    }
  }

  // What has no method of its own goes with the others.
  void choose_adaptive() {
    for (std::size_t i = 0; i < method_.size(); ++i) {
      if (!state(i).derivative || method_[i] == Method::rkf45) continue;
      if (method_[i] != Method::automatic && model_.every_substep)
        refuse(i, "moves once a step, so that no sub-step of 'rkf45' ends with it; take 'rkf45' for it, too");
      if (method_[i] == Method::automatic) method_[i] = Method::rkf45;
    }
  }

  // The largest set of linear states; a state that hears another one's noise within the step is outside of it.
  void choose_exact() {
    const std::size_t n = model_.states.size();
    std::vector<std::optional<Affine>> forms(n);
    std::vector<std::string> why(n);
    for (std::size_t i = 0; i < n; ++i)
      if (state(i).derivative && (method_[i] == Method::automatic || method_[i] == Method::exact)) {
        forms[i] = affine(i);
        if (!forms[i]) why[i] = "is not linear with coefficients of parameters";
      }
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t i = 0; i < n; ++i) {
        if (!forms[i]) continue;
        for (const auto& [name, factor] : forms[i]->factors) {
          const auto other = model_.state_named(name);
          if (!other || *other == i) continue;
          const bool moves = state(*other).derivative != nullptr;
          if (moves && (!forms[*other] || !drift(*other).noises.empty())) {
            why[i] = fmt::format("depends on '{}', which is not stepped exactly together with it", name);
            forms[i].reset();
            changed = true;
            break;
          }
        }
      }
    }
    for (std::size_t i = 0; i < n; ++i) {
      if (method_[i] == Method::exact && !forms[i])
        refuse(i, fmt::format("cannot be stepped by the method 'exact': it {}", why[i]));
      if (!forms[i]) continue;
      method_[i] = Method::exact;
      exact_.push_back(i);
    }
    // Columns: exact states, what is held during the step (inputs and states that do not move), and 1.
    LinearSystem& system = result_.linear;
    system.rows = exact_.size();
    std::map<std::string, std::size_t> columns;
    for (std::size_t row = 0; row < exact_.size(); ++row) columns[state(exact_[row]).name] = row;
    std::size_t next = exact_.size();
    for (std::size_t row = 0; row < exact_.size(); ++row) {
      const Affine& form = *forms[exact_[row]];
      for (const auto& [name, factor] : form.factors) {
        if (columns.try_emplace(name, next).second) {
          held_columns_.push_back(name);
          ++next;
        }
        system.terms.push_back({row, columns[name], factor});
      }
      system.held.push_back(model_.refractory_state && state(exact_[row]).hold);
    }
    for (std::size_t row = 0; row < exact_.size(); ++row)
      if (!is_zero(forms[exact_[row]]->constant)) system.terms.push_back({row, next, forms[exact_[row]]->constant});
    system.columns = next + 1;
  }

  bool linear_in_itself(std::size_t i) const {
    const Drift d = drift(i);
    return linear_in(d.rest, state(i).name).has_value();
  }

  void choose_by_components() {
    const std::size_t n = model_.states.size();
    std::vector<std::vector<bool>> reaches(n, std::vector<bool>(n, false));
    const auto open = [&](std::size_t i) { return state(i).derivative && method_[i] == Method::automatic; };
    for (std::size_t i = 0; i < n; ++i)
      if (open(i))
        for_each_name(state(i).derivative, [&](const std::string& name) {
          if (const auto other = model_.state_named(name); other && open(*other)) reaches[i][*other] = true;
        });
    for (std::size_t k = 0; k < n; ++k)
      for (std::size_t i = 0; i < n; ++i)
        if (reaches[i][k])
          for (std::size_t j = 0; j < n; ++j)
            if (reaches[k][j]) reaches[i][j] = true;
    std::vector<Method> chosen = method_;
    int groups = 1;
    for (std::size_t i = 0; i < n; ++i) {
      if (!open(i) || chosen[i] != Method::automatic) continue;
      std::vector<std::size_t> component = {i};
      for (std::size_t j = i + 1; j < n; ++j)
        if (reaches[i][j] && reaches[j][i]) component.push_back(j);
      const bool linear =
          std::all_of(component.begin(), component.end(), [&](std::size_t j) { return linear_in_itself(j); });
      const bool noisy =
          std::any_of(component.begin(), component.end(), [&](std::size_t j) { return !drift(j).noises.empty(); });
      for (const std::size_t j : component) {
        chosen[j] = linear ? Method::exponential_euler : noisy ? Method::euler : Method::rk4;
        group_[j] = groups;
      }
      ++groups;
    }
    method_ = std::move(chosen);
  }

  // --- Motion ----------------------------------------------------------------------------------------------------

  void move(Values& x) {
    if (!model_.step.empty()) {
      for (const AssignmentText& assignment : model_.step) {
        const Value value = lower(assignment.value, x);
        if (assignment.state)
          x[*assignment.state] = value;
        else
          lets_[assignment.name] = value;
      }
      for (const StateText& s : model_.states) result_.report.push_back({s.name, "step", step_text(s.name)});
      if (model_.refractory_state) result_.report.pop_back();
      return;
    }
    check_propagator();
    spikes_ = constant(0);
    for (int sub = 0; sub < model_.substeps; ++sub) {
      later_ = sub * result_.substep;
      const Values old = x;
      advance(x, sub == 0);
      if (is_adaptive())
        advance_adaptively(x);
      else if (model_.every_substep)
        end_substep(x, old);
    }
  }

  std::string step_text(const std::string& name) const {
    std::vector<std::string> texts;
    for (const AssignmentText& assignment : model_.step)
      if (assignment.state && assignment.name == name)
        texts.push_back(fmt::format("{} = {}", name, text_of(assignment.value)));
    return texts.empty() ? "stands still" : join(texts, "; ");
  }

  void advance(Values& x, bool reports) {
    const double h = result_.substep;
    const Values old = x;
    advance_exactly(x, old, reports);
    // Groups of Runge-Kutta: those that a text names form one each.
    std::set<std::pair<Method, int>> groups;
    for (std::size_t i = 0; i < x.size(); ++i)
      if (state(i).derivative && (method_[i] == Method::rk4 || method_[i] == Method::heun))
        groups.insert({method_[i], group_[i]});
    for (const auto& [method, group] : groups) runge_kutta(x, old, method, group, reports);
    for (std::size_t i = 0; i < x.size(); ++i)
      if (state(i).derivative && method_[i] == Method::euler) {
        const Drift d = drift(i);
        x[i] = sum(old[i], product(lower(d.rest, old, later_), constant(h)));
        for (const auto& [name, factor] : d.noises)
          x[i] = sum(x[i], product(lower(factor, old, later_), product(constant(std::sqrt(h)), noise(name))));
        if (reports) {
          std::string text = fmt::format("{0} = {0} + {2} * ({1})", state(i).name, text_of(d.rest), step_name());
          for (const auto& [name, factor] : d.noises)
            text += fmt::format(" + sqrt({}) * ({}) * normal()", step_name(), text_of(factor));
          report(i, d.noises.empty() ? "euler" : "euler (Euler-Maruyama)", text);
        }
      }
    // The membrane is last and sees the new values of the others.
    Values seen = old;
    for (std::size_t i = 0; i < x.size(); ++i)
      if (state(i).derivative && method_[i] == Method::exponential_euler && i != membrane()) {
        x[i] = exponential_euler(i, old, reports, false);
        seen[i] = x[i];
      }
    if (const std::size_t m = membrane();
        m < x.size() && state(m).derivative && method_[m] == Method::exponential_euler)
      x[m] = exponential_euler(m, seen, reports, true);
    if (reports)
      for (std::size_t i = 0; i < x.size(); ++i)
        if (!state(i).derivative && i != model_.refractory_state) report(i, "none", "stands still");
  }
  std::string step_name() const { return model_.substeps > 1 ? fmt::format("dt / {}", model_.substeps) : "dt"; }
  std::size_t membrane() const { return model_.membrane.value_or(model_.states.size()); }
  void report(std::size_t i, std::string method, std::string update) {
    if (model_.substeps > 1) method += fmt::format(", {} sub-steps", model_.substeps);
    result_.report.push_back({state(i).name, std::move(method), std::move(update)});
  }

  // Each noise of the text is drawn anew in every sub-step.
  Value noise(const std::string& name) {
    const int index = std::stoi(name.substr(name.find('#') + 1)),
              sub = static_cast<int>(std::lround(later_ / result_.substep));
    return program_.draw(Op::normal, static_cast<std::uint16_t>(index + model_.draws * sub));
  }

  // x + h f(x) exprel(h b), which is x exp(hb) + a h exprel(hb) for f = a + b x.
  Value exponential_euler(std::size_t i, const Values& seen, bool reports, bool last) {
    const double h = result_.substep;
    const Drift d = drift(i);
    const auto linear = linear_in(d.rest, state(i).name);
    if (!linear) refuse(i, "cannot be stepped by the method 'exponential_euler': it is not linear in itself");
    const auto mean = [&](double factor) {  // exprel(factor h b)
      const Expression exponent = number(factor * h, Dimension::time) * linear->factor;
      return operation(Op::exprel, {exponent}, Dimension::none);
    };
    const Expression gain = number(h, Dimension::time) * mean(1);
    Value moved = sum(seen[i], product(lower(d.rest, seen, later_), lower(gain, seen, later_)));
    for (const auto& [name, factor] : d.noises) {
      const Expression deviation = operation(Op::sqrt, {number(h, Dimension::time) * mean(2)}, {0, 0, 1, 0});
      moved = sum(moved, product(lower(factor, seen, later_), product(lower(deviation, seen, later_), noise(name))));
    }
    if (reports) {
      std::string text = fmt::format("{0} = {0} + {3} * exprel({3} * ({1})) * ({2})", state(i).name,
                                     text_of(linear->factor), text_of(d.rest), step_name());
      for (const auto& [name, factor] : d.noises)
        text += fmt::format(" + sqrt({0} * exprel(2 * {0} * ({1}))) * ({2}) * normal()", step_name(),
                            text_of(linear->factor), text_of(factor));
      report(i, last ? "exponential_euler, after the other states" : "exponential_euler", text);
    }
    return moved;
  }

  void runge_kutta(Values& x, const Values& old, Method method, int group, bool reports) {
    const double h = result_.substep;
    const std::vector<std::size_t> members = members_of(method, group);
    std::vector<std::string> names;
    for (const std::size_t i : members) names.push_back(state(i).name);
    const auto slopes = [&](const Values& at, double later) { return slopes_of(members, at, later_ + later); };
    const auto stage = [&](const Values& k, double step) {
      Values at = old;
      for (std::size_t m = 0; m < members.size(); ++m)
        at[members[m]] = sum(old[members[m]], product(k[m], constant(step)));
      return at;
    };
    const Values k1 = slopes(old, 0);
    if (method == Method::heun) {
      const Values k2 = slopes(stage(k1, h), h);
      for (std::size_t m = 0; m < members.size(); ++m)
        x[members[m]] = sum(old[members[m]], product(sum(k1[m], k2[m]), constant(h / 2)));
    } else {
      const Values k2 = slopes(stage(k1, h / 2), h / 2), k3 = slopes(stage(k2, h / 2), h / 2),
                   k4 = slopes(stage(k3, h), h);
      for (std::size_t m = 0; m < members.size(); ++m) {
        const Value middle = product(sum(k2[m], k3[m]), constant(2));
        x[members[m]] = sum(old[members[m]], product(sum(sum(k1[m], k4[m]), middle), constant(h / 6)));
      }
    }
    if (reports)
      for (const std::size_t i : members)
        report(i, fmt::format("{} of {}", method == Method::heun ? "heun" : "rk4", join(names, ", ")),
               fmt::format("d/dt {} = {}", state(i).name, text_of(state(i).derivative)));
  }

  bool is_held(std::size_t i) const { return resting_ && state(i).hold; }

  // --- Sub-steps of a length that errors decide --------------------------------------------------------------------
  // Fehlberg's method of fifth order, with one of fourth order for its error E, the largest of all states in units of
  // their tolerances. E > 1.1: again, shorter by 0.9 E^(-1/5); E < 0.5: the next one is longer by 0.9 E^(-1/6); never
  // by more than five. An error that is no number is too large.

  bool is_adaptive() const { return std::find(method_.begin(), method_.end(), Method::rkf45) != method_.end(); }

  void advance_adaptively(Values& x) {
    // What changes in a sub-step, what is left of the step, the length of the next sub-step, the number of trials,
    // spikes.
    std::vector<std::size_t> changing;
    Values first;
    for (std::size_t i = 0; i < x.size(); ++i)
      if (method_[i] == Method::rkf45 || (model_.every_substep && (state(i).then || is_held(i) || is_refractory(i)))) {
        changing.push_back(i);
        first.push_back(x[i]);
      }
    const Value dt = constant(result_.dt);
    first.insert(first.end(), {dt, dt, constant(0), spikes_});
    Values carried = program_.begin_repeat(first);
    const auto take = [&] {
      for (std::size_t n = 0; n < changing.size(); ++n) x[changing[n]] = carried[n];
      spikes_ = carried.back();
      see_who_rests(x);
    };
    take();
    const Values old = x;
    const Value left = carried[changing.size()], planned = carried[changing.size() + 1],
                trials = carried[changing.size() + 2], before = spikes_;
    const Value h = program_.emit(Op::min, planned, left);
    const Value error = fehlberg(x, old, left, h);
    const auto both = [&](Value a, Value b) { return program_.emit(Op::both, a, b); };
    const auto no = [&](Value a) { return program_.emit(Op::negation, a); };
    const auto either_of = [&](Value which, Value a, Value b) { return program_.emit(Op::select, which, a, b); };
    const Value fails = no(program_.emit(Op::less_equal, error, constant(1.1)));
    const Value power = product(
        constant(0.9), program_.emit(Op::power, error, either_of(fails, constant(-1.0 / 5), constant(-1.0 / 6))));
    const Value longer = program_.emit(Op::min, program_.emit(Op::max, power, constant(1)), constant(5));
    const Value factor = either_of(fails, program_.emit(Op::max, power, constant(0.2)),
                                   either_of(program_.emit(Op::less, error, constant(0.5)), longer, constant(1)));
    // A neuron that has done its step waits for others.
    const Value counts = both(no(fails), program_.emit(Op::greater, left, constant(0)));
    if (model_.every_substep) end_substep(x, old);
    Values next;
    for (const std::size_t i : changing) next.push_back(either_of(counts, x[i], old[i]));
    const Value rest = either_of(counts, program_.emit(Op::subtract, left, h), left);
    const Value done = sum(trials, constant(1)), goes_on = program_.emit(Op::greater, rest, constant(0));
    next.insert(next.end(), {rest, product(h, factor), done, either_of(counts, spikes_, before)});
    carried = program_.repeat(next, both(goes_on, program_.emit(Op::less, done, constant(kMostTrials))));
    take();
    program_.unsolved(program_.emit(Op::greater, carried[changing.size()], constant(0)));
  }

  // Moves the states of rkf45 by h, `left` before the end of the step. Gives the error in units of tolerances.
  Value fehlberg(Values& x, const Values& old, Value left, Value h) {
    constexpr std::size_t kStages = 6;
    constexpr double kTimes[kStages] = {0, 1.0 / 4, 3.0 / 8, 12.0 / 13, 1, 1.0 / 2};
    constexpr double kStage[kStages][kStages - 1] = {{},
                                                     {1.0 / 4},
                                                     {3.0 / 32, 9.0 / 32},
                                                     {1932.0 / 2197, -7200.0 / 2197, 7296.0 / 2197},
                                                     {439.0 / 216, -8, 3680.0 / 513, -845.0 / 4104},
                                                     {-8.0 / 27, 2, -3544.0 / 2565, 1859.0 / 4104, -11.0 / 40}};
    constexpr double kSum[kStages] = {16.0 / 135, 0, 6656.0 / 12825, 28561.0 / 56430, -9.0 / 50, 2.0 / 55};
    constexpr double kError[kStages] = {1.0 / 360, 0, -128.0 / 4275, -2197.0 / 75240, 1.0 / 50, 2.0 / 55};
    const std::vector<std::size_t> members = members_of(Method::rkf45, 0);
    std::vector<Values> slopes;
    // h times the sum of what the slopes so far are by these factors.
    const auto weighted = [&](std::size_t m, const double* factors) {
      std::optional<Value> total;
      for (std::size_t s = 0; s < slopes.size(); ++s) {
        if (factors[s] == 0) continue;
        const Value term = product(slopes[s][m], constant(factors[s]));
        total = total ? sum(*total, term) : term;
      }
      return product(*total, h);
    };
    for (std::size_t s = 0; s < kStages; ++s) {
      Values at = old;
      for (std::size_t m = 0; m < members.size() && s > 0; ++m)
        at[members[m]] = sum(old[members[m]], weighted(m, kStage[s]));
      within_ = sum(program_.emit(Op::subtract, constant(result_.dt), left), product(h, constant(kTimes[s])));
      slopes.push_back(slopes_of(members, at, 0));
    }
    within_.reset();
    std::optional<Value> error;
    for (std::size_t m = 0; m < members.size(); ++m) {
      x[members[m]] = sum(old[members[m]], weighted(m, kSum));
      const Expression& tolerance = state(members[m]).tolerance;
      if (!tolerance) continue;
      const Value own = product(program_.emit(Op::abs, weighted(m, kError)), steady(number(1) / tolerance));
      error = error ? program_.emit(Op::max, own, *error) : own;
    }
    for (const std::size_t i : members) {
      std::string method = "rkf45";
      if (const Expression& tolerance = state(i).tolerance) method += " to " + text_of(tolerance);
      report(i, method, fmt::format("d/dt {} = {}", state(i).name, text_of(state(i).derivative)));
    }
    return *error;
  }

  // The states that a Runge-Kutta method moves together.
  std::vector<std::size_t> members_of(Method method, int group) const {
    std::vector<std::size_t> members;
    for (std::size_t i = 0; i < method_.size(); ++i)
      if (state(i).derivative && method_[i] == method && group_[i] == group) members.push_back(i);
    return members;
  }

  // The slopes of states that move together; of those that are held, 0.
  Values slopes_of(const std::vector<std::size_t>& members, const Values& at, double later) {
    Values k;
    for (const std::size_t i : members) {
      const Value slope = lower(state(i).derivative, at, later);
      k.push_back(is_held(i) ? program_.emit(Op::select, *resting_, constant(0), slope) : slope);
    }
    return k;
  }

  // --- Exact steps -----------------------------------------------------------------------------------------------

  std::vector<double> propagator(bool held) const {
    return propagator_of(
        result_.linear, held, [&](const Expression& tree) { return value_of(tree); }, result_.substep);
  }

 public:
  // exp(h A) - 1 of the system with its held columns and 1.
  template <class Evaluate>
  static std::vector<double> propagator_of(const LinearSystem& system, bool held, Evaluate&& value, double h) {
    std::vector<double> A(system.columns * system.columns, 0);
    for (const LinearSystem::Term& term : system.terms)
      if (!held || !system.held[term.row]) A[term.row * system.columns + term.column] = value(term.value);
    return propagator_minus_one(std::move(A), system.columns, h);
  }

 private:
  void check_propagator() {
    const LinearSystem& system = result_.linear;
    if (system.rows == 0) return;
    free_ = propagator(false);
    resting_propagator_ = propagator(true);
    const bool fine = std::all_of(free_.begin(), free_.end(), [](double element) { return std::isfinite(element); });
    if (!fine)
      throw ConfigError(
          "the exact step of the linear states is no finite number: a time constant or a capacitance is 0, "
          "or far too small for dt");
    // With parameters by neuron, what may be not 0 is what a path leads to.
    varies_ =
        std::any_of(system.terms.begin(), system.terms.end(), [&](const auto& term) { return varies(term.value); });
    reached_.assign(system.columns * system.columns, false);
    for (const LinearSystem::Term& term : system.terms) reached_[term.row * system.columns + term.column] = true;
    for (std::size_t k = 0; k < system.rows; ++k)
      for (std::size_t i = 0; i < system.rows; ++i)
        if (reached_[i * system.columns + k])
          for (std::size_t j = 0; j < system.columns; ++j)
            if (reached_[k * system.columns + j]) reached_[i * system.columns + j] = true;
  }

  // An element of the propagator (minus 1), of the one in the refractory period where that differs.
  std::optional<Value> element(std::size_t row, std::size_t column, double one = 0) {
    const std::size_t at = row * result_.linear.columns + column;
    if (!reached_[at]) return {};
    const auto differs = resting_ && !result_.linear.held[row] && through_held(row, column);
    const auto one_of = [&](bool held) {
      if (!varies_) return constant(one + (held ? resting_propagator_ : free_)[at]);
      const auto [place, fresh] = elements_.try_emplace({row, column, held}, Value{});
      if (fresh) {
        place->second = program_.by_neuron();
        result_.by_neuron_values.push_back({nullptr, row, column, held});
      }
      return one == 0 ? place->second : sum(place->second, constant(one));
    };
    const Value moving = one_of(false);
    if (!differs) return moving;
    return program_.emit(Op::select, *resting_, one_of(true), moving);
  }
  // Whether an element changes where held states stand still.
  bool through_held(std::size_t row, std::size_t column) const {
    if (!varies_) {
      const std::size_t at = row * result_.linear.columns + column;
      return free_[at] != resting_propagator_[at];
    }
    return std::find(result_.linear.held.begin(), result_.linear.held.end(), true) != result_.linear.held.end();
  }

  void advance_exactly(Values& x, const Values& old, bool reports) {
    const LinearSystem& system = result_.linear;
    for (std::size_t row = 0; row < system.rows; ++row) {
      const std::size_t i = exact_[row];
      std::vector<std::string> texts;
      std::optional<Value> others;
      for (std::size_t column = 0; column < system.columns; ++column) {
        if (column == row) continue;
        const auto factor = element(row, column);
        if (!factor) continue;
        const bool one = column + 1 == system.columns;
        const std::string name = one                    ? ""
                                 : column < system.rows ? state(exact_[column]).name
                                                        : held_columns_[column - system.rows];
        const Value term = one ? *factor : product(*factor, name_value(name, old));
        others = others ? sum(*others, term) : term;
        texts.push_back(fmt::format("{:.9g}{}{}", free_[row * system.columns + column], one ? "" : " * ", name));
      }
      // A sum of increments keeps the digits of a state that rests; a state that only decays is a product.
      const std::string& name = state(i).name;
      const double own = free_[row * system.columns + row];
      std::string text;
      if (!others) {
        const auto decay = element(row, row, 1);
        x[i] = decay ? product(*decay, old[i]) : old[i];
        text = fmt::format("{0} = {1:.9g} * {0}", name, 1 + own);
      } else {
        if (const auto factor = element(row, row)) {
          others = sum(product(*factor, old[i]), *others);
          texts.insert(texts.begin(), fmt::format("{:.9g} * {}", own, name));
        }
        x[i] = sum(old[i], *others);
        text = fmt::format("{0} = {0} + ({1})", name, join(texts, " + "));
      }
      add_exact_noise(i, row, x[i], text);
      if (reports) report(i, "exact", text);
    }
  }

  // The integral of exp(b (h - s)) dW(s) is normal, with the variance h exprel(2 h b).
  void add_exact_noise(std::size_t i, std::size_t row, Value& x, std::string& text) {
    const Drift d = drift(i);
    if (d.noises.empty()) return;
    Expression b = number(0, Dimension::frequency);
    for (const LinearSystem::Term& term : result_.linear.terms)
      if (term.row == row && term.column == row) b = b + term.value;
    const double h = result_.substep;
    const Expression variance = operation(Op::exprel, {number(2 * h, Dimension::time) * b}, Dimension::none);
    const Expression deviation = operation(Op::sqrt, {number(h, Dimension::time) * variance}, {0, 0, 1, 0});
    for (const auto& [name, factor] : d.noises) {
      const Expression size = factor * deviation;
      x = sum(x, product(steady(size), noise(name)));
      text += fmt::format(" + {:.9g} * normal()", value_of(size));
    }
  }

  // --- Events ----------------------------------------------------------------------------------------------------

  void add_arrivals(Values& x) {
    if (model_.receptors.empty()) return;
    program_.hook();
    for (std::size_t r = 0; r < model_.receptors.size(); ++r) {
      const ReceptorText& receptor = model_.receptors[r];
      Value arrived = program_.arrival(static_cast<std::uint16_t>(r));
      if (receptor.factor) arrived = product(steady(receptor.factor), arrived);
      x[receptor.state] = sum(x[receptor.state], arrived);
    }
  }

  bool is_refractory(std::size_t i) const { return model_.refractory_state == i; }
  void see_who_rests(const Values& x) {
    if (model_.refractory_state) resting_ = program_.emit(Op::greater, x[*model_.refractory_state], constant(0));
  }
  void hold(Values& x, const Values& old) {
    if (!resting_) return;
    for (std::size_t i = 0; i < x.size(); ++i)
      if (state(i).hold) x[i] = program_.emit(Op::select, *resting_, lower(state(i).hold, old), x[i]);
  }
  void rest_on(Values& x) {
    if (!resting_) return;
    Value& left = x[*model_.refractory_state];
    left = program_.emit(Op::max, program_.emit(Op::subtract, left, constant(1)), constant(0));
  }

  Value fires(const Values& x) {
    const Value above = lower(model_.when, x);
    return resting_ ? program_.emit(Op::both, above, program_.emit(Op::negation, *resting_)) : above;
  }

  // What a neuron does within its step: spikes, and rests from then on.
  void end_substep(Values& x, const Values& old) {
    hold(x, old);
    const Values moved = x;
    const Value fired = fires(moved);
    reset(x, moved, fired);
    spikes_ = sum(spikes_, fired);
    see_who_rests(x);
  }

  // `x` are the states as they moved, `seen` those that the threshold was tested on.
  void spike(Values& x, const Values& seen, Value fired) {
    reset(x, seen, fired);
    tell_spikes(x, fired, model_.count ? std::optional(lower(model_.count, seen)) : std::nullopt);
  }

  void reset(Values& x, const Values& seen, Value fired) {
    const Values moved = x;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (i == model_.refractory_state) continue;
      if (state(i).then)
        x[i] = program_.emit(Op::select, fired, lower(state(i).then, seen), moved[i]);
      else if (model_.test_first)
        x[i] = program_.emit(Op::select, fired, seen[i], moved[i]);
    }
    if (model_.refractory_state) {
      const Expression count = model_.refractory / named("dt", Dimension::time);
      Expression whole = operation(Op::floor, {count + number(0.5)}, Dimension::none);
      // What is left of the step of the spike comes on top of whole steps.
      if (model_.every_substep) whole = whole + operation(Op::min, {whole, number(1)}, Dimension::none);
      Value& left = x[*model_.refractory_state];
      left = program_.emit(Op::select, fired, steady(whole), left);
    }
  }

  void tell_spikes(const Values& x, Value fired, std::optional<Value> times) {
    if (model_.membrane) program_.commit({{static_cast<std::uint16_t>(*model_.membrane), x[*model_.membrane]}});
    if (times)
      program_.fired(fired, *times);
    else
      program_.fired(fired);
  }

  const ModelText& model_;
  SteadyValues steady_;
  std::set<std::string> varying_;
  ProgramBuilder program_;
  CompiledModel result_;
  std::map<std::string, Value> by_neuron_, lets_;
  std::map<std::tuple<std::size_t, std::size_t, bool>, Value> elements_;
  std::vector<Method> method_;
  std::vector<int> group_;  // of Runge-Kutta: 0 where the text names the method
  std::vector<std::size_t> exact_;
  std::vector<std::string> held_columns_;
  std::vector<double> free_, resting_propagator_;
  std::vector<bool> reached_;
  bool varies_ = false;
  double later_ = 0;             // of a sub-step
  std::optional<Value> within_;  // what of the step has gone by in a stage of rkf45
  Value spikes_;                 // of sub-steps so far
  std::optional<Value> resting_;
};

}  // namespace

CompiledModel compile(const ModelText& model, const ParameterValues& values, const std::set<std::string>& varying,
                      double dt) {
  return Compiler(model, values, varying, dt).compile();
}

std::vector<double> CompiledModel::by_neuron(const ParameterValues& values) const {
  const SteadyValues steady(parameters, constants, values, dt);
  const auto value = [&](const Expression& tree) { return steady.of(tree); };
  std::vector<double> propagators[2];
  std::vector<double> result;
  for (const ByNeuron& entry : by_neuron_values) {
    if (entry.value) {
      result.push_back(value(entry.value));
      continue;
    }
    auto& propagator = propagators[entry.held ? 1 : 0];
    if (propagator.empty()) propagator = Compiler::propagator_of(linear, entry.held, value, substep);
    result.push_back(propagator[entry.row * linear.columns + entry.column]);
  }
  return result;
}

}  // namespace lpl::spiking
