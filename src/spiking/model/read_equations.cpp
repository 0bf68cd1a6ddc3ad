// The texts of cells.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/text.hpp"
#include "spiking/model/equations.hpp"
#include "spiking/text/steady_values.hpp"
#include "spiking/text/text_reader.hpp"

namespace lpl::spiking {
namespace {

constexpr std::size_t kMostStates = 200;
constexpr int kMostSubsteps = 1000;

const std::vector<std::string> kMethods = {"automatic", "exact", "exponential_euler", "rk4", "rkf45", "heun", "euler"};

class ModelReader : private TextReader {
 public:
  explicit ModelReader(Table& table) : TextReader(table) {}

  ModelText read() {
    table_.text("model");
    read_title(model_);
    read_parameters(model_, {.symbols = {{"i", Dimension::none}, {"N", Dimension::none}}});
    read_constants(model_);
    read_states();
    read_inputs();
    read_receptors();
    if (model_.states.size() > kMostStates)
      table_.fail("states",
                  fmt::format("there are {} states; a neuron may have {}", model_.states.size(), kMostStates));
    read_scope();
    read_motion();
    read_methods();
    read_spike();
    read_requirements(model_);
    read_membrane();
    table_.finish();
    model_.draws = draws_;
    return std::move(model_);
  }

 private:
  Scope initial_scope() {
    Scope scope = steady_;
    scope.symbols.push_back({"i", Dimension::none});
    scope.symbols.push_back({"N", Dimension::none});
    scope.random = true;
    scope.draws = &initial_draws_;
    return scope;
  }

  void read_states() {
    Table table = section("states");
    const Scope scope = initial_scope();
    for (const std::string& name : table.keys()) {
      declare(table, name);
      StateText state;
      state.name = name;
      if (table.is_table(name)) {
        Table own = entry(table, name);
        state.initial = value(own, "initial", scope);
        state.dimension = state.initial->dimension;
        if (own.has("low")) state.low = value(own, "low", steady_, state.dimension);
        if (own.has("high")) state.high = value(own, "high", steady_, state.dimension);
        own.finish();
      } else {
        state.initial = value(table, name, scope);
        state.dimension = state.initial->dimension;
      }
      model_.states.push_back(std::move(state));
    }
    own_states_ = model_.states.size();
  }

  void read_inputs() {
    Table table = section("inputs");
    for (const std::string& name : table.keys()) {
      declare(table, name);
      model_.inputs.push_back({name, unit(table, name)});
    }
  }

  std::vector<std::string> state_names() const {
    std::vector<std::string> names;
    for (const StateText& state : model_.states) names.push_back(state.name);
    return names;
  }
  std::size_t known_state(Table& table, std::string_view key, const std::string& name) {
    if (const auto found = model_.state_named(name)) return *found;
    const std::vector<std::string> known = state_names();
    const std::string best = nearest(name, known);
    table.fail(key, fmt::format("there is no state {}; {}", in_quotes(name),
                                best.empty() ? "known: " + (known.empty() ? "none" : join(known, ", "))
                                             : fmt::format("did you mean '{}'?", best)));
  }

  std::size_t add_state(const std::string& name, Dimension dimension, Expression derivative) {
    StateText state;
    state.name = name;
    state.dimension = dimension;
    state.initial = number(0, dimension);
    state.derivative = std::move(derivative);
    model_.states.push_back(std::move(state));
    return model_.states.size() - 1;
  }

  void read_receptors() {
    Table table = section("receptors");
    for (const std::string& name : table.keys()) {
      if (!is_name(name) || name.find('.') != std::string::npos)
        table.fail(name, fmt::format("{} is no name of a receptor; use letters, digits and '_'", in_quotes(name)));
      ReceptorText receptor;
      receptor.name = name;
      if (table.is_table(name)) {
        Table own = entry(table, name);
        read_receptor(own, receptor);
        if (own.has("sign"))
          receptor.sign = static_cast<WeightSign>(own.choice("sign", {"any", "positive", "negative"}));
        own.finish();
      } else {
        receptor.state = known_state(table, name, table.text(name));
        receptor.weight = model_.states[receptor.state].dimension;
      }
      model_.receptors.push_back(std::move(receptor));
    }
  }

  void read_receptor(Table& entry, ReceptorText& receptor) {
    const std::vector<std::string> forms = {"state", "exponential", "alpha", "biexponential"};
    std::vector<std::string> given;
    for (const std::string& form : forms)
      if (entry.has(form)) given.push_back(form);
    if (given.size() != 1)
      entry.fail(given.empty() ? "state" : given[1],
                 fmt::format("a receptor has one of {}, not {}", join_or(forms), given.empty() ? "none" : "two"));
    const std::string& form = given.front();
    if (form == "state") {
      receptor.state = known_state(entry, "state", entry.text("state"));
      receptor.weight = model_.states[receptor.state].dimension;
      if (entry.has("factor")) {
        receptor.factor = value(entry, "factor", steady_);
        receptor.weight = receptor.weight / receptor.factor->dimension;
      }
      return;
    }
    const std::string name = entry.text(form);
    declare(entry, form, name);
    receptor.weight = unit(entry, "unit");
    const Expression kernel = named(name, receptor.weight);
    const auto tau = [&](std::string_view key) {
      Expression time = value(entry, key, steady_, Dimension::time);
      require_above_0(time, "it must be above 0", fmt::format("a time constant of the receptor '{}'", receptor.name));
      return time;
    };
    const auto decaying = [](const Expression& x, const Expression& time_constant) {
      return operation(Op::negate, {x}, x->dimension) / time_constant;
    };
    if (form == "exponential") {
      receptor.state = add_state(name, receptor.weight, decaying(kernel, tau("tau")));
      return;
    }
    // The kernel follows its rise, to which an arrival adds what makes the peak its weight.
    const bool alpha = form == "alpha";
    const Expression tau_rise = tau(alpha ? "tau" : "tau_rise"), tau_decay = alpha ? tau_rise : tau("tau_decay");
    const Dimension slope = receptor.weight / Dimension::time;
    const Expression rise = named(name + ".rise", slope);
    add_state(name, receptor.weight, rise - kernel / tau_decay);
    receptor.state = add_state(name + ".rise", slope, decaying(rise, tau_rise));
    if (alpha) {
      receptor.factor = number(std::exp(1.0)) / tau_rise;
    } else {
      const auto pure = [](Op op, const Expression& x) { return operation(op, {x}, Dimension::none); };
      const Expression peak = number(1) / pure(Op::exprel, pure(Op::log, tau_decay / tau_rise));
      receptor.factor = pure(Op::exp, peak) / tau_rise;
    }
  }

  // What [dynamics], [step] and [spike] may name.
  void read_scope() {
    scope_ = steady_;
    for (const StateText& state : model_.states) scope_.symbols.push_back({state.name, state.dimension});
    for (const InputText& input : model_.inputs) scope_.symbols.push_back({input.name, input.dimension});
    scope_.symbols.push_back({"t", Dimension::time});
    scope_.random = true;
    scope_.draws = &draws_;
    read_aliases(scope_);
  }

  void read_motion() {
    if (table_.has("substeps")) {
      model_.substeps = static_cast<int>(table_.integer("substeps", 1, kMostSubsteps));
      if (table_.has("step"))
        table_.fail("substeps", "'substeps' divides [dynamics]; a list 'step' is run once a step");
    }
    if (table_.has("step")) {
      if (table_.has("dynamics")) table_.fail("step", "'step' stands beside [dynamics]; keep one of them");
      return read_step();
    }
    Table table = section("dynamics");
    Scope scope = scope_;
    scope.noise = true;
    // There dt is the step that the equations make.
    for (Symbol& symbol : scope.symbols)
      if (symbol.name == "dt" && model_.substeps > 1)
        symbol.value = named("dt", Dimension::time) / number(model_.substeps);
    for (const std::string& name : table.keys()) {
      const std::size_t state = known_state(table, name, name);
      if (state >= own_states_)
        table.fail(name, fmt::format("'{}' moves by its receptor's kernel; leave it out of [dynamics]", name));
      model_.states[state].derivative = value(table, name, scope, model_.states[state].dimension / Dimension::time);
    }
  }

  void read_step() {
    if (!table_.is_list("step"))
      table_.fail("step", "'step' must be a list of assignments, such as \"V = V + dt * f\"");
    const std::vector<std::string> lines = table_.texts("step");
    for (std::size_t line = 0; line < lines.size(); ++line) {
      const auto fail = [&](std::size_t offset, const std::string& message) {
        table_.fail_at("step", offset, fmt::format("'step': {}", message), line);
      };
      const std::string& text = lines[line];
      const std::size_t equals = text.find('=');
      std::size_t begin = text.find_first_not_of(" \t");
      if (equals == std::string::npos || begin >= equals || text.substr(equals).starts_with("=="))
        fail(0, fmt::format("{} is no assignment, such as \"V = V + dt * f\" or \"let f = ...\"", in_quotes(text)));
      const bool temporary = text.substr(begin).starts_with("let ");
      if (temporary) begin = text.find_first_not_of(" \t", begin + 4);
      std::string name = text.substr(begin, equals - std::min(begin, equals));
      name.erase(name.find_last_not_of(" \t") + 1);
      try {
        Expression tree = parse_expression(std::string_view(text).substr(equals + 1), scope_);
        if (temporary) {
          const Symbol* const known = scope_.find(name);
          if (known && !lets_.count(name)) fail(begin, taken(name));
          if (!known) {
            declare_let(fail, begin, name);
            scope_.symbols.push_back({name, tree->dimension, nullptr, tree->truth});
          } else if (known->dimension != tree->dimension || known->truth != tree->truth) {
            fail(begin, fmt::format("'{}' was {}, and is {} here", name, a_name_of(known->dimension),
                                    a_name_of(tree->dimension)));
          }
          model_.step.push_back({name, {}, tree});
          continue;
        }
        const auto state = model_.state_named(name);
        if (!state) {
          const std::string best = nearest(name, state_names());
          fail(begin,
               fmt::format("there is no state {}; {}", in_quotes(name),
                           best.empty() ? "a temporary begins with 'let'" : fmt::format("did you mean '{}'?", best)));
        }
        if (*state >= own_states_)
          fail(begin, fmt::format("'{}' moves by its receptor's kernel, which takes [dynamics]; declare the state and "
                                  "name it in the receptor",
                                  name));
        if (tree->truth || tree->dimension != model_.states[*state].dimension)
          fail(equals + 1,
               fmt::format("'{}' is {}, but its value is {}", name, a_name_of(model_.states[*state].dimension),
                           tree->truth ? "a condition" : a_name_of(tree->dimension)));
        model_.step.push_back({name, state, tree});
      } catch (const ExpressionError& error) {
        fail(equals + 1 + error.offset(), error.what());
      }
    }
    if (own_states_ < model_.states.size())
      table_.fail("receptors", "kernels take [dynamics]; beside 'step', declare the states and name them in receptors");
  }
  template <class Fail>
  void declare_let(Fail&& fail, std::size_t at, const std::string& name) {
    if (!is_name(name) || name.find('.') != std::string::npos || is_reserved(name) || name == "dt" || name == "t")
      fail(at, fmt::format("{} cannot be the name of a temporary; use letters, digits and '_'", in_quotes(name)));
    lets_.insert(name);
  }

  void read_methods() {
    if (!table_.has("method")) return;
    if (!model_.step.empty())
      table_.fail("method", "'method' chooses how [dynamics] is stepped; 'step' is one already");
    if (table_.is_text("method")) {
      const auto method = static_cast<Method>(table_.choice("method", kMethods));
      for (StateText& state : model_.states) state.method = method;
      return check_tolerances();
    }
    Table table = section("method");
    for (const std::string& name : table.keys()) {
      StateText& state = model_.states[known_state(table, name, name)];
      if (!state.derivative) table.fail(name, fmt::format("'{}' does not move by [dynamics]", name));
      if (table.is_table(name)) {
        Table own = entry(table, name);
        state.method = Method::rkf45;
        state.tolerance = value(own, "rkf45", steady_, state.dimension);
        require_above_0(state.tolerance, fmt::format("the error that rkf45 allows '{}' must be above 0", name));
        own.finish();
      } else {
        state.method = static_cast<Method>(table.choice(name, kMethods));
      }
    }
    check_tolerances();
  }

  // `subject` is told with its value where that is a time.
  void require_above_0(const Expression& value, std::string otherwise, const std::string& subject = {}) {
    model_.requirements.push_back(
        {.that = operation(Op::greater, {value, number(0, value->dimension)}, Dimension::none, true),
         .of = model_.parameter(text_of(value)) ? text_of(value) : "",
         .otherwise = std::move(otherwise),
         .subject = subject,
         .value = subject.empty() ? nullptr : value});
  }

  void check_tolerances() {
    const auto adaptive = [](const StateText& state) { return state.method == Method::rkf45; };
    if (std::ranges::none_of(model_.states, adaptive)) return;
    if (std::ranges::none_of(model_.states, [](const StateText& state) { return state.tolerance != nullptr; }))
      table_.fail("method",
                  "'rkf45' chooses its sub-steps by an error that one state at least must have, such as "
                  "[method] V = { rkf45 = \"1e-6 mV\" }");
    if (model_.substeps > 1) table_.fail("substeps", "'rkf45' chooses its sub-steps itself; leave 'substeps' out");
  }

  void read_spike() {
    if (!table_.has("spike")) return;
    Table table = section("spike");
    model_.when = condition(table, "when", scope_);
    model_.every_substep = table.flag("every_substep", false);
    for (const char* key : {"count", "test_first"})
      if (model_.every_substep && table.has(key))
        table.fail(key, fmt::format("'{}' is of a step; it has no meaning beside 'every_substep'", key));
    if (model_.every_substep && !model_.step.empty())
      table.fail("every_substep", "'every_substep' is of [dynamics]; a list 'step' is run once a step");
    if (table.has("count")) model_.count = value(table, "count", scope_, Dimension::none);
    model_.arrivals =
        static_cast<ArrivalOrder>(table.choice("arrivals", {"last", "before_threshold", "first"}, "last"));
    model_.test_first = table.flag("test_first", false);
    Table then = table.table_or_defaults("then");
    then.rename(fmt::format("{} [spike] then", table_.who()));
    for (const std::string& name : then.keys()) {
      StateText& state = model_.states[known_state(then, name, name)];
      state.then = value(then, name, scope_, state.dimension);
    }
    if (table.has("refractory")) {
      model_.refractory = value(table, "refractory", steady_, Dimension::time);
      if (model_.state_named("refractory"))
        table.fail("refractory", "a state is named 'refractory', as the steps that are left are; choose another name");
      read_held(table);
      model_.refractory_state = add_state("refractory", Dimension::none, nullptr);
    } else if (table.has("hold")) {
      table.fail("hold", "'hold' says what stands still in the refractory period; give 'refractory', too");
    }
    table.finish();
  }

  void read_held(Table& table) {
    if (table.has("hold")) {
      Table hold = table.table("hold");
      hold.rename(fmt::format("{} [spike] hold", table_.who()));
      for (const std::string& name : hold.keys()) {
        StateText& state = model_.states[known_state(hold, name, name)];
        state.hold = value(hold, name, scope_, state.dimension);
      }
      return;
    }
    // What a spike sets, whatever the states are, stays.
    for (StateText& state : model_.states)
      if (state.then && !draws(state.then) &&
          !any_name(state.then, [&](const std::string& name) { return !steady_.find(name); }))
        state.hold = state.then;
  }

  void read_membrane() {
    if (table_.has("membrane"))
      model_.membrane = known_state(table_, "membrane", table_.text("membrane"));
    else
      model_.membrane = model_.state_named("V");
    if (model_.membrane && model_.states[*model_.membrane].dimension != Dimension::voltage)
      table_.fail(table_.has("membrane") ? "membrane" : "states",
                  fmt::format("the membrane '{}' is {}; it must be a voltage", model_.states[*model_.membrane].name,
                              a_name_of(model_.states[*model_.membrane].dimension)));
  }

  ModelText model_;
  std::set<std::string> lets_;
  Scope scope_;
  std::size_t own_states_ = 0;
  std::uint16_t draws_ = 0, initial_draws_ = 0;
};

}  // namespace

std::optional<std::size_t> ModelText::state_named(const std::string& name) const {
  for (std::size_t i = 0; i < states.size(); ++i)
    if (states[i].name == name) return i;
  return {};
}

ModelText read_model_text(Table& table) { return ModelReader(table).read(); }

bool starts_differ(const ModelText& model) {
  return std::ranges::any_of(model.states, [](const StateText& state) {
    return draws(state.initial) || any_name(state.initial, [](const std::string& name) { return name == "i"; });
  });
}

std::vector<double> initial_values(const ModelText& model, const ParameterValues& values, double dt, std::uint32_t i,
                                   std::uint32_t N, const DrawValue& draw) {
  const SteadyValues steady(model.parameters, model.constants, values, dt);
  const auto lookup = [&](const std::string& name) -> std::optional<double> {
    if (const auto known = steady.find(name)) return known;
    return name == "i" ? i : N;
  };
  std::vector<double> result;
  for (const StateText& state : model.states) result.push_back(*evaluate(state.initial, lookup, draw));
  return result;
}

}  // namespace lpl::spiking
