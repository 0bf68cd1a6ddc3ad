#include "io/checked_archive.hpp"

#include <boost/archive/detail/archive_serializer_map.hpp>
#include <boost/archive/impl/archive_serializer_map.ipp>
#include <boost/archive/impl/basic_binary_iarchive.ipp>
#include <boost/archive/impl/basic_binary_iprimitive.ipp>

namespace boost::archive {

template class detail::archive_serializer_map<lpl::CheckedArchive>;
template class basic_binary_iprimitive<lpl::CheckedArchive, char, std::char_traits<char>>;
template class basic_binary_iarchive<lpl::CheckedArchive>;
template class binary_iarchive_impl<lpl::CheckedArchive, char, std::char_traits<char>>;

}  // namespace boost::archive
