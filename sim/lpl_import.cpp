#include "lpl_import.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "core/errors.hpp"
#include "core/streams.hpp"
#include "program.hpp"
#include "rate/data/import_images.hpp"

namespace lpl {
namespace {

constexpr const char* kName = "lpl_rate import";

void add_options(CLI::App& app, rate::ImportOptions& options, ProgressStyle& progress) {
  app.add_option(
         "SOURCE", options.sources,
         "Folders of .png and .jpg (in folders by class, or without labels), idx or idx.gz, .npy, .npz, HDF5, the "
         "binary files of CIFAR-10, CIFAR-100 or STL-10; several become one set")
      ->required();
  app.add_option("-o,--out", options.out, "The set of images to write, an HDF5 file")->required();
  app.add_option("--labels", options.labels, "Files of labels (idx, .npy or .npz), one for each SOURCE");
  app.add_option("--array", options.array, "Name of the images in an .npz or HDF5 file");
  app.add_option("--label-array", options.label_array, "Name of the labels in an .npz or HDF5 file");
  CLI::Option* side = app.add_option("--side", options.side,
                                     "Resize images to so many pixels; of those that are no squares, the middle")
                          ->check(CLI::Range(1, 1024));
  CLI::Option* sequences = app.add_flag("--sequences", options.sequences,
                                        "Every folder of pictures is a sequence of frames, by their names; the folders "
                                        "that hold sequences are classes (data.gap pairs frames)");
  app.add_option("--every", options.every, "Keep one frame in so many of each sequence")
      ->check(CLI::Range(1, 1'000'000))
      ->needs(sequences);
  CLI::Option* crops = app.add_option("--crops", options.crops,
                                      "So many random squares of each picture, of 8 to 100 % of its area, instead of "
                                      "the middle; they stay together in splits")
                           ->check(CLI::Range(1, 1000))
                           ->needs(side)
                           ->excludes(sequences);
  app.add_option("--seed", options.seed, "Of the random squares (1)")->needs(crops);
  app.add_flag("--grey", options.grey, "One channel, the luminance");
  app.add_flag("--overwrite", options.overwrite, "Replace the set of images that is at --out");
  app.add_option_function<std::string>(
         "--progress", [&](const std::string& word) { progress = style_of(word); }, "auto, bar, lines or none")
      ->check(CLI::IsMember({"auto", "bar", "lines", "none"}));
  app.footer(
      "An import that was ended goes on where it was when it is started again, from OUT.part; of one that was refused "
      "nothing stays.");
}

ExitCode import(int argc, char** argv) {
  rate::ImportOptions options;
  ProgressStyle progress = ProgressStyle::automatic;
  CLI::App app{"Makes a set of images to train on (data.set = \"images\") from the images that you have.", kName};
  try {
    add_options(app, options, progress);
    app.parse(argc, argv);
    const ImageSetLayout set = rate::import_images(options, progress);
    fmt::print("images       {}, {} x {}, {}\n", set.count, set.side, set.side, set.channels == 1 ? "grey" : "RGB");
    for (const LabelColumn& column : set.columns)
      fmt::print("labels       {}: {} classes\n", column.name, column.classes);
    if (set.columns.empty()) fmt::print("labels       none\n");
    if (options.sequences) fmt::print("sequences    {}, one frame in {} kept\n", set.groups.back() + 1, options.every);
    fmt::print("output       {}\n", options.out);
    return ExitCode::done;
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    return error.get_exit_code() == 0 ? ExitCode::done : ExitCode::misused;
  } catch (const ConfigError& error) {
    fmt::print(stderr, "{}: {}\n", kName, error.what());
    return ExitCode::misused;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", kName, error.what());
    return ExitCode::failed;
  }
}

}  // namespace

int run_import(int argc, char** argv) {
  hold_standard_streams();
  const ExitCode status = import(argc, argv);
  const bool printed = flush_standard_output(kName);
  return static_cast<int>(status == ExitCode::done && !printed ? ExitCode::failed : status);
}

}  // namespace lpl
