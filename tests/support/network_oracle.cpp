#include "support/network_oracle.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lpl::rate {
namespace {

struct Maps {
  std::int64_t samples = 0, channels = 0, height = 0, width = 0;
  std::vector<double> values;  // samples x channels x rows x columns
  double at(std::int64_t n, std::int64_t c, std::int64_t y, std::int64_t x) const {
    return values[static_cast<std::size_t>(((n * channels + c) * height + y) * width + x)];
  }
};

Maps adaptive_mean(const Maps& x, std::int64_t side) {
  Maps y{x.samples, x.channels, side, side, {}};
  for (std::int64_t n = 0; n < x.samples; ++n)
    for (std::int64_t c = 0; c < x.channels; ++c)
      for (std::int64_t r = 0; r < side; ++r)
        for (std::int64_t q = 0; q < side; ++q) {
          double sum = 0;
          std::int64_t count = 0;
          for (std::int64_t i = 0; i < x.height; ++i)
            for (std::int64_t j = 0; j < x.width; ++j) {
              const bool row = i >= r * x.height / side && i < ((r + 1) * x.height + side - 1) / side;
              const bool column = j >= q * x.width / side && j < ((q + 1) * x.width + side - 1) / side;
              if (!row || !column) continue;
              sum += x.at(n, c, i, j);
              ++count;
            }
          y.values.push_back(sum / static_cast<double>(count));
        }
  return y;
}

// Largest elements of the windows; `padding` around the maps is smaller than anything.
Maps pool_max(const Maps& x, std::int64_t side, std::int64_t stride, std::int64_t padding) {
  Maps y{x.samples,
         x.channels,
         (x.height + 2 * padding - side) / stride + 1,
         (x.width + 2 * padding - side) / stride + 1,
         {}};
  for (std::int64_t n = 0; n < x.samples; ++n)
    for (std::int64_t o = 0; o < x.channels; ++o)
      for (std::int64_t r = 0; r < y.height; ++r)
        for (std::int64_t c = 0; c < y.width; ++c) {
          double largest = -std::numeric_limits<double>::infinity();
          for (std::int64_t p = 0; p < side; ++p)
            for (std::int64_t q = 0; q < side; ++q) {
              const std::int64_t row = r * stride + p - padding, column = c * stride + q - padding;
              if (row < 0 || row >= x.height || column < 0 || column >= x.width) continue;
              largest = std::max(largest, x.at(n, o, row, column));
            }
          y.values.push_back(largest);
        }
  return y;
}

void rectify(Maps& x) {
  for (double& v : x.values) v = std::max(0.0, v);
}

// Batch normalisation uses the moments of the maps, and moves `averages` (unless null) towards them; or, after
// training, the running averages among the parameters.
struct Mode {
  bool training = true;
  OracleParameters* averages = nullptr;
};

Maps normalise(const NormDescription& norm, const OracleParameters& parameters, Maps x, const Mode& mode) {
  const std::int64_t positions = x.height * x.width;
  const auto value = [&](std::int64_t n, std::int64_t c, std::int64_t p) -> double& {
    return x.values[static_cast<std::size_t>((n * x.channels + c) * positions + p)];
  };
  for (std::int64_t c = 0; c < x.channels; ++c) {
    const auto channel = static_cast<std::size_t>(c);
    double mean = 0, variance = 0;
    if (mode.training) {
      const auto count = static_cast<double>(x.samples * positions);
      for (std::int64_t n = 0; n < x.samples; ++n)
        for (std::int64_t p = 0; p < positions; ++p) mean += value(n, c, p) / count;
      for (std::int64_t n = 0; n < x.samples; ++n)
        for (std::int64_t p = 0; p < positions; ++p) variance += std::pow(value(n, c, p) - mean, 2) / count;
      if (mode.averages) {
        double& running_mean = mode.averages->at(norm.name + ".running_mean")[channel];
        double& running_variance = mode.averages->at(norm.name + ".running_var")[channel];
        running_mean = 0.9 * running_mean + 0.1 * mean;
        running_variance = 0.9 * running_variance + 0.1 * variance * count / (count - 1);
      }
    } else {
      mean = parameters.at(norm.name + ".running_mean")[channel];
      variance = parameters.at(norm.name + ".running_var")[channel];
    }
    const double scale = parameters.at(norm.name + ".weight")[channel] / std::sqrt(variance + 1e-5);
    const double shift = parameters.at(norm.name + ".bias")[channel];
    for (std::int64_t n = 0; n < x.samples; ++n)
      for (std::int64_t p = 0; p < positions; ++p) value(n, c, p) = (value(n, c, p) - mean) * scale + shift;
  }
  if (!norm.rectified) return x;
  rectify(x);
  return pool_max(x, norm.pooling.side, norm.pooling.stride, norm.pooling.padding);
}

Maps forward(const LayerDescription& layer, const OracleParameters& parameters, Maps x, const Mode& mode = {}) {
  const Convolution& l = layer.convolution;
  if (layer.adaptive_pool > 0) x = adaptive_mean(x, layer.adaptive_pool);
  const std::vector<double>& w = parameters.at(layer.name + ".weight");
  const std::vector<double> none(static_cast<std::size_t>(l.out), 0.0);
  const std::vector<double>& b = l.biased ? parameters.at(layer.name + ".bias") : none;
  const Shape shape = l.convolved({x.samples, x.channels, x.height, x.width});
  Maps y{x.samples, l.out, shape.height, shape.width, {}};
  for (std::int64_t n = 0; n < x.samples; ++n)
    for (std::int64_t o = 0; o < l.out; ++o)
      for (std::int64_t r = 0; r < shape.height; ++r)
        for (std::int64_t c = 0; c < shape.width; ++c) {
          double sum = b[static_cast<std::size_t>(o)];
          for (std::int64_t i = 0; i < l.in; ++i)
            for (std::int64_t p = 0; p < l.kernel; ++p)
              for (std::int64_t q = 0; q < l.kernel; ++q) {
                const std::int64_t row = r * l.stride + p - l.padding, column = c * l.stride + q - l.padding;
                if (row < 0 || row >= x.height || column < 0 || column >= x.width) continue;
                sum += w[static_cast<std::size_t>(((o * l.in + i) * l.kernel + p) * l.kernel + q)] *
                       x.at(n, i, row, column);
              }
          y.values.push_back(sum);
        }
  if (layer.norm) return normalise(*layer.norm, parameters, std::move(y), mode);
  if (l.rectified) rectify(y);
  return l.pool == 0 ? y : pool_max(y, l.pool, l.pool_stride, 0);
}

Maps forward(const BlockDescription& block, const OracleParameters& parameters, const Maps& x, const Mode& mode = {}) {
  Maps y = x;
  for (const LayerDescription& layer : block.layers) y = forward(layer, parameters, y, mode);
  if (!block.residual) return y;
  const Maps skipped = block.shortcut ? forward(*block.shortcut, parameters, x, mode) : x;
  for (std::size_t i = 0; i < y.values.size(); ++i) y.values[i] += skipped.values[i];
  rectify(y);
  return y;
}

// Rows x columns: samples, or samples and positions.
struct Matrix {
  std::int64_t rows = 0, columns = 0;
  std::vector<double> values;
  double at(std::int64_t r, std::int64_t c) const { return values[static_cast<std::size_t>(r * columns + c)]; }
};

double mean_of(const Matrix& z, std::int64_t column) {
  double sum = 0;
  for (std::int64_t r = 0; r < z.rows; ++r) sum += z.at(r, column);
  return sum / static_cast<double>(z.rows);
}

double covariance_of(const Matrix& z, std::int64_t i, std::int64_t k) {
  const double mean_i = mean_of(z, i), mean_k = mean_of(z, k);
  double sum = 0;
  for (std::int64_t r = 0; r < z.rows; ++r) sum += (z.at(r, i) - mean_i) * (z.at(r, k) - mean_k);
  return sum / static_cast<double>(z.rows - 1);
}

double push_of(const LossWeights& terms, double variance) {
  if (terms.form == HebbianForm::log_variance) return -std::log(variance + terms.epsilon);
  if (terms.form == HebbianForm::hinge) return std::max(0.0, 1 - std::sqrt(variance + 1e-8));
  return -variance;
}

double cosine(const Matrix& a, std::int64_t i, const Matrix& b, std::int64_t k) {
  double product = 0, length_a = 0, length_b = 0;
  for (std::int64_t c = 0; c < a.columns; ++c) {
    product += a.at(i, c) * b.at(k, c);
    length_a += a.at(i, c) * a.at(i, c);
    length_b += b.at(k, c) * b.at(k, c);
  }
  return product / (std::max(std::sqrt(length_a), 1e-12) * std::max(std::sqrt(length_b), 1e-12));
}

}  // namespace

void oracle_track(const EncoderDescription& encoder, const OracleBatch& batch, std::int64_t samples,
                  OracleParameters& parameters) {
  for (const std::vector<double>& view : batch.views) {
    Maps x{samples, encoder.input.channels, encoder.input.height, encoder.input.width, view};
    for (const BlockDescription& block : encoder.blocks) x = forward(block, parameters, x, {true, &parameters});
  }
}

std::vector<std::vector<double>> oracle_features(const EncoderDescription& encoder, const OracleParameters& parameters,
                                                 const std::vector<double>& images, std::int64_t samples) {
  Maps x{samples, encoder.input.channels, encoder.input.height, encoder.input.width, images};
  std::vector<std::vector<double>> features;
  for (const BlockDescription& block : encoder.blocks) {
    x = forward(block, parameters, x, {false, nullptr});
    features.push_back(adaptive_mean(x, 1).values);
  }
  return features;
}

OracleLosses oracle_losses(const TrainingDescription& d, const EncoderDescription& encoder,
                           const OracleParameters& parameters, const OracleBatch& batch,
                           const std::vector<std::vector<double>>& stale_mean,
                           const std::vector<std::vector<double>>& stale_variance) {
  const std::int64_t samples = d.batch;
  const LossWeights& rule = d.objective->weights();
  const bool contrastive = d.objective->terms() == std::vector{kPull, kPush};
  Maps x[2];
  for (int view = 0; view < 2; ++view)
    x[view] = {samples, encoder.input.channels, encoder.input.height, encoder.input.width, batch.views[view]};
  OracleLosses losses;
  for (std::size_t b = 0; b < encoder.blocks.size(); ++b) {
    const BlockDescription& block = encoder.blocks[b];
    Maps hook[2];
    for (int view = 0; view < 2; ++view) {
      x[view] = forward(block, parameters, x[view]);
      hook[view] = d.pooled ? adaptive_mean(x[view], 1) : x[view];
      for (const LayerDescription& layer : block.projector) hook[view] = forward(layer, parameters, hook[view]);
      if (block.classifier) hook[view] = forward(*block.classifier, parameters, hook[view]);
    }
    if (d.scope == Scope::end_to_end && b + 1 < encoder.blocks.size()) continue;
    const std::size_t h = losses.terms.size();
    std::vector<double> terms(kLossTerms, 0.0);
    // By sample; and by sample and position.
    Matrix flat[2], stacked[2];
    const std::int64_t units = hook[0].channels, positions = hook[0].height * hook[0].width;
    for (int view = 0; view < 2; ++view) {
      flat[view] = {samples, units * positions, hook[view].values};
      stacked[view] = {samples * positions, units, {}};
      for (std::int64_t n = 0; n < samples; ++n)
        for (std::int64_t p = 0; p < positions; ++p)
          for (std::int64_t c = 0; c < units; ++c)
            stacked[view].values.push_back(hook[view].at(n, c, p / hook[view].width, p % hook[view].width));
    }
    const auto partner = [&](std::int64_t n) {
      return batch.positives.empty() ? n : batch.positives[static_cast<std::size_t>(n)];
    };
    const auto n_samples = static_cast<double>(samples);
    if (block.classifier) {
      for (int view = 0; view < 2; ++view)
        for (std::int64_t n = 0; n < samples; ++n) {
          double sum = 0;
          for (std::int64_t c = 0; c < units; ++c) sum += std::exp(flat[view].at(n, c));
          terms[kCrossEntropy] +=
              0.5 / n_samples * (std::log(sum) - flat[view].at(n, batch.labels[static_cast<std::size_t>(n)]));
        }
      losses.total += terms[kCrossEntropy];
    } else if (contrastive) {
      for (std::int64_t n = 0; n < samples; ++n) terms[kPull] -= cosine(flat[0], n, flat[1], n) / n_samples;
      for (int view = 0; view < 2; ++view)
        for (std::int64_t i = 0; i < samples; ++i)
          for (std::int64_t k = 0; k < samples; ++k)
            if (i != k)
              terms[kPush] += 0.5 * std::pow(cosine(flat[view], i, flat[view], k), 2) / (n_samples * (n_samples - 1));
      losses.total += rule.predictive * terms[kPull] + rule.hebbian * terms[kPush];
    } else {
      const auto entries = static_cast<double>(flat[0].columns);
      for (std::int64_t n = 0; n < samples; ++n)
        for (std::int64_t c = 0; c < flat[0].columns; ++c)
          terms[kPull] += std::pow(flat[0].at(n, c) - flat[1].at(partner(n), c), 2) / (n_samples * entries);
      for (int view = 0; view < 2; ++view) {
        for (std::int64_t c = 0; c < flat[view].columns; ++c) {
          if (h < stale_mean.size()) {
            const auto unit = static_cast<std::size_t>(c);
            for (std::int64_t n = 0; n < samples; ++n)
              terms[kPush] -= 0.5 * std::pow(flat[view].at(n, c) - stale_mean[h][unit], 2) /
                              (stale_variance[h][unit] + rule.epsilon) / ((n_samples - 1) * entries);
          } else {
            terms[kPush] += 0.5 * push_of(rule, covariance_of(flat[view], c, c)) / entries;
          }
        }
        for (std::int64_t i = 0; i < units; ++i)
          for (std::int64_t k = 0; k < units; ++k)
            if (i != k)
              terms[kDecorrelation] +=
                  0.5 * std::pow(covariance_of(stacked[view], i, k), 2) / static_cast<double>(units * units - units);
      }
      losses.total +=
          rule.predictive * terms[kPull] + rule.hebbian * terms[kPush] + rule.decorrelation * terms[kDecorrelation];
    }
    losses.terms.push_back(std::move(terms));
  }
  return losses;
}

}  // namespace lpl::rate
