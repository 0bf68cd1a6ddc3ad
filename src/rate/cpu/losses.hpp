// The local losses of Halvagal & Zenke 2023 (Methods, "Learning rule"; decorrelation as in the erratum) and their
// gradients, for the activities of one hook. Everything is computed centred, in the scalar type T: float in training,
// double where tests compare with finite differences.
#pragma once

#include "rate/loss_terms.hpp"

namespace lpl::rate {

// Activities of one view: samples x positions x units, units fastest. Pooled hooks have one position.
struct HookShape {
  std::int64_t samples;
  std::int64_t positions;
  std::int64_t units;
  std::int64_t size() const { return samples * positions * units; }
};

// Pull, push and decorrelation of the views z1 and z2; dz1 and dz2 receive the gradient of their weighted sum.
//   pull            mean over samples, positions and units of (z1 - z2)^2
//   push            by form, var unbiased over samples at each position, its batch mean held constant:
//                   -mean log(var + eps) | mean max(0, 1 - sqrt(var + 1e-8)) | -mean var; averaged over the views
//   push, stale     -(1/(B-1)) mean_c sum_b (z - m_c)^2 / (v_c + eps)
//   decorrelation   sum_{i != k} cov_ik^2 / (C^2 - C), positions taken as samples; 0 for one unit; views averaged
// positives: sample b of view 1 is pulled to positives[b] of view 2 (null: to b). stale: used where filled, then
// replaced by this step's estimates (null: the ordinary form).
template <class T>
LossTerms lpl_loss(const LossWeights& weights, const HookShape& shape, const T* z1, const T* z2,
                   const std::int32_t* positives, StaleEstimates* stale, T* dz1, T* dz2);

// The contrastive baseline: pull = -mean cosine(z1, z2); push = mean over ordered pairs of different samples of the
// squared cosine, averaged over the views. One position only.
template <class T>
LossTerms contrastive_loss(const LossWeights& weights, const HookShape& shape, const T* z1, const T* z2, T* dz1,
                           T* dz2);

// Mean cross-entropy of both views; logits samples x classes. dlogits receives the gradient.
template <class T>
double cross_entropy(const HookShape& shape, const T* logits1, const T* logits2, const std::int32_t* labels, T* d1,
                     T* d2);

// c (rows x columns) = beta c + op(a) b, row-major, in a fixed order whatever the number of threads; a is stored
// rows x inner, or inner x rows where transposed_a; b inner x columns, or columns x inner where transposed_b.
template <class T>
void multiply(bool transposed_a, bool transposed_b, std::int64_t rows, std::int64_t columns, std::int64_t inner,
              const T* a, const T* b, T beta, T* c);

}  // namespace lpl::rate
