// Instances of all ways to hand out indices for every body, and of make_views. Included once, after their
// definitions.
#pragma once

#include <cstdint>

#include "rate/cuda/kernels.hpp"

namespace lpl::rate::cuda {

#define LPL_FOR_EACH(...) template cudaError_t for_each(cudaStream_t, std::int64_t, const __VA_ARGS__&)
#define LPL_SUM_COLUMNS(...) template cudaError_t sum_columns(cudaStream_t, Index, Index, const __VA_ARGS__&, double*)
#define LPL_FOR_EACH_SAMPLE(...) template cudaError_t for_each_sample(cudaStream_t, std::int64_t, const __VA_ARGS__&)
using Bfloat = std::uint16_t;

LPL_FOR_EACH(PoolMax<float>);
LPL_FOR_EACH(PoolMax<Bfloat>);
LPL_FOR_EACH(Unpool<float, float>);
LPL_FOR_EACH(Unpool<float, Bfloat>);
LPL_FOR_EACH(Unpool<Bfloat, float>);
LPL_FOR_EACH(Unpool<Bfloat, Bfloat>);
LPL_FOR_EACH(MeanOverSpace<float>);
LPL_FOR_EACH(MeanOverSpace<Bfloat>);
LPL_FOR_EACH(AdaptiveMean<float>);
LPL_FOR_EACH(AdaptiveMean<Bfloat>);
LPL_FOR_EACH(AdaptiveMeanGradient<float, float>);
LPL_FOR_EACH(AdaptiveMeanGradient<float, Bfloat>);
LPL_FOR_EACH(AdaptiveMeanGradient<Bfloat, float>);
LPL_FOR_EACH(AdaptiveMeanGradient<Bfloat, Bfloat>);
LPL_FOR_EACH(DropOut<float>);
LPL_FOR_EACH(DropOut<Bfloat>);
LPL_FOR_EACH(Scale<float>);
LPL_FOR_EACH(Sum<float>);
LPL_FOR_EACH(Sum<Bfloat>);
LPL_FOR_EACH(Combine<float, float>);
LPL_FOR_EACH(Combine<float, Bfloat>);
LPL_FOR_EACH(Combine<Bfloat, float>);
LPL_FOR_EACH(Combine<Bfloat, Bfloat>);
LPL_FOR_EACH(BatchMeans);
LPL_FOR_EACH(BatchNormalisation);
LPL_FOR_EACH(RunningNormalisation);
LPL_FOR_EACH(NormalisationGradient);
LPL_FOR_EACH(Narrow);
LPL_FOR_EACH(Widen<float>);
LPL_FOR_EACH(Widen<Bfloat>);
LPL_FOR_EACH(Accumulate<float>);
LPL_FOR_EACH(Accumulate<Bfloat>);
LPL_FOR_EACH(AddSums);
LPL_FOR_EACH(FromSlice<float>);
LPL_FOR_EACH(FromSlice<Bfloat>);
LPL_FOR_EACH(ToSlices);
LPL_FOR_EACH(NormaliseRows<float>);
LPL_FOR_EACH(CosinePull<float>);
LPL_FOR_EACH(ThroughNormalisation<float>);
LPL_FOR_EACH(CrossEntropy<float>);
LPL_FOR_EACH(AdamUpdate);
LPL_FOR_EACH(AdamRounded);
LPL_FOR_EACH(SgdUpdate);
LPL_FOR_EACH(SumParts);

LPL_FOR_EACH_SAMPLE(PoolTiles<float, 1, 1>);
LPL_FOR_EACH_SAMPLE(PoolTiles<float, 1, 8>);
LPL_FOR_EACH_SAMPLE(PoolTiles<float, 2, 1>);
LPL_FOR_EACH_SAMPLE(PoolTiles<float, 2, 8>);
LPL_FOR_EACH_SAMPLE(PoolTiles<Bfloat, 1, 1>);
LPL_FOR_EACH_SAMPLE(PoolTiles<Bfloat, 1, 8>);
LPL_FOR_EACH_SAMPLE(PoolTiles<Bfloat, 2, 1>);
LPL_FOR_EACH_SAMPLE(PoolTiles<Bfloat, 2, 8>);
LPL_FOR_EACH_SAMPLE(UnpoolTiles<float, float, 1, 1>);
LPL_FOR_EACH_SAMPLE(UnpoolTiles<float, float, 1, 8>);
LPL_FOR_EACH_SAMPLE(UnpoolTiles<float, float, 2, 1>);
LPL_FOR_EACH_SAMPLE(UnpoolTiles<float, float, 2, 8>);
LPL_FOR_EACH_SAMPLE(UnpoolTiles<float, Bfloat, 1, 1>);
LPL_FOR_EACH_SAMPLE(UnpoolTiles<float, Bfloat, 1, 8>);
LPL_FOR_EACH_SAMPLE(UnpoolTiles<float, Bfloat, 2, 1>);
LPL_FOR_EACH_SAMPLE(UnpoolTiles<float, Bfloat, 2, 8>);
LPL_FOR_EACH_SAMPLE(UnpoolTiles<Bfloat, float, 1, 1>);
LPL_FOR_EACH_SAMPLE(UnpoolTiles<Bfloat, float, 1, 8>);
LPL_FOR_EACH_SAMPLE(UnpoolTiles<Bfloat, float, 2, 1>);
LPL_FOR_EACH_SAMPLE(UnpoolTiles<Bfloat, float, 2, 8>);
LPL_FOR_EACH_SAMPLE(UnpoolTiles<Bfloat, Bfloat, 1, 1>);
LPL_FOR_EACH_SAMPLE(UnpoolTiles<Bfloat, Bfloat, 1, 8>);
LPL_FOR_EACH_SAMPLE(UnpoolTiles<Bfloat, Bfloat, 2, 1>);
LPL_FOR_EACH_SAMPLE(UnpoolTiles<Bfloat, Bfloat, 2, 8>);

template cudaError_t for_each_warp(cudaStream_t, std::int64_t, const ThinPool<1>&);
template cudaError_t for_each_warp(cudaStream_t, std::int64_t, const ThinPool<3>&);
template cudaError_t for_each_warp(cudaStream_t, std::int64_t, const ThinGradient<1>&);
template cudaError_t for_each_warp(cudaStream_t, std::int64_t, const ThinGradient<3>&);

LPL_SUM_COLUMNS(Rows);
LPL_SUM_COLUMNS(FlowingGradient<float, float>);
LPL_SUM_COLUMNS(FlowingGradient<float, Bfloat>);
LPL_SUM_COLUMNS(FlowingGradient<Bfloat, float>);
LPL_SUM_COLUMNS(FlowingGradient<Bfloat, Bfloat>);
LPL_SUM_COLUMNS(Moments<float, float>);
LPL_SUM_COLUMNS(Moments<float, Bfloat>);
LPL_SUM_COLUMNS(Moments<Bfloat, float>);
LPL_SUM_COLUMNS(Moments<Bfloat, Bfloat>);
LPL_SUM_COLUMNS(PushEntriesDown<float>);
LPL_SUM_COLUMNS(PairProducts<float>);

template cudaError_t for_each_column(cudaStream_t, const CentreColumns<float>&);
template cudaError_t for_each_column(cudaStream_t, const PullAndPush<float>&);

template cudaError_t make_views(cudaStream_t, std::int64_t, const ViewBatch&, float*);
template cudaError_t make_views(cudaStream_t, std::int64_t, const ViewBatch&, Bfloat*);

#undef LPL_FOR_EACH
#undef LPL_FOR_EACH_SAMPLE
#undef LPL_SUM_COLUMNS

}  // namespace lpl::rate::cuda
