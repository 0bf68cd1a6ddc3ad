#include "rate/cuda/images.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "core/errors.hpp"
#include "rate/cuda/launch.hpp"
#include "rate/data/augment.hpp"

namespace lpl::rate::cuda {
namespace {

constexpr std::size_t kPiece = 4 << 20;  // bytes of images that are sent at once

std::int64_t bytes_of(const ImageStore& store) {
  return store.count() * static_cast<std::int64_t>(store.bytes_per_image());
}

std::vector<float> by_channel_and_byte(const ViewMaker::NormalisedBytes& normalised) {
  std::vector<float> values;
  for (const auto& channel : normalised) values.insert(values.end(), channel.begin(), channel.end());
  return values;
}

// The taps of every view's blur; anything where there is none.
std::vector<float> all_blur_taps(const std::vector<ViewRequest>& requests, int size) {
  const auto length = static_cast<std::size_t>(pixel::blur_length(size));
  std::vector<float> taps(requests.size() * length);
  for (std::size_t i = 0; i < requests.size(); ++i)
    if (requests[i].choices.blur)
      std::ranges::copy(blur_taps(size, requests[i].choices.sigma),
                        taps.begin() + static_cast<std::ptrdiff_t>(i * length));
  return taps;
}

}  // namespace

std::string ResidentImages::obstacle(const Device& device, const ImageStore& store, int size) {
  int index = 0, most = 0;
  device.check(cudaGetDevice(&index), "cudaGetDevice");
  device.check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, index), "cudaDeviceGetAttribute");
  const std::int64_t needed = view_memory(store.side(), size);
  if (needed > most)
    return fmt::format(
        "views of {0} x {0} pixels from images of {1} x {1} need {2} bytes of shared memory; {3} has {4}", size,
        store.side(), needed, device.name(), most);
  std::size_t free = 0, total = 0;
  device.check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  if (static_cast<std::size_t>(bytes_of(store)) > free / 2)
    return fmt::format("{} images take {} MiB, more than half of the {} MiB that are free on {}", store.count(),
                       bytes_of(store) >> 20, free >> 20, device.name());
  return {};
}

ResidentImages::ResidentImages(Device& device, std::shared_ptr<const ImageStore> store, int size,
                               const ChannelNormalisation& normalisation)
    : device_(device), store_(std::move(store)), size_(size), present_(static_cast<std::size_t>(store_->count())) {
  if (const std::string why = obstacle(device_, *store_, size); !why.empty())
    throw Error(why + "; make views on the host");
  const ViewMaker maker(store_->side(), size, normalisation);
  const ResamplingTaps& taps = maker.crop_taps();
  images_ = allocate<std::uint8_t>(device_, bytes_of(*store_));
  counts_ = copy_of(device_, taps.counts());
  first_ = copy_of(device_, taps.first());
  weight_ = copy_of(device_, taps.weight());
  normalised_ = copy_of(device_, by_channel_and_byte(maker.normalised()));
  pixel::TapTable table = taps.table();
  table.counts = counts_.get();
  table.first = first_.get();
  table.weight = weight_.get();
  batch_ = {static_cast<Index>(store_->side()),
            static_cast<Index>(size),
            images_.get(),
            table,
            normalised_.get(),
            nullptr,
            nullptr};
}

void ResidentImages::make(const std::vector<ViewRequest>& requests, Precision precision, void* to) {
  if (requests.empty()) return;
  send_missing(requests);
  const std::shared_ptr<ViewRequest> sent = copy_of(device_, requests);
  const std::shared_ptr<float> taps = copy_of(device_, all_blur_taps(requests, size_));
  ViewBatch batch = batch_;
  batch.requests = sent.get();
  batch.blur_taps = taps.get();
  const auto views = static_cast<std::int64_t>(requests.size());
  device_.check(precision == Precision::float32
                    ? make_views(device_.stream(), views, batch, static_cast<float*>(to))
                    : make_views(device_.stream(), views, batch, static_cast<std::uint16_t*>(to)),
                "the kernel that makes views");
}

void ResidentImages::send_missing(const std::vector<ViewRequest>& requests) {
  std::vector<std::int64_t> missing;
  for (const ViewRequest& request : requests)
    if (!present_[request.image]) missing.push_back(request.image);
  std::ranges::sort(missing);
  missing.erase(std::ranges::unique(missing).begin(), missing.end());

  const std::size_t bytes = store_->bytes_per_image(), most = std::max<std::size_t>(1, kPiece / bytes);
  for (std::size_t first = 0; first < missing.size(); first += most) {
    const auto piece = std::span(missing).subspan(first, std::min(most, missing.size() - first));
    auto* staged = static_cast<std::uint8_t*>(device_.staging(static_cast<std::int64_t>(piece.size() * bytes)));
    store_->fetch(piece, staged);
    for (const std::int64_t image : piece) {
      const auto at = static_cast<std::size_t>(image);
      device_.send(images_.get() + at * bytes, staged, static_cast<std::int64_t>(bytes));
      present_[at] = true;
      staged += bytes;
    }
  }
}

}  // namespace lpl::rate::cuda
