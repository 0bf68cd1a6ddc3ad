#include "rate/evaluation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "core/errors.hpp"
#include "io/checkpoint.hpp"
#include "rate/first_error.hpp"
#include "rate/readout.hpp"

namespace lpl::rate {
namespace {

constexpr std::int64_t kChunk = 512;  // images that go through the network at once

Features as_features(const std::vector<float>& values, std::int64_t samples) {
  const auto n = static_cast<std::size_t>(samples);
  return {values, n, values.size() / n};
}

void read_out(const JudgedSets& sets, const std::vector<float>& train, const std::vector<float>& test,
              const ReadoutDescription& readout, std::uint64_t seed, LayerEvaluation& e) {
  LabelledFeatures learned{as_features(train, sets.train->count()), {}};
  LabelledFeatures tested{as_features(test, sets.test->count()), {}};
  for (const auto& column : sets.train->labels()) learned.labels.emplace_back(column);
  for (const auto& column : sets.test->labels()) tested.labels.emplace_back(column);
  ReadoutOptions options{{}, seed, readout.learning_rate, readout.epochs, static_cast<std::size_t>(readout.batch)};
  for (const LabelColumn& column : sets.columns) options.classes.push_back(static_cast<std::size_t>(column.classes));
  for (const Readout& r : train_readouts(learned, tested, options)) {
    e.accuracy.push_back(r.test_accuracy);
    e.training_accuracy.push_back(r.train_accuracy);
    e.late_rise.push_back(r.late_rise);
    e.top5_accuracy.push_back(r.test_top5);
  }
}

void measure(const JudgedSets& sets, const std::vector<float>& test, LayerEvaluation& e) {
  const Features features = as_features(test, sets.test->count());
  const std::vector<std::int32_t>& labels = sets.test->labels()[0];
  e.participation_ratio = participation_ratio(features);
  e.mean_activity = mean_activity(features);
  e.cosines = cosine_measures(features, labels);
  e.manifold = manifold_measures(features, labels);
  e.push = push_measures(features);
}

// The task, whose errors name the block.
std::function<void()> of_block(std::size_t block, std::function<void()> task) {
  return [block, task = std::move(task)] {
    try {
      task();
    } catch (const Error& error) {
      throw Error(fmt::format("block {}: {}", block + 1, error.what()));
    }
  };
}

// Runs all tasks; throws the error of the first in their order that failed. The last ones are the longest.
void in_parallel(const std::vector<std::function<void()>>& tasks) {
  FirstError error(tasks.size());
#pragma omp parallel for schedule(dynamic)
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const std::size_t t = tasks.size() - 1 - i;
    error.watch(t, tasks[t]);
  }
  error.rethrow();
}

}  // namespace

std::vector<std::vector<float>> layer_activity(Trainer& trainer, JudgedImages& images, Communicator& comm) {
  const std::int64_t chunks = (images.count() + kChunk - 1) / kChunk;
  std::vector<std::vector<float>> own(trainer.encoder().blocks().size());
  const auto first_chunk = [&](int rank) { return chunks * rank / comm.size(); };
  // Images may fail on one rank alone.
  agree(comm, [&] {
    for (std::int64_t c = first_chunk(comm.rank()); c < first_chunk(comm.rank() + 1); ++c) {
      const std::int64_t n = std::min(kChunk, images.count() - c * kChunk);
      const std::vector<std::vector<float>> chunk = trainer.features(images.make(c * kChunk, n), n);
      for (std::size_t b = 0; b < chunk.size(); ++b) own[b].insert(own[b].end(), chunk[b].begin(), chunk[b].end());
    }
  });
  if (comm.size() == 1) return own;
  for (std::size_t b = 0; b < own.size(); ++b) {
    const std::int64_t units = trainer.encoder().blocks()[b].description.units();
    std::vector<int> words;
    for (int r = 0; r < comm.size(); ++r)
      words.push_back(static_cast<int>(units * (std::min(images.count(), first_chunk(r + 1) * kChunk) -
                                                std::min(images.count(), first_chunk(r) * kChunk))));
    std::vector<float> all(static_cast<std::size_t>(images.count() * units));
    comm.all_gather(reinterpret_cast<const std::uint32_t*>(own[b].data()), words,
                    reinterpret_cast<std::uint32_t*>(all.data()));
    own[b] = std::move(all);
  }
  return own;
}

std::vector<LayerEvaluation> evaluate_activity(const JudgedSets& sets, const std::vector<std::vector<float>>& train,
                                               const std::vector<std::vector<float>>& test,
                                               const ReadoutDescription& readout, std::uint64_t seed, Judged judged,
                                               Communicator& comm) {
  std::vector<LayerEvaluation> layers(train.size());
  const auto owner = [&](std::size_t layer) { return static_cast<int>(layer) % comm.size(); };
  agree(comm, [&] {
    std::vector<std::function<void()>> tasks;
    for (std::size_t b = 0; b < layers.size(); ++b) {
      if (owner(b) != comm.rank()) continue;
      tasks.push_back(of_block(b, [&, b] { read_out(sets, train[b], test[b], readout, seed, layers[b]); }));
      if (judged == Judged::all) tasks.push_back(of_block(b, [&, b] { measure(sets, test[b], layers[b]); }));
    }
    in_parallel(tasks);
  });
  for (std::size_t b = 0; comm.size() > 1 && b < layers.size(); ++b) {
    const std::string own = owner(b) == comm.rank() ? to_bytes(layers[b]) : std::string();
    layers[b] = from_bytes<LayerEvaluation>(comm.broadcast(own, owner(b)));
  }
  return layers;
}

std::vector<LayerEvaluation> evaluate(Trainer& trainer, JudgedSets& sets, const ReadoutDescription& readout,
                                      std::uint64_t seed, Judged judged, Communicator& comm) {
  const auto train = layer_activity(trainer, *sets.train, comm);
  return evaluate_activity(sets, train, layer_activity(trainer, *sets.test, comm), readout, seed, judged, comm);
}

std::string convergence_warning(const std::vector<LayerEvaluation>& layers, const std::vector<std::string>& names,
                                const std::vector<LabelColumn>& columns, const ReadoutDescription& readout) {
  constexpr double kConverged = 0.01;
  double most = 0;
  std::string which;
  for (std::size_t l = 0; l < layers.size(); ++l)
    for (std::size_t c = 0; c < columns.size(); ++c)
      if (layers[l].late_rise[c] > most) {
        most = layers[l].late_rise[c];
        which = fmt::format("{} ({})", names[l], columns[c].name);
      }
  if (most <= kConverged) return {};
  return fmt::format(
      "readouts have not converged: that of {} still rose by {:.1f} points on the images it learns from, in the last "
      "quarter of readout.epochs = {}; raise readout.epochs or readout.learning_rate",
      which, 100 * most, readout.epochs);
}

LayerEvaluation evaluate_pixels(JudgedSets& sets, const ReadoutDescription& readout, std::uint64_t seed) {
  LayerEvaluation pixels;
  read_out(sets, sets.train->make(0, sets.train->count()), sets.test->make(0, sets.test->count()), readout, seed,
           pixels);
  return pixels;
}

}  // namespace lpl::rate
