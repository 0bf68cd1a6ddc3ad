// Boost's binary archive for bytes that may be damaged: no collection, and no text, is given room for more elements
// than bytes are left. Reads what boost::archive::binary_oarchive writes.
#pragma once

#include <boost/archive/archive_exception.hpp>
#include <boost/archive/binary_iarchive_impl.hpp>
#include <boost/serialization/array_optimization.hpp>
#include <boost/serialization/collection_size_type.hpp>
#include <istream>
#include <sstream>
#include <string>

namespace lpl {

class CheckedArchive : public boost::archive::binary_iarchive_impl<CheckedArchive, char, std::char_traits<char>> {
  using Base = boost::archive::binary_iarchive_impl<CheckedArchive, char, std::char_traits<char>>;

 public:
  // `bytes` must outlive the archive.
  explicit CheckedArchive(std::stringbuf& bytes) : Base(bytes, 0), bytes_(bytes) { init(0); }

  template <class T>
  void load_override(T& value) {
    Base::load_override(value);
  }
  void load_override(boost::serialization::collection_size_type& size) {
    Base::load_override(size);
    check(static_cast<const boost::serialization::collection_size_type&>(size));
  }
  void load_override(std::string& text) {
    std::size_t size = 0;
    load(size);
    check(size);
    text.resize(size);
    load_binary(text.data(), size);
  }

 private:
  void check(std::size_t size) const {
    if (size > static_cast<std::size_t>(bytes_.in_avail()))
      throw boost::archive::archive_exception(boost::archive::archive_exception::input_stream_error);
  }
  std::stringbuf& bytes_;
};

}  // namespace lpl

// Numbers in a row are written as one piece.
BOOST_SERIALIZATION_USE_ARRAY_OPTIMIZATION(lpl::CheckedArchive)
