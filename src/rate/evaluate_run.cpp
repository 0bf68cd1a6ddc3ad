// Readouts of a finished run, or of imported parameters.
#include <fmt/format.h>

#include <unordered_map>

#include "core/errors.hpp"
#include "core/timers.hpp"
#include "rate/evaluation.hpp"
#include "rate/initial_parameters.hpp"
#include "rate/plan.hpp"
#include "rate/session.hpp"

namespace lpl::rate {
namespace {

// Activity for `from` by layer (layer_activity), in the order of `to`, which are the same images.
std::vector<std::vector<float>> reordered(const std::vector<std::vector<float>>& layers, const JudgedImages& from,
                                          const JudgedImages& to) {
  std::unordered_map<std::int64_t, std::size_t> rows;
  for (std::size_t row = 0; row < from.images().size(); ++row) rows[from.images()[row]] = row;
  std::vector<std::vector<float>> ordered(layers.size());
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const std::size_t units = layers[l].size() / from.images().size();
    for (const std::int64_t image : to.images()) {
      const auto row = layers[l].begin() + static_cast<std::ptrdiff_t>(rows.at(image) * units);
      ordered[l].insert(ordered[l].end(), row, row + static_cast<std::ptrdiff_t>(units));
    }
  }
  return ordered;
}

}  // namespace

AccuracyTable evaluate_run(const TrainingDescription& description, Backend& backend, Communicator& comm,
                           const RunFacts& facts, const std::string& trained, const std::string& out,
                           std::optional<Part> activity) {
  struct Evaluation : Session {
    using Session::Session;
    // Of a result file, or where that is "", of training.initial.
    void load(const std::string& path) {
      if (path.empty())
        load_initial_parameters();
      else
        load_result(path);
      // Readouts are what is asked for, whether the run itself wanted any.
      if (!pairs_->judged())
        throw ConfigError(description_.name +
                          ": its data set has no labelled images to read out; name one that has, such as --set "
                          "data.set=cifar10 --set data.folder=FOLDER");
      layout_.columns = pairs_->judged()->columns;
    }
    void load_result(const std::string& path) {
      h5::of_user([&] {
        const h5::File file = h5::File::open_read_only(path);
        const std::string status = file.text_attribute("/", "status").value_or("unknown");
        if (status != "complete" && comm_.rank() == 0)
          fmt::print(stderr, "warning: {}: its status is '{}': the network has not been trained to the end\n", path,
                     status);
        for (NamedArray* p : network()) {
          const std::string name = "/network/" + p->name;
          if (!file.exists(name)) throw ConfigError(fmt::format("{}: has no {}; has the run finished?", path, name));
          const h5::Dataset values = file.open_dataset(name);
          set_array(*p, path, {values.shape().begin(), values.shape().end()}, values.read<float>(), backend_);
        }
      });
    }
    // The images whose activity is wanted.
    void choose(Part part) {
      const auto* const images = std::get_if<AugmentedImages>(&description_.data);
      if (images && images->set == AugmentedImages::Set::stl10 && part != Part::test &&
          !description_.objective->needs().labels)
        throw ConfigError(
            fmt::format("--activity={}: {}: networks that learn without labels see STL-10's unlabelled "
                        "images, which are not read here; use --activity=test",
                        name_of(part), description_.name));
      chosen_ = pairs_->unaugmented(part);
      part_ = part;
      if (chosen_->count() == 0)
        throw ConfigError(fmt::format("--activity={}: {}: there are no such images", name_of(part), description_.name));
    }
    void warn() const {
      for (const std::string& warning : check_readout(description_, *pairs_))
        if (comm_.rank() == 0) fmt::print(stderr, "warning: {}\n", warning);
    }
    AccuracyTable run(const RunFacts& run_facts, const std::string& path) {
      const double start = wall_clock();
      load_data(ProgressStyle::automatic);
      AccuracyTable table{layout_.columns, layout_.layers, {}, {}, {}, {}, {}, {}};
      JudgedSets& sets = *pairs_->judged();
      const auto train = layer_activity(*trainer_, *sets.train, comm_);
      const auto test = layer_activity(*trainer_, *sets.test, comm_);
      EvaluationRow row{
          0, evaluate_activity(sets, train, test, description_.readout, description_.seed, Judged::all, comm_)};
      show(row.layers, table);
      std::vector<std::vector<float>> chosen;
      if (chosen_)
        chosen =
            part_ == Part::test ? reordered(test, *sets.test, *chosen_) : layer_activity(*trainer_, *chosen_, comm_);
      agree(comm_, [&] {
        if (comm_.rank() != 0) return;
        layout_.hooks.clear();
        TrainingFile file(path, run_facts, layout_);
        file.add(row);
        if (chosen_) file.add({part_, *chosen_, pairs_->sample(), std::move(chosen)});
        file.finish("complete", wall_clock() - start);
      });
      return table;
    }

   private:
    std::unique_ptr<JudgedImages> chosen_;  // null: none
    Part part_ = Part::test;
  };
  std::unique_ptr<Evaluation> evaluation;
  agree(comm, [&] {
    evaluation = std::make_unique<Evaluation>(description, backend, comm);
    evaluation->load(trained);
    if (activity) evaluation->choose(*activity);
    evaluation->warn();
  });
  return evaluation->run(facts, out);
}

}  // namespace lpl::rate
