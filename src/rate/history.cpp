#include "rate/history.hpp"

#include "core/text.hpp"

namespace lpl {

TrainingFile::TrainingFile(const std::string& path, const RunFacts& facts, const std::vector<std::string>& hooks,
                           const std::vector<LossTerm>& terms, bool steps)
    : file_(path, facts), terms_(terms), hooks_(hooks.size()) {
  h5::File& file = file_.file();
  epoch_ = file.create_series<std::int64_t>("/training/epoch");
  learning_rate_ = file.create_series<double>("/training/learning_rate");
  speed_ = file.create_series<double>("/training/images_per_second");
  epochs_ = create_losses("/training", hooks);
  if (steps) steps_ = create_losses("/steps", hooks);
  file.flush();
}

TrainingFile::Losses TrainingFile::create_losses(const std::string& group, const std::vector<std::string>& hooks) {
  h5::File& file = file_.file();
  Losses losses;
  losses.total = file.create_series<double>(group + "/total");
  for (const LossTerm term : terms_)
    losses.terms.push_back(file.create_series<double>(group + "/" + kLossNames[term], hooks_));
  file.attribute(group, "layers", join(hooks, ","));
  return losses;
}

void TrainingFile::append(Losses& losses, const LossRow& row) {
  losses.total.append(std::vector<double>{row.total});
  for (std::size_t t = 0; t < terms_.size(); ++t) {
    std::vector<double> values;
    for (std::size_t h = 0; h < hooks_; ++h) values.push_back(row.terms[h * kLossTerms + terms_[t]]);
    losses.terms[t].append(values);
  }
}

void TrainingFile::add_epoch(const EpochRow& row) {
  epoch_.append(std::vector<std::int64_t>{row.epoch});
  learning_rate_.append(std::vector<double>{row.learning_rate});
  speed_.append(std::vector<double>{row.images_per_second});
  append(epochs_, row.losses);
}

void TrainingFile::add_step(const LossRow& row) { append(steps_, row); }

void TrainingFile::add_values(const std::string& name, const std::vector<float>& values,
                              const std::vector<std::int64_t>& shape) {
  file_.file().write(name, values, std::vector<std::uint64_t>(shape.begin(), shape.end()));
}

}  // namespace lpl
