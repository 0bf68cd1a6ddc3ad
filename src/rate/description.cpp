#include "rate/description.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>

#include "config/models.hpp"
#include "core/errors.hpp"

namespace lpl::rate {
namespace {

constexpr std::int64_t kMany = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMostFrames = 100'000'000;
constexpr const char* kImport = "lpl_rate import";                                 // makes sets of images
constexpr std::int64_t kMostToySteps = std::numeric_limits<std::uint32_t>::max();  // that have numbers of their own

constexpr std::array<const char*, 3> kPartNames{"training", "validation", "test"};  // in the order of Part

// The table [section.name] that stands in the description or was embedded from models/.
Table model_table(Table& root, Table& user, std::string_view key, const std::string& section, const std::string& name) {
  const auto missing = [&]() { user.fail(key, no_such_model(section, section, name)); };
  if (!root.is_table(section)) missing();
  Table outer = root.table(section);
  if (!outer.is_table(name)) missing();
  Table table = outer.table(name);
  table.rename(fmt::format("{} '{}'", section, name));
  outer.finish_models(section);
  return table;
}

// Single precision holds these, and what they are multiplied with.
constexpr Bounds kRate{0, 1e30};
constexpr Bounds kRateAboveZero{0, 1e30, true};

double below_one(Table& table, std::string_view key, double fallback) {
  const double value = table.number(key, kProbability, fallback);
  if (value == 1) table.fail(key, table.stated(key) + "; it must be below 1");
  return value;
}

// Keys of a choice that was not made are checked and kept, so that choices can be switched by --set; it is said.
class Optimizer {
 public:
  Optimizer(Table table, std::vector<std::string>& warnings) : table_(std::move(table)), warnings_(warnings) {}

  OptimizerDescription read() {
    const bool is_adam = table_.choice("type", {"adam", "sgd"}, "adam") == 0;
    if (is_adam || any_of({"beta1", "beta2", "epsilon"}, "type = \"sgd\"")) {
      AdamOptimizer adam{};
      adam.beta1 = below_one(table_, "beta1", 0.9);
      adam.beta2 = below_one(table_, "beta2", 0.999);
      adam.epsilon = table_.number("epsilon", kRateAboveZero, 1e-8);
      o_.kind = adam;
    }
    if (!is_adam || any_of({"momentum"}, "type = \"adam\"")) {
      const SgdOptimizer sgd{table_.number("momentum", kProbability, 0.9)};
      if (!is_adam) o_.kind = sgd;
    }
    o_.learning_rate = table_.number("learning_rate", kRate, 1e-3);
    o_.weight_decay = table_.number("weight_decay", kRate, 1.5e-6);
    read_schedule();
    table_.finish();
    return o_;
  }

 private:
  void read_schedule() {
    const std::size_t schedule = table_.choice("schedule", {"cosine", "constant", "listed"}, "cosine");
    const std::string chosen = "schedule = " + table_.written("schedule");
    o_.scheduled = schedule == 0;
    if (o_.scheduled || any_of({"warmup_epochs", "start_rate", "final_rate"}, chosen)) {
      o_.warmup_epochs = static_cast<int>(table_.integer("warmup_epochs", 0, 1'000'000, 10));
      o_.start_rate = table_.number("start_rate", kRate, 0.0);
      o_.final_rate = table_.number("final_rate", kRate, 1e-6);
    }
    if (schedule == 2) {
      o_.listed = table_.numbers("rates", kRate);
      if (o_.listed.empty()) table_.fail("rates", "'rates' is empty; give the learning rate of every step");
    } else if (any_of({"rates"}, chosen)) {
      table_.numbers("rates", kRate);
    }
  }

  // Whether one of the keys of a choice that was not made is there.
  bool any_of(const std::vector<std::string>& keys, const std::string& chosen) {
    bool found = false;
    for (const std::string& key : keys)
      if (table_.has(key)) {
        warnings_.push_back(fmt::format("optimizer.{} has no effect with {}", key, chosen));
        found = true;
      }
    return found;
  }

  Table table_;
  std::vector<std::string>& warnings_;
  OptimizerDescription o_{};
};

FrameSequences read_frames(Table& table, const std::string& file) {
  FrameSequences frames{};
  frames.file = file;
  frames.side = table.integer("side", 8, 64, file.empty() ? 32 : 64);
  frames.trajectories = table.integer("trajectories", 1, 1'000'000, 64'000);
  frames.frames = table.integer("frames", 2, 1000, 17);
  if (frames.trajectories * frames.frames > kMostFrames)
    table.fail("trajectories",
               fmt::format("{}, and {}: {} frames in all; at most {} are possible", table.stated("trajectories"),
                           table.stated("frames"), frames.trajectories * frames.frames, kMostFrames));
  frames.blocks_per_epoch = table.integer("blocks_per_epoch", 1, 1'000'000, 999);
  frames.readout_blocks = table.integer("readout_blocks", 1, 100'000, 20);
  frames.test_blocks = table.integer("test_blocks", 1, 100'000, 10);
  return frames;
}

// One of the ways to set images apart for test.
void read_split(Table& table, ImageSets& images) {
  const bool by_file = table.has("test"), by_fraction = table.has("test_fraction"), by_fold = table.has("folds");
  if (by_file + by_fraction + by_fold > 1)
    table.fail(by_fold ? "folds" : "test_fraction",
               "test images are given by one of 'test' (a file), 'test_fraction' and 'folds'");
  if (by_file) images.test = table.file("test", kImport);
  if (by_fold) {
    images.folds = table.integer("folds", 2, 1000);
    images.fold = table.integer("fold", 0, images.folds - 1);
  }
  if (!by_file && !by_fold) images.test_fraction = below_one(table, "test_fraction", 0.0);
}

std::vector<double> by_channel(Table& table, std::string_view key, Bounds bounds) {
  std::vector<double> values = table.numbers(key, bounds);
  if (values.size() != 1 && values.size() != 3)
    table.fail(
        key, fmt::format("'{}' has {} values; it takes 3, for red, green and blue, or 1 for all", key, values.size()));
  values.resize(3, values.front());
  return values;
}

ImageSets read_image_sets(Table& table) {
  ImageSets images{};
  images.file = table.file("file", kImport);
  read_split(table, images);
  if (table.has("readout")) images.readout = table.file("readout", kImport);
  images.validation_fraction = below_one(table, "validation_fraction", images.readout.empty() ? 0.2 : 0.0);
  images.side = table.integer("side", 0, 1024, 0);
  images.gap = table.integer("gap", 0, 1'000'000, 0);
  if (table.has("mean") != table.has("deviation"))
    table.fail(table.has("mean") ? "mean" : "deviation",
               "'mean' and 'deviation' are given together; without them they are measured on the images to train on");
  if (table.has("mean")) {
    images.mean = by_channel(table, "mean", kProbability);
    images.deviation = by_channel(table, "deviation", {0, 1, true});
  }
  Table augmentation = table.table_or_defaults("augmentation");
  augmentation.rename("data.augmentation");
  Augmentation& a = images.augmentation;
  for (const auto& [key, on] :
       {std::pair{"crop", &a.crop}, {"flip", &a.flip}, {"jitter", &a.jitter}, {"grey", &a.grey}, {"blur", &a.blur}})
    *on = augmentation.flag(key, true);
  augmentation.finish();
  return images;
}

DataDescription read_data(Table& table) {
  switch (table.choice("set", {"cifar10", "stl10", "shapes3d", "scenes", "batches", "clusters", "digits", "images"})) {
    case 0:
      return AugmentedImages{AugmentedImages::Set::cifar10, table.folder("folder", "scripts/fetch_data.sh cifar10"),
                             32};
    case 1: {
      const std::int64_t side = table.flag("downsample", false) ? 32 : 96;
      return AugmentedImages{AugmentedImages::Set::stl10, table.folder("folder", "scripts/fetch_data.sh stl10"), side};
    }
    case 2:
      return read_frames(table, table.file("file", "scripts/fetch_data.sh shapes"));
    case 3:
      return read_frames(table, "");
    case 4:
      return RecordedBatches{table.file("file"), table.integer("classes", 2, 1 << 20, 10)};
    case 7:
      return read_image_sets(table);
    case 5:
      return ClusterPairs{table.number("sigma_y", {1e-12, 1e12}, 1.0), table.number("switching", kProbability, 0.0),
                          table.integer("steps_per_epoch", 1, kMostToySteps, 1000)};
    default: {
      DigitPairs digits{};
      digits.file = table.file("file", "scripts/make_digits.py");
      digits.first = table.integer("first", 0, 9, 5);
      digits.second = table.integer("second", 0, 9, 6);
      if (digits.first == digits.second)
        table.fail("second", fmt::format("{}, and {}: two different digits are needed", table.stated("first"),
                                         table.stated("second")));
      digits.keeps_digit = table.choice("keeps", {"digit", "place"}, "digit") == 0;
      digits.steps_per_epoch = table.integer("steps_per_epoch", 1, kMostToySteps, 1000);
      return digits;
    }
  }
}

bool has_images(const DataDescription& data) {
  return std::holds_alternative<AugmentedImages>(data) || std::holds_alternative<ImageSets>(data) ||
         std::holds_alternative<FrameSequences>(data);
}

ReadoutDescription read_readout(Table& table, const DataDescription& data) {
  ReadoutDescription r{};
  r.wanted = table.flag("wanted", has_images(data));
  if (r.wanted && !has_images(data))
    table.fail("wanted", "readouts need a data set of labelled images (cifar10, stl10, images, shapes3d or scenes)");
  r.every = table.integer("every", 0, kMany, 0);
  r.epochs = static_cast<int>(table.integer("epochs", 1, 100'000, 20));
  r.batch = table.integer("batch", 1, 1 << 20, 512);
  r.learning_rate = table.number("learning_rate", kRateAboveZero, 1e-3);
  r.pixels = table.flag("pixels", true);
  r.untrained = table.flag("untrained", true);
  r.stated_batch = table.has("batch");
  table.finish();
  return r;
}

StepRecords read_records(Table& table) {
  StepRecords r{};
  r.losses = table.flag("losses", false);
  r.gradients = table.integers("gradients", 1, kMany, std::vector<std::int64_t>{});
  r.parameters = table.integers("parameters", 1, kMany, std::vector<std::int64_t>{});
  r.estimates = table.integers("estimates", 1, kMany, std::vector<std::int64_t>{});
  r.hooks = table.integers("hooks", 1, kMany, std::vector<std::int64_t>{});
  r.validation_every = table.integer("validation_every", 0, kMany, 0);
  table.finish();
  return r;
}

// Combinations that mean nothing, with the reason.
void refuse_nonsense(const TrainingDescription& d, Table& learning, Table& network, Table& training) {
  if (d.net.residual() && d.scope == Scope::layer_local)
    network.fail("net", fmt::format("'{}' has skip connections, which have no layer-local form; set learning.scope = "
                                    "\"end_to_end\", or use vgg11 or alexnet",
                                    network.text("net")));
  if (d.label_column > 0 && !std::holds_alternative<FrameSequences>(d.data))
    learning.fail("label", fmt::format("{}; this data set has the label column 0 only", learning.stated("label")));
  if (d.batch < 2)
    training.fail("batch", "'batch' is 1: the variance over a batch of one sample is undefined; use 2 or more");
  if (!d.pooled) {
    if (d.scope == Scope::end_to_end)
      network.fail("pooling",
                   "end-to-end learning from unpooled maps: a loss at the last block has no use for positions; "
                   "set network.pooling = true or learning.scope = \"layer_local\"");
    if (d.projector.size > 0)
      network.fail("pooling",
                   "a projector for unpooled maps would not fit into memory; set network.pooling = true or "
                   "network.projector_size = 0");
    if (const std::string reason = d.objective->needs_pooling(); !reason.empty()) network.fail("pooling", reason);
    if (d.positives == Positives::shuffled)
      network.fail("pooling",
                   "shuffled positives are not defined for unpooled maps; set network.pooling = true or "
                   "learning.positives = \"next\"");
  }
  if (d.positives == Positives::shuffled && !d.objective->needs().pairs)
    learning.fail("positives",
                  "shuffled positives change the predictive term, which this rule does not have; set "
                  "learning.positives = \"next\"");
  if (const std::string reason = d.objective->misfit(d); !reason.empty()) learning.fail("rule", reason);
}

// What is wanted of a run and never exists in it.
void refuse_records_of_nothing(const TrainingDescription& d, Table& record) {
  if (!d.record.estimates.empty() && !d.objective->needs().estimates)
    record.fail("estimates", "stale estimates are kept by the rule lpl with rate.estimates = \"stale\" only");
  if (!d.record.hooks.empty() && !d.objective->needs().pairs)
    record.fail("hooks", "this rule has no losses of activities at hooks; there is nothing to record");
  if (d.record.validation_every == 0) return;
  if (d.objective->terms().empty())
    record.fail("validation_every", "this rule has no losses; there is nothing to record");
  if (!has_images(d.data))
    record.fail("validation_every", record.stated("validation_every") +
                                        "; only data sets of images (cifar10, stl10, images, shapes3d or scenes) have "
                                        "a validation split");
}

// A toy step draws its samples by its number.
void refuse_too_many_toy_steps(const TrainingDescription& d, Table& training) {
  std::int64_t per_epoch = 0;
  if (const auto* clusters = std::get_if<ClusterPairs>(&d.data)) per_epoch = clusters->steps_per_epoch;
  if (const auto* digits = std::get_if<DigitPairs>(&d.data)) per_epoch = digits->steps_per_epoch;
  if (per_epoch == 0 || (d.steps > 0 && d.steps <= kMostToySteps / d.accumulate)) return;
  if (d.epochs > kMostToySteps / per_epoch)
    training.fail("epochs", fmt::format("{}, of data.steps_per_epoch = {} steps: at most {} steps are possible in all",
                                        training.stated("epochs"), per_epoch, kMostToySteps));
}

// What a description is read for; that of a finished run stands in its result, and may name files that are gone.
enum class Use { training, judging, judging_finished };

TrainingDescription read_tables(Document& document, const std::string& name, Use use) {
  Table root = document.root();
  if (!root.has("network") && root.has("phase"))
    root.fail("phase",
              "[[phase]] is of a spiking network, which lpl_sim runs; lpl_rate takes trainings with a [network]");
  TrainingDescription d{};
  d.name = name;
  d.only_judged = use != Use::training;
  Table training = root.table("training", "may be empty: its keys have defaults");
  training.rename("training");
  d.seed = static_cast<std::uint64_t>(training.integer("seed", 0, kMany, 1));
  d.batch = training.integer("batch", 1, 1 << 20, 1024);
  d.epochs = training.integer("epochs", 1, 10'000'000, 800);
  d.accumulate = training.integer("accumulate", 1, 1 << 20, 1);
  d.steps = training.integer("steps", 0, kMany, 0);
  d.precision =
      training.choice("precision", {"float32", "bf16"}, "float32") == 0 ? Precision::float32 : Precision::bfloat16;
  if (training.has("initial"))
    d.initial_parameters = use == Use::judging_finished ? training.text("initial") : training.file("initial");
  training.finish();

  Table network = root.table("network", "names a 'net'");
  network.rename("network");
  const std::string net = network.text("net");
  d.biases = network.flag("biases", true);
  d.pooled = network.flag("pooling", true);
  d.projector.size = network.integer("projector_size", 0, 1 << 20, 0);
  if (d.projector.size > 0) d.projector.hidden = network.integer("projector_hidden", 1, 1 << 20, 2048);
  d.net = read_net(model_table(root, network, "net", "net", net), d.biases);
  network.finish();

  Table learning = root.table("learning", "names a 'rule'");
  learning.rename("learning");
  const std::string rule = learning.text("rule");
  d.objective = read_objective(model_table(root, learning, "rule", "rule", rule));
  d.scope = static_cast<Scope>(learning.choice("scope", {"layer_local", "end_to_end"}, "layer_local"));
  d.positives = static_cast<Positives>(learning.choice("positives", {"next", "shuffled"}, "next"));
  d.label_column = static_cast<std::size_t>(learning.integer("label", 0, 100, 0));
  learning.finish();

  d.optimizer = Optimizer(root.table_or_defaults("optimizer"), d.warnings).read();
  Table data = root.table("data", "names a 'set'");
  data.rename("data");
  d.data = read_data(data);
  data.finish();
  Table readout = root.table_or_defaults("readout");
  readout.rename("readout");
  d.readout = read_readout(readout, d.data);
  Table record = root.table_or_defaults("record");
  record.rename("record");
  d.record = read_records(record);
  std::vector<const char*> of_data;
  if (std::holds_alternative<ImageSets>(d.data)) of_data.push_back("gap");
  for (const auto& [table, keys] : {std::pair<const Table*, std::vector<const char*>>{&training, {"batch", "steps"}},
                                    {&data, of_data},
                                    {&learning, {"label"}},
                                    {&readout, {"batch"}},
                                    {&record, {"gradients", "parameters", "estimates", "hooks", "validation_every"}}})
    for (const char* key : keys) {
      const std::string whole = fmt::format("{}.{}", table->who(), key);
      d.places[whole] = table->place(key);
      d.stated[whole] = d.places[whole] + ": " + table->stated(key);
    }
  refuse_nonsense(d, learning, network, training);
  refuse_records_of_nothing(d, record);
  refuse_too_many_toy_steps(d, training);
  root.finish();
  d.canonical_text = document.canonical_text();
  d.fixed_text = document.canonical_text_without("training", {"epochs", "steps"});
  d.files = document.files();
  return d;
}

TrainingDescription read(Document document, const std::string& name, std::vector<std::string> overrides,
                         std::optional<std::uint64_t> seed, Use use = Use::training) {
  if (seed) overrides.push_back(fmt::format("training.seed={}", *seed));
  resolve(document, overrides, {{"network", "net", "net", "net", ""}, {"learning", "rule", "rule", "rule", ""}});
  return read_tables(document, name, use);
}

}  // namespace

std::string name_of(Part part) { return kPartNames[static_cast<std::size_t>(part)]; }

std::optional<Part> part_of(const std::string& name) {
  const auto found = std::ranges::find(kPartNames, name);
  if (found == kPartNames.end()) return {};
  return static_cast<Part>(found - kPartNames.begin());
}

TrainingDescription read_training(const std::string& path, const std::vector<std::string>& overrides,
                                  std::optional<std::uint64_t> seed) {
  return read(Document::from_file(path), path, overrides, seed);
}

TrainingDescription read_training_text(const std::string& text, const std::string& name,
                                       const std::vector<std::string>& overrides) {
  return read(Document::from_text(text, name), name, overrides, std::nullopt);
}

TrainingDescription read_trained(const std::string& text, const std::string& name, std::vector<std::string> overrides) {
  if (std::ranges::any_of(overrides, [](const std::string& o) { return o.starts_with("data.set="); }))
    overrides.insert(overrides.begin(), "data={}");
  const bool own_batch =
      std::ranges::any_of(overrides, [](const std::string& o) { return o.starts_with("readout.batch="); });
  TrainingDescription trained =
      read(Document::from_text(text, name), name, std::move(overrides), std::nullopt, Use::judging_finished);
  trained.readout.stated_batch = own_batch;  // what is stored states every default
  return trained;
}

TrainingDescription read_imported(const std::string& path, const std::vector<std::string>& overrides,
                                  std::optional<std::uint64_t> seed) {
  TrainingDescription imported = read(Document::from_file(path), path, overrides, seed, Use::judging);
  if (imported.initial_parameters.empty())
    throw ConfigError(path +
                      ": describes a network without parameters to read out; name a safetensors file that has them, "
                      "--set training.initial=FILE");
  return imported;
}

std::string data_override(const std::string& path) {
  std::error_code ignored;
  const bool folder = std::filesystem::is_directory(path, ignored);
  return fmt::format("data.{}=\"{}\"", folder ? "folder" : "file", std::filesystem::absolute(path).string());
}

}  // namespace lpl::rate
