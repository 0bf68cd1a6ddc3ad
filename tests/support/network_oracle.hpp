// The slow twin of the rate engine: a network and its losses in double precision, one literal loop after the other,
// with no gradient of its own. Tests compare the engine's values with it, and the engine's gradients with its finite
// differences.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "rate/description.hpp"
#include "rate/encoder.hpp"

namespace lpl::rate {

using OracleParameters = std::map<std::string, std::vector<double>>;  // by name, in PyTorch's order

struct OracleBatch {
  std::vector<double> views[2];  // samples x channels x rows x columns
  std::vector<std::int32_t> labels;
  std::vector<std::int64_t> positives;  // empty: each sample with itself
};

struct OracleLosses {
  std::vector<std::vector<double>> terms;  // [hook][LossTerm], unweighted
  double total = 0;
};

// Losses of one batch. `stale_mean`, `stale_variance`: by hook; empty at the first step.
OracleLosses oracle_losses(const TrainingDescription& description, const EncoderDescription& encoder,
                           const OracleParameters& parameters, const OracleBatch& batch,
                           const std::vector<std::vector<double>>& stale_mean = {},
                           const std::vector<std::vector<double>>& stale_variance = {});

// What one training step of `samples` pairs does to the running averages of batch normalisation among the parameters.
void oracle_track(const EncoderDescription& encoder, const OracleBatch& batch, std::int64_t samples,
                  OracleParameters& parameters);

// Mean activities of every block over space, samples x units each, of a trained network: batch normalisation uses the
// running averages, which stand among the parameters.
std::vector<std::vector<double>> oracle_features(const EncoderDescription& encoder, const OracleParameters& parameters,
                                                 const std::vector<double>& images, std::int64_t samples);

}  // namespace lpl::rate
