#include "io/safetensors.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>

#include "core/errors.hpp"
#include "core/random.hpp"
#include "core/whole_file.hpp"
#include "support/world.hpp"

namespace lpl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string with_length(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

TensorFile example() {
  return {.tensors = {{"blocks.0.weight", {.shape = {2, 3}, .values = {1, -2, 3.5f, 0, 1e-30f, 6}}},
                      {"empty", {.shape = {0, 4}, .values = {}}},
                      {"scale", {.shape = {}, .values = {7}}}},
          .metadata = {{"format", "pt"}, {"program", "lpl_rate \"quoted\""}}};
}

// All tensors of a file.
TensorFile read_safetensors(const std::string& path) {
  const SafetensorsFile file(path);
  TensorFile all{.tensors = {}, .metadata = file.metadata()};
  for (const std::string& name : file.names()) all.tensors.emplace(name, file.read(name));
  return all;
}

TEST(Safetensors, ComeBackAsWritten) {
  const test::Scratch scratch;
  const std::string path = scratch.path("a.safetensors");
  write_safetensors(path, example());
  const TensorFile file = read_safetensors(path);
  EXPECT_EQ(file.metadata, example().metadata);
  ASSERT_EQ(file.tensors.size(), 3u);
  for (const auto& [name, tensor] : example().tensors) {
    EXPECT_EQ(file.tensors.at(name).shape, tensor.shape) << name;
    EXPECT_EQ(file.tensors.at(name).values, tensor.values) << name;
  }
  EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
}

TEST(Safetensors, AreWrittenAsTheFormatSays) {
  const test::Scratch scratch;
  const std::string path = scratch.path("a.safetensors");
  write_safetensors(path, {.tensors = {{"w", {.shape = {1, 2}, .values = {1, 2}}}}, .metadata = {}});
  const std::string header = R"({"w":{"data_offsets":[0,8],"dtype":"F32","shape":[1,2]}})";
  using namespace std::string_literals;
  EXPECT_EQ(whole_file(path), with_length(header, "\0\0\x80\x3F\0\0\0\x40"s));
  EXPECT_EQ(header.size() % 8, 0u);
}

TEST(Safetensors, OfOtherTypesAreConverted) {
  const test::Scratch scratch;
  using namespace std::string_literals;
  const std::string header = R"({"half":{"dtype":"F16","shape":[5],"data_offsets":[0,10]},)"
                             R"("brain":{"dtype":"BF16","shape":[2],"data_offsets":[10,14]},)"
                             R"("double":{"dtype":"F64","shape":[1],"data_offsets":[14,22]},)"
                             R"("count":{"dtype":"I64","shape":[],"data_offsets":[22,30]}})";
  // Half: 1, -2, 65504 (largest), 2^-24 (smallest), 2^-14 (smallest normal).
  const std::string data =
      "\0\x3C\0\xC0\xFF\x7B\x01\0\0\x04"s + "\x80\x3F\x49\xC0"s + "\0\0\0\0\0\0\x04\x40"s + "\x07\0\0\0\0\0\0\0"s;
  const TensorFile file = read_safetensors(scratch.write("a.safetensors", with_length(header, data)));
  EXPECT_THAT(file.tensors.at("half").values, ElementsAre(1.f, -2.f, 65504.f, 0x1p-24f, 0x1p-14f));
  EXPECT_THAT(file.tensors.at("brain").values, ElementsAre(1.f, -3.140625f));
  EXPECT_THAT(file.tensors.at("double").values, ElementsAre(2.5f));
  EXPECT_THAT(file.tensors.at("count").values, ElementsAre(7.f));
}

class Refusal : public testing::Test {
 protected:
  std::string of(const std::string& bytes) const {
    // A new file each time: file systems that protect what is overwritten are slow.
    const std::string path = scratch_.path("bad.safetensors");
    std::filesystem::remove(path);
    try {
      read_safetensors(scratch_.write("bad.safetensors", bytes));
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), HasSubstr("bad.safetensors: "));
      return error.what();
    }
    return "accepted";
  }
  std::string of_tensor(const std::string& entry, std::size_t data = 8) const {
    return of(with_length("{\"w\":" + entry + "}", std::string(data, '\0')));
  }

 private:
  test::Scratch scratch_;
};

TEST_F(Refusal, OfDamagedHeaders) {
  EXPECT_THAT(of("abc"), HasSubstr("has 3 bytes"));
  EXPECT_THAT(of(std::string(8, '\xFF')), HasSubstr("announces a header of 18446744073709551615 bytes but has 0"));
  EXPECT_THAT(of(with_length("{}", "").substr(0, 9)), HasSubstr("announces a header of 2 bytes but has 1"));
  EXPECT_THAT(of(with_length(" {}", "")), HasSubstr("does not start with '{'"));
  EXPECT_THAT(of(with_length("{\"w\":", "")), HasSubstr("is no JSON"));
  EXPECT_THAT(of(with_length("{} {}", "")), HasSubstr("is no JSON"));
  EXPECT_THAT(of(with_length("{\"\xFF\":1}", "")), HasSubstr("is no JSON"));
  EXPECT_THAT(of(with_length(R"({"__metadata__":{"a":1}})", "")), HasSubstr("'a' is number; it must be text"));
  EXPECT_THAT(of(with_length(R"({"__metadata__":[]})", "")), HasSubstr("is array; it must be an object"));
  EXPECT_THAT(of(with_length("{\"w\":{\"shape\":" + std::string(1000, '['), "")), HasSubstr("more than 3 deep"));
  EXPECT_EQ(of(with_length("{}  ", "")), "accepted");
}

TEST_F(Refusal, OfOtherKindsOfFilesNamesThem) {
  using namespace std::string_literals;
  const std::pair<std::string, const char*> kinds[] = {
      {"PK\x03\x04\0\0\x08\x08\0\0archive/data.pkl"s, "a zip archive, as PyTorch's .pt, .pth and .ckpt files"},
      {"\x80\x02\x8a\x0al\xfc\x9c"
       "F\xf9 j\xa8P\x19.\x80"s,
       "pickled by Python"},
      {"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08"s, "an HDF5 file"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"s, "a pointer of git-lfs, not the file itself"},
      {"\x1f\x8b\x08\0\0\0\0\0\0\x03"s, "packed by gzip"},
      {std::string(257, 'n') + "ustar" + std::string(300, '\0'), "a tar archive"}};
  for (const auto& [bytes, words] : kinds)
    EXPECT_THAT(of(bytes), testing::AllOf(HasSubstr("is no safetensors file"), HasSubstr(words),
                                          HasSubstr("safetensors.torch.save_file()")));
}

// What nobody asks for may be of any type, and hold anything.
TEST(Safetensors, AreJudgedByWhatIsRead) {
  const test::Scratch scratch;
  using namespace std::string_literals;
  const std::string header = R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                             R"("step":{"dtype":"I32","shape":[1],"data_offsets":[4,8]},)"
                             R"("mask":{"dtype":"BOOL","shape":[4],"data_offsets":[8,12]},)"
                             R"("moment":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}})";
  const std::string data = "\0\0\x80\x3F"s + "\x07\0\0\0"s + "\x01\0\x01\0"s + "\0\0\x80\x7F"s;
  const SafetensorsFile file(scratch.write("a.safetensors", with_length(header, data)));
  EXPECT_THAT(file.names(), ElementsAre("mask", "moment", "step", "w"));
  EXPECT_THAT(file.read("w").values, ElementsAre(1.f));
  const auto refused = [&](const std::string& name) { return test::refusal([&] { file.read(name); }); };
  EXPECT_THAT(refused("step"), HasSubstr("tensor 'step' is of type 'I32'"));
  EXPECT_THAT(refused("mask"), HasSubstr("tensor 'mask' is of type 'BOOL'"));
  EXPECT_THAT(refused("moment"), HasSubstr("tensor 'moment' holds values that are not finite"));
  EXPECT_THAT(refused("moments"), HasSubstr("has no tensor 'moments'; the nearest name is 'moment'"));
}

// 2000 entries of the same 4 MB would be 8 GB.
TEST_F(Refusal, OfOverlapsComesBeforeAnyIsRead) {
  std::string header = "{";
  for (int i = 0; i < 2000; ++i)
    header += fmt::format(R"("t{}":{{"dtype":"F32","shape":[1000000],"data_offsets":[0,4000000]}},)", i);
  header.back() = '}';
  EXPECT_THAT(of(with_length(header, std::string(4'000'000, '\0'))), HasSubstr("they must follow each other"));
}

TEST_F(Refusal, OfTensorsByNameAndReason) {
  EXPECT_EQ(of_tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})"), "accepted");
  EXPECT_THAT(of_tensor("7"), HasSubstr("tensor 'w' is number; it must be an object"));
  EXPECT_THAT(of_tensor(R"({"shape":[2],"data_offsets":[0,8]})"), HasSubstr("tensor 'w': 'dtype' must be text"));
  EXPECT_THAT(of_tensor(R"({"dtype":"U64","shape":[1],"data_offsets":[0,8]})"),
              HasSubstr("'U64'; F32, F16, BF16, F64 and I64 can be read"));
  EXPECT_THAT(of_tensor(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"), HasSubstr("'shape' must be a list"));
  EXPECT_THAT(of_tensor(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})"), HasSubstr("'shape' must be a list"));
  EXPECT_THAT(of_tensor(R"({"dtype":"F32","shape":2,"data_offsets":[0,8]})"), HasSubstr("'shape' must be a list"));
  EXPECT_THAT(of_tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8,9]})"), HasSubstr("has 3 numbers, not 2"));
  EXPECT_THAT(of_tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,12]})"), HasSubstr("bytes 0 to 12 of 8"));
  EXPECT_THAT(of_tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"), HasSubstr("bytes 8 to 0 of 8"));
  EXPECT_THAT(of_tensor(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"), HasSubstr("does not fit its 8 bytes"));
  EXPECT_THAT(of_tensor(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]})", 0),
              HasSubstr("shape [4294967296, 4294967296] and type F32 does not fit its 0 bytes"));
  EXPECT_THAT(of_tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})", 12),
              HasSubstr("the tensors cover 8 of 12 bytes"));
  EXPECT_THAT(of_tensor(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})"), HasSubstr("must follow each other"));
  EXPECT_THAT(of_tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{})"),
              HasSubstr("the header names 'w' twice"));
  EXPECT_THAT(of_tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                        R"("x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]})"),
              HasSubstr("tensor 'x' begins at byte 4, but the tensor before it ends at 8"));
}

TEST_F(Refusal, OfValuesThatAreNotFinite) {
  using namespace std::string_literals;
  const auto of_value = [&](const std::string& type, const std::string& bytes) {
    return of(with_length(
        "{\"w\":{\"dtype\":\"" + type + "\",\"shape\":[1],\"data_offsets\":[0," + std::to_string(bytes.size()) + "]}}",
        bytes));
  };
  const std::string expected = "tensor 'w' holds values that are not finite";
  EXPECT_THAT(of_value("F32", "\0\0\xC0\x7F"s), HasSubstr(expected));
  EXPECT_THAT(of_value("F16", "\0\x7C"s), HasSubstr(expected));
  EXPECT_THAT(of_value("BF16", "\x80\xFF"s), HasSubstr(expected));
  EXPECT_THAT(of_value("F64", "\0\0\0\0\0\0\0\x7E"s), HasSubstr(expected));  // too large for single precision
}

// Whatever happens to a file, it reads or it is refused.
TEST_F(Refusal, OrAcceptanceIsAllThatMutationsCause) {
  const test::Scratch scratch;
  const std::string path = scratch.path("a.safetensors");
  write_safetensors(path, example());
  const std::string whole = whole_file(path);
  const std::string alphabet = "{}[]\":,0123456789F\\e-. \n";
  Random random(1, Draw::signal, 1, 1);
  const auto below = [&](std::size_t n) { return random.below(static_cast<std::uint32_t>(n)); };
  std::size_t refused = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    std::string bytes = whole;
    for (std::uint32_t change = 0; change <= below(3); ++change) {
      if (bytes.empty()) break;
      const std::size_t at = below(bytes.size());
      switch (below(5)) {
        case 0:
          bytes[at] = static_cast<char>(random.bits());
          break;
        case 1:
          bytes[at] = alphabet[below(alphabet.size())];
          break;
        case 2:
          bytes.erase(at, 1 + below(4));
          break;
        case 3:
          bytes.insert(at, 1, alphabet[below(alphabet.size())]);
          break;
        default:
          bytes.resize(at);
      }
    }
    refused += of(bytes) != "accepted";
  }
  EXPECT_GT(refused, 1000u);
}

TEST(Safetensors, ThatDoNotFitTheirShapeAreNotWritten) {
  const test::Scratch scratch;
  const std::string path = scratch.path("a.safetensors");
  EXPECT_THROW(write_safetensors(path, {.tensors = {{"w", {.shape = {2}, .values = {1}}}}, .metadata = {}}), Error);
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_THROW(write_safetensors(scratch.path("missing/a.safetensors"), example()), IoError);
  EXPECT_THROW(read_safetensors(scratch.path("missing.safetensors")), ConfigError);
}

}  // namespace
}  // namespace lpl
