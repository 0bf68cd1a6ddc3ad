#include "rate/history.hpp"

#include <algorithm>

#include "core/text.hpp"

namespace lpl::rate {
namespace {

constexpr std::size_t kChunk = 64;      // rows
constexpr std::int64_t kImages = 4096;  // whose pixels are written at once

struct Metric {
  const char* name;
  double (*value)(const LayerEvaluation&);
};
constexpr Metric kMetrics[] = {
    {"participation_ratio", [](const LayerEvaluation& e) { return e.participation_ratio; }},
    {"mean_activity", [](const LayerEvaluation& e) { return e.mean_activity; }},
    {"cosine_within", [](const LayerEvaluation& e) { return e.cosines.within_classes; }},
    {"cosine_across", [](const LayerEvaluation& e) { return e.cosines.across_classes; }},
    {"class_correlation", [](const LayerEvaluation& e) { return e.manifold.class_correlation; }},
    {"class_radius", [](const LayerEvaluation& e) { return e.manifold.relative_radius; }},
    {"class_dimension", [](const LayerEvaluation& e) { return e.manifold.dimension; }},
    {"cosine_push", [](const LayerEvaluation& e) { return e.push.cosine_push; }},
    {"uniformity", [](const LayerEvaluation& e) { return e.push.uniformity; }},
    {"kl_to_standard_gaussian", [](const LayerEvaluation& e) { return e.push.kl_to_standard_gaussian; }},
    {"sliced_wasserstein", [](const LayerEvaluation& e) { return e.push.sliced_wasserstein; }},
};

std::string names_of(const std::vector<LabelColumn>& columns) {
  std::vector<std::string> names;
  for (const LabelColumn& column : columns) names.push_back(column.name);
  return join(names, ",");
}

}  // namespace

void LossRow::add(const StepLosses& losses) {
  for (std::size_t h = 0; h < losses.hooks.size(); ++h)
    for (std::size_t t = 0; t < kLossTerms; ++t) terms[h * kLossTerms + t] += losses.hooks[h][t];
  total += losses.total;
}

void LossRow::divide(std::int64_t count) {
  for (double& term : terms) term /= static_cast<double>(count);
  total /= static_cast<double>(count);
}

LossRow no_losses(const HistoryLayout& layout) { return {std::vector<double>(layout.hooks.size() * kLossTerms), 0}; }

bool fits(const History& history, const HistoryLayout& layout) {
  const std::size_t terms = layout.hooks.size() * kLossTerms, layers = layout.layers.size(),
                    columns = layout.columns.size();
  const auto all = [](const auto& rows, auto&& fit) { return std::ranges::all_of(rows, fit); };
  return all(history.epochs, [&](const EpochRow& row) { return row.losses.terms.size() == terms; }) &&
         all(history.steps, [&](const LossRow& row) { return layout.steps && row.terms.size() == terms; }) &&
         all(history.validation,
             [&](const ValidationRow& row) { return layout.validation && row.losses.terms.size() == terms; }) &&
         all(history.evaluations,
             [&](const EvaluationRow& row) { return columns > 0 && row.layers.size() == layers; }) &&
         all(history.baselines,
             [&](const Baseline& baseline) {
               return columns > 0 && baseline.accuracy.size() == columns * (baseline.name == "random" ? layers : 1);
             }) &&
         all(history.values, [](const NamedValues& values) {
           std::uint64_t size = 1;
           for (const std::int64_t n : values.shape)
             if (n < 0 || __builtin_mul_overflow(size, static_cast<std::uint64_t>(n), &size)) return false;
           return size == values.values.size();
         });
}

TrainingFile::TrainingFile(const std::string& path, const RunFacts& facts, const HistoryLayout& layout)
    : file_(path, facts), layout_(layout) {
  if (!layout_.hooks.empty()) create_training();
  if (!layout_.columns.empty()) create_evaluations();
}

void TrainingFile::create_training() {
  h5::File& file = file_.file();
  epoch_ = file.create_series<std::int64_t>("/training/epoch", 0, kChunk);
  learning_rate_ = file.create_series<double>("/training/learning_rate", 0, kChunk);
  speed_ = file.create_series<double>("/training/images_per_second", 0, kChunk);
  epochs_ = create_losses("/training");
  if (layout_.steps) steps_ = create_losses("/steps");
  if (!layout_.validation) return;
  validation_epoch_ = file.create_series<std::int64_t>("/validation/epoch", 0, kChunk);
  validation_ = create_losses("/validation");
}

TrainingFile::Losses TrainingFile::create_losses(const std::string& group) {
  h5::File& file = file_.file();
  Losses losses;
  losses.total = file.create_series<double>(group + "/total", 0, kChunk);
  for (const LossTerm term : layout_.terms)
    losses.terms.push_back(file.create_series<double>(group + "/" + kLossNames[term], layout_.hooks.size(), kChunk));
  file.attribute(group, "layers", join(layout_.hooks, ","));
  return losses;
}

void TrainingFile::append(Losses& losses, const LossRow& row) {
  losses.total.append(std::vector<double>{row.total});
  for (std::size_t t = 0; t < layout_.terms.size(); ++t) {
    std::vector<double> values;
    for (std::size_t h = 0; h < layout_.hooks.size(); ++h)
      values.push_back(row.terms[h * kLossTerms + layout_.terms[t]]);
    losses.terms[t].append(values);
  }
}

void TrainingFile::add(const EpochRow& row) {
  epoch_.append(std::vector<std::int64_t>{row.epoch});
  learning_rate_.append(std::vector<double>{row.learning_rate});
  speed_.append(std::vector<double>{row.images_per_second});
  append(epochs_, row.losses);
}

void TrainingFile::add(const LossRow& row) { append(steps_, row); }

void TrainingFile::add(const ValidationRow& row) {
  validation_epoch_.append(std::vector<std::int64_t>{row.epoch});
  append(validation_, row.losses);
}

void TrainingFile::create_evaluations() {
  const std::vector<std::string>& layers = layout_.layers;
  const std::vector<LabelColumn>& columns = layout_.columns;
  h5::File& file = file_.file();
  const std::vector<hsize_t> row =
      columns.size() == 1 ? std::vector<hsize_t>{layers.size()} : std::vector<hsize_t>{layers.size(), columns.size()};
  readout_epoch_ = file.create_series<std::int64_t>("/readout/epoch", 0, kChunk);
  accuracy_ = file.create_series<double>("/readout/accuracy", row, kChunk);
  training_accuracy_ = file.create_series<double>("/readout/training_accuracy", row, kChunk);
  late_rise_ = file.create_series<double>("/readout/late_rise", row, kChunk);
  top5_accuracy_ = file.create_series<double>("/readout/top5_accuracy", row, kChunk);
  metrics_epoch_ = file.create_series<std::int64_t>("/metrics/epoch", 0, kChunk);
  for (const Metric& metric : kMetrics)
    metrics_.push_back(file.create_series<double>(std::string("/metrics/") + metric.name, layers.size(), kChunk));
  const std::vector<hsize_t> bins{layers.size(), CosineMeasures::kBins};
  within_histogram_ = file.create_series<std::uint64_t>("/metrics/cosine_histogram/within", bins, kChunk);
  across_histogram_ = file.create_series<std::uint64_t>("/metrics/cosine_histogram/across", bins, kChunk);
  std::vector<double> edges;
  for (std::size_t b = 0; b <= CosineMeasures::kBins; ++b)
    edges.push_back(-1 + 2 * static_cast<double>(b) / static_cast<double>(CosineMeasures::kBins));
  file.attribute("/metrics/cosine_histogram", "edges", edges);
  std::vector<double> chance;
  for (const LabelColumn& column : columns) chance.push_back(1.0 / column.classes);
  file.attribute("/readout", "layers", join(layers, ","));
  file.attribute("/metrics", "layers", join(layers, ","));
  file.attribute("/readout/accuracy", "labels", names_of(columns));
  file.attribute("/readout/accuracy", "chance", chance);
}

void TrainingFile::add(const EvaluationRow& row) {
  readout_epoch_.append(std::vector<std::int64_t>{row.epoch});
  metrics_epoch_.append(std::vector<std::int64_t>{row.epoch});
  std::vector<double> accuracy, training, rise, top5;
  std::vector<std::uint64_t> within, across;
  for (const LayerEvaluation& layer : row.layers) {
    accuracy.insert(accuracy.end(), layer.accuracy.begin(), layer.accuracy.end());
    training.insert(training.end(), layer.training_accuracy.begin(), layer.training_accuracy.end());
    rise.insert(rise.end(), layer.late_rise.begin(), layer.late_rise.end());
    top5.insert(top5.end(), layer.top5_accuracy.begin(), layer.top5_accuracy.end());
    within.insert(within.end(), layer.cosines.within_histogram.begin(), layer.cosines.within_histogram.end());
    across.insert(across.end(), layer.cosines.across_histogram.begin(), layer.cosines.across_histogram.end());
  }
  accuracy_.append(accuracy);
  training_accuracy_.append(training);
  late_rise_.append(rise);
  top5_accuracy_.append(top5);
  within_histogram_.append(within);
  across_histogram_.append(across);
  for (std::size_t m = 0; m < std::size(kMetrics); ++m) {
    std::vector<double> values;
    for (const LayerEvaluation& layer : row.layers) values.push_back(kMetrics[m].value(layer));
    metrics_[m].append(values);
  }
}

void TrainingFile::add(const Baseline& baseline) {
  const std::size_t columns = layout_.columns.size();
  std::vector<std::uint64_t> shape;
  if (baseline.accuracy.size() > columns) shape.push_back(baseline.accuracy.size() / columns);
  if (columns > 1 || shape.empty()) shape.push_back(columns);
  file_.file().write("/readout/baselines/" + baseline.name, baseline.accuracy, shape);
}

void TrainingFile::add(const NamedValues& values) {
  file_.file().write(values.name, values.values, std::vector<std::uint64_t>(values.shape.begin(), values.shape.end()));
}

void TrainingFile::add(const ImageActivity& activity) {
  const auto images = static_cast<std::size_t>(activity.images.count());
  h5::File& file = file_.file();
  write_pixels(activity);
  for (std::size_t l = 0; l < activity.layers.size(); ++l)
    file.write("/activity/layer_" + std::to_string(l + 1), activity.layers[l],
               {images, activity.layers[l].size() / images});
  file.attribute("/activity", "layers", join(layout_.layers, ","));
  file.attribute("/activity", "part", name_of(activity.part));
  const std::vector<LabelColumn>& columns = activity.images.columns();
  if (columns.empty()) return;
  std::vector<std::int32_t> labels;
  for (std::size_t i = 0; i < images; ++i)
    for (const std::vector<std::int32_t>& column : activity.images.labels()) labels.push_back(column[i]);
  file.write("/activity/labels", labels, {images, columns.size()});
  file.attribute("/activity/labels", "labels", names_of(columns));
}

void TrainingFile::write_pixels(const ImageActivity& activity) {
  const auto side = [](std::int64_t n) { return static_cast<hsize_t>(n); };
  const std::int64_t images = activity.images.count();
  const Shape& image = activity.image;
  h5::Dataset pixels = file_.file().create_dataset<float>(
      "/activity/pixels", {side(images), side(image.height), side(image.width), side(image.channels)});
  for (std::int64_t first = 0; first < images; first += kImages) {
    const std::int64_t n = std::min(kImages, images - first);
    pixels.write_rows(static_cast<std::size_t>(first), static_cast<std::size_t>(n),
                      activity.images.make(first, n).data());
  }
}

void TrainingFile::add(const History& history) {
  for (const EpochRow& row : history.epochs) add(row);
  for (const LossRow& row : history.steps) add(row);
  for (const ValidationRow& row : history.validation) add(row);
  for (const EvaluationRow& row : history.evaluations) add(row);
  for (const Baseline& baseline : history.baselines) add(baseline);
  for (const NamedValues& values : history.values) add(values);
}

}  // namespace lpl::rate
