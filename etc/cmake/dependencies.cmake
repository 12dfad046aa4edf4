# The libraries Sigrun is built on (Debian 12 packages; etc/install-deps.sh installs them).
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json container filesystem)
find_package(Poco REQUIRED COMPONENTS Foundation Util)
find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto SSL)
find_package(CLI11 REQUIRED)
pkg_check_modules(PROMETHEUS REQUIRED IMPORTED_TARGET prometheus-cpp-core)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(HWLOC IMPORTED_TARGET hwloc)
pkg_check_modules(PCI IMPORTED_TARGET libpci)
if(SIGRUN_TESTS)
  find_package(GTest REQUIRED)
endif()
if(SIGRUN_BENCH)
  find_package(benchmark REQUIRED)
endif()

add_compile_definitions(BOOST_ASIO_NO_DEPRECATED BOOST_DLL_USE_STD_FS)

# Boost.JSON as every target uses it.
add_library(sigrun_json INTERFACE)
target_link_libraries(sigrun_json INTERFACE Boost::json Boost::container)

# Asio and Beast compiled once each instead of in every file: a target that links sigrun_asio (or sigrun_beast, which
# contains it) includes the headers as usual. Objects are hidden, so each shared library has its own copy.
function(sigrun_impl_library name header)
  set(source ${CMAKE_BINARY_DIR}/generated/${name}.cpp)
  file(CONFIGURE OUTPUT ${source} CONTENT "#include <${header}>\n")
  add_library(${name} STATIC ${source})
  target_compile_options(${name} PRIVATE -fvisibility=hidden -w)
endfunction()
sigrun_impl_library(sigrun_asio boost/asio/impl/src.hpp)
target_compile_definitions(sigrun_asio PUBLIC BOOST_ASIO_SEPARATE_COMPILATION)
target_link_libraries(sigrun_asio PUBLIC Threads::Threads Boost::headers)
sigrun_impl_library(sigrun_beast boost/beast/src.hpp)
target_compile_definitions(sigrun_beast PUBLIC BOOST_BEAST_SEPARATE_COMPILATION)
target_link_libraries(sigrun_beast PUBLIC sigrun_asio)
