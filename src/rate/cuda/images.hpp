// Views for training, made on a device from images that stay there. An image is sent when it is first asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rate/backend.hpp"
#include "rate/cuda/device.hpp"
#include "rate/cuda/views.hpp"
#include "rate/data/images.hpp"

namespace lpl::rate::cuda {

class ResidentImages {
 public:
  // Why `device` cannot make views of size x size from the images of a store; empty where it can. Images may take half
  // of the memory that is free: the rest is for networks.
  static std::string obstacle(const Device& device, const ImageStore& store, int size);

  // Reserves memory for all images of the store. Throws Error where there is an obstacle. `device` must outlive this.
  ResidentImages(Device& device, std::shared_ptr<const ImageStore> store, int size,
                 const ChannelNormalisation& normalisation);

  // to (requests x size x size x 3) = the views that ViewMaker::augment makes, rounded to `precision`. Does not wait.
  void make(const std::vector<ViewRequest>& requests, Precision precision, void* to);

 private:
  void send_missing(const std::vector<ViewRequest>& requests);

  Device& device_;
  std::shared_ptr<const ImageStore> store_;
  int size_;
  std::vector<bool> present_;  // by image
  std::shared_ptr<std::uint8_t> images_;
  std::shared_ptr<int> counts_, first_;  // of the resampling taps
  std::shared_ptr<float> weight_;
  std::shared_ptr<float> normalised_;
  ViewBatch batch_;  // without requests
};

}  // namespace lpl::rate::cuda
