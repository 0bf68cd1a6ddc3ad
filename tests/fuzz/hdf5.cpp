// HDF5 inputs by structured mutation: the fuzzer chooses what lies in a file, of which type, extent and layout; the C
// library writes it; the readers of spikes, batches, 3D Shapes and results read it.
#include <fuzzer/FuzzedDataProvider.h>
#include <hdf5.h>

#include <memory>
#include <vector>

#include "fuzz/harness.hpp"
#include "io/hdf5.hpp"
#include "io/import.hpp"
#include "io/shapes_file.hpp"
#include "rate/pairs.hpp"

namespace {

using namespace lpl;
using Extent = std::vector<hsize_t>;

// What a reader looks for; `extent` as it should be.
struct Place {
  const char* name;
  Extent extent;
};
struct Reader {
  std::vector<Place> places;
  void (*read)(const std::string& path);
};

void read_spike_file(const std::string& path) { read_spikes(path, "", 10, 1e-4); }

void read_batches(const std::string& path) {
  static const rate::TrainingDescription description = rate::read_training_text(
      "[training]\nbatch = 2\nepochs = 1\n[network]\nnet = \"n\"\n[net.n]\ntype = \"dense\"\nunits = [2]\n"
      "[learning]\nrule = \"lpl\"\n[data]\nset = \"batches\"\nfile = \"" +
          path + "\"\n",
      fuzz::folder().path("f.rate"), {});
  const std::unique_ptr<rate::PairSource> pairs = make_pairs(description);
  for (std::int64_t step = 0; step < 2 * pairs->batches_per_epoch(); ++step) {
    pairs->make(step, {0, pairs->batch(step)});
    pairs->labels(step);
    rate::inverse_positives(pairs->shuffled(step));
  }
}

void read_shapes(const std::string& path) {
  const ShapesFile file(path);
  const auto side = static_cast<std::size_t>(file.side());
  std::vector<std::uint8_t> image(side * side * 3);
  file.read(file.count() - 1, 1, image.data());
  if (file.images_share_chunks()) file.read_some(std::vector<std::int64_t>{0, file.count() - 1}, [](std::int64_t) {});
}

void read_result(const std::string& path) {
  const h5::File file = h5::File::open_read_only(path);
  fuzz::refusable([&] { file.read_text("/config/description"); });
  fuzz::refusable([&] { file.text_attribute("/config/description", "units"); });
  fuzz::refusable([&] { file.children("/config"); });
  fuzz::refusable([&] { file.read<float>("/network/w"); });
  fuzz::refusable([&] { file.read<std::int32_t>("/network/w"); });
  fuzz::refusable([&] { file.read<std::uint8_t>("/network/w"); });
}

const Reader kReaders[] = {
    {{{"/spikes/p/timestamps", {3}}, {"/spikes/p/node_ids", {3}}, {"/spikes/gids", {3}}, {"/spikes/timestamps", {3}}},
     read_spike_file},
    {{{"/batches/img_1", {2, 2, 1, 2, 2}},
      {"/batches/img_2", {2, 2, 1, 2, 2}},
      {"/batches/labels", {2, 2}},
      {"/batches/order", {2}},
      {"/batches/permutations", {2, 2}}},
     read_batches},
    {{{"/images", {4, 2, 2, 3}}, {"/labels", {4, 6}}}, read_shapes},
    {{{"/config/description", {}}, {"/network/w", {2, 3}}}, read_result},
};

class Writer {
 public:
  Writer(hid_t file, FuzzedDataProvider& input) : file_(file), input_(input) {
    H5Pset_create_intermediate_group(parents_.get(), 1);
  }

  void put(const Place& place) {
    switch (input_.ConsumeIntegralInRange(0, 11)) {
      case 0:
        return;
      case 1:
        H5Lcreate_external(input_.ConsumeBool() ? "/dev/zero" : "f.h5", "/x", file_, place.name, parents_.get(),
                           H5P_DEFAULT);
        return;
      case 2:
        H5Lcreate_soft(input_.ConsumeBool() ? "/batches/img_1" : place.name, file_, place.name, parents_.get(),
                       H5P_DEFAULT);
        return;
      case 3: {
        const h5::Handle group(H5Gcreate2(file_, place.name, parents_.get(), H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
        return;
      }
      default:
        put_dataset(place);
    }
  }

 private:
  h5::Handle type() {
    const auto text = [&](std::size_t size) {
      h5::Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
      H5Tset_size(type.get(), size);
      if (input_.ConsumeBool()) H5Tset_cset(type.get(), H5T_CSET_UTF8);
      return type;
    };
    switch (input_.ConsumeIntegralInRange(0, 15)) {
      case 0:
        return text(H5T_VARIABLE);
      case 1:
        return text(input_.ConsumeIntegralInRange<std::size_t>(1, 40));
      case 2:
        return text(input_.ConsumeIntegralInRange<std::size_t>(1, std::size_t{1} << 31));
      case 3: {
        h5::Handle pair(H5Tcreate(H5T_COMPOUND, 8), H5Tclose);
        H5Tinsert(pair.get(), "a", 0, H5T_NATIVE_DOUBLE);
        return pair;
      }
      case 4:
        return h5::Handle(H5Tvlen_create(H5T_NATIVE_DOUBLE), H5Tclose);
      case 5: {
        const hsize_t two = 2;
        return h5::Handle(H5Tarray_create2(H5T_NATIVE_FLOAT, 1, &two), H5Tclose);
      }
      case 6:
        return h5::Handle(H5Tenum_create(H5T_NATIVE_INT8), H5Tclose);
      default: {
        const hid_t numbers[] = {H5T_STD_I8LE,   H5T_STD_U8LE,   H5T_STD_I16BE,  H5T_STD_U32LE,  H5T_STD_I64LE,
                                 H5T_STD_U64BE,  H5T_IEEE_F32LE, H5T_IEEE_F64LE, H5T_IEEE_F64BE, H5T_NATIVE_LDOUBLE,
                                 H5T_NATIVE_B64, H5T_STD_I64LE,  H5T_IEEE_F64LE, H5T_STD_REF_OBJ};
        return h5::Handle(H5Tcopy(input_.PickValueInArray(numbers)), H5Tclose);
      }
    }
  }

  Extent extent(const Extent& expected) {
    if (input_.ConsumeBool()) return expected;
    Extent extent(input_.ConsumeIntegralInRange<std::size_t>(0, 5));
    for (hsize_t& size : extent)
      size = input_.ConsumeBool() ? input_.ConsumeIntegralInRange<hsize_t>(0, 4) : input_.ConsumeIntegral<hsize_t>();
    return extent;
  }

  h5::Handle space_of(const Extent& extent, const Extent& limit) {
    if (extent.empty()) return h5::Handle(H5Screate(input_.ConsumeBool() ? H5S_SCALAR : H5S_NULL), H5Sclose);
    return h5::Handle(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), limit.data()), H5Sclose);
  }

  h5::Handle layout(const Extent& extent, hid_t space) {
    h5::Handle layout(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    const int kind = input_.ConsumeIntegralInRange(0, 7);
    if (kind == 0) H5Pset_layout(layout.get(), H5D_COMPACT);
    if (kind == 1) H5Pset_external(layout.get(), "/dev/zero", 0, H5F_UNLIMITED);
    if (kind == 2) H5Pset_virtual(layout.get(), space, "/dev/zero", "/x", space);
    if (kind < 4 || extent.empty()) return layout;
    Extent chunk;
    for (const hsize_t size : extent)
      chunk.push_back(input_.ConsumeIntegralInRange<hsize_t>(1, std::max<hsize_t>(size, 1)));
    H5Pset_chunk(layout.get(), static_cast<int>(chunk.size()), chunk.data());
    if (kind == 4) H5Pset_deflate(layout.get(), 1);
    if (kind == 5) H5Pset_shuffle(layout.get());
    if (kind == 6) H5Pset_fletcher32(layout.get());
    return layout;
  }

  void put_dataset(const Place& place) {
    const h5::Handle stored = type();
    const Extent size = extent(place.extent);
    Extent limit = size;
    if (!limit.empty() && input_.ConsumeBool()) limit[0] = H5S_UNLIMITED;
    const h5::Handle space = space_of(size, limit), how = layout(size, space.get());
    const h5::Handle dataset(
        H5Dcreate2(file_, place.name, stored.get(), space.get(), parents_.get(), how.get(), H5P_DEFAULT), H5Dclose);
    if (dataset.get() < 0) return;
    hsize_t values = 1;
    for (const hsize_t n : size) values = n < 1000 ? std::min<hsize_t>(values * n, 1000) : 1000;
    if (values < 1000 && H5Tget_size(stored.get()) <= 64 && input_.ConsumeBool())
      write(dataset.get(), stored.get(), values);
    if (input_.ConsumeBool()) put_attribute(place.name, "units");
  }

  void write(hid_t dataset, hid_t type, hsize_t values) {
    if (H5Tis_variable_str(type) > 0) {
      const std::string text = input_.ConsumeRandomLengthString(20);
      const std::vector<const char*> texts(values, text.c_str());
      H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, texts.data());
      return;
    }
    if (H5Tdetect_class(type, H5T_VLEN) > 0 || H5Tget_class(type) == H5T_REFERENCE) return;
    std::vector<std::uint8_t> bytes(values * H5Tget_size(type), input_.ConsumeBool() ? 0 : 1);
    const auto own = input_.ConsumeBytes<std::uint8_t>(std::min<std::size_t>(bytes.size(), 64));
    std::ranges::copy(own, bytes.begin());
    H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data());
  }

  void put_attribute(const char* object, const char* name) {
    const h5::Handle stored = type();
    const Extent size = extent({});
    const h5::Handle space = space_of(size, size);
    const h5::Handle attribute(
        H5Acreate_by_name(file_, object, name, stored.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
        H5Aclose);
    if (attribute.get() < 0 || !size.empty() || H5Tget_class(stored.get()) != H5T_STRING) return;
    const std::string text = input_.ConsumeRandomLengthString(8) + std::string(40, ' ');
    const char* pointer = text.c_str();
    if (H5Tis_variable_str(stored.get()) > 0)
      H5Awrite(attribute.get(), stored.get(), &pointer);
    else if (H5Tget_size(stored.get()) <= 40)
      H5Awrite(attribute.get(), stored.get(), text.data());
  }

  hid_t file_;
  FuzzedDataProvider& input_;
  h5::Handle parents_{H5Pcreate(H5P_LINK_CREATE), H5Pclose};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  FuzzedDataProvider input(data, size);
  const Reader& reader = kReaders[input.ConsumeIntegralInRange<std::size_t>(0, std::size(kReaders) - 1)];
  const std::string path = fuzz::folder().path("f.h5");
  {
    const h5::Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
    Writer writer(file.get(), input);
    for (const Place& place : reader.places) writer.put(place);
  }
  fuzz::refusable([&] { reader.read(path); });
  return 0;
}
