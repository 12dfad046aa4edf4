# sigrun_add_plugin(<name> KIND protocols|balancers|probes|executors|stores|extensions SOURCES ... [LINKS ...])
#
# Builds <name>.so as a Sigrun plugin: no `lib` prefix, one exported symbol (version script), nothing undefined, full
# relro, no GNU_UNIQUE symbols. The sources also form the object library <name>_objects, for unit tests.
# Works in Sigrun's own tree and after find_package(Sigrun), in C, C++ or both.
#
# sigrun_add_rust_plugin(<name> KIND ... SOURCE src/lib.rs) does the same with rustc alone; no crate is fetched.
#
# sigrun_add_plugin_test(<name> SOURCES ...) builds a C++ program from the sources and runs it as the test <name>.test, with
# the plugin's file as its argument; see sigrun/cpp/mock_file.hpp.
#
# Where sigrun-plugin-check is installed, each plugin gets a test plugin_check.<name>.
function(sigrun_check_plugin_arguments function name kind sources)
  # Here and not above: where find_package was called in a function, its variables are gone by now.
  set(kinds protocols balancers probes executors stores extensions)
  if(NOT kind IN_LIST kinds)
    message(FATAL_ERROR "${function}(${name}): KIND must be one of ${kinds}, not '${kind}'")
  endif()
  if(NOT sources)
    message(FATAL_ERROR "${function}(${name}): SOURCES is empty")
  endif()
endfunction()

function(sigrun_add_plugin_check name file)
  if(SIGRUN_PLUGIN_CHECK)
    add_test(NAME plugin_check.${name} COMMAND ${SIGRUN_PLUGIN_CHECK} ${file})
    set_tests_properties(plugin_check.${name} PROPERTIES TIMEOUT 600)
  endif()
endfunction()

function(sigrun_add_plugin name)
  # Where this file is, whatever directory or function called find_package.
  set(map ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.map)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "KIND" "SOURCES;LINKS")
  sigrun_check_plugin_arguments(sigrun_add_plugin "${name}" "${arg_KIND}" "${arg_SOURCES}")

  add_library(${name}_objects OBJECT ${arg_SOURCES})
  target_link_libraries(${name}_objects PUBLIC Sigrun::sdk ${arg_LINKS})
  target_include_directories(${name}_objects PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_options(${name}_objects PRIVATE -fvisibility=hidden
    $<$<COMPILE_LANGUAGE:CXX>:-fvisibility-inlines-hidden>
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-fno-gnu-unique>)
  set_target_properties(${name}_objects PROPERTIES POSITION_INDEPENDENT_CODE ON C_STANDARD 11 CXX_STANDARD 20)

  add_library(${name} MODULE)
  target_link_libraries(${name} PRIVATE ${name}_objects)
  set_target_properties(${name} PROPERTIES
    PREFIX "" OUTPUT_NAME ${name} LINK_DEPENDS ${map}
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins/${arg_KIND})
  target_link_options(${name} PRIVATE
    -Wl,--version-script=${map} -Wl,-z,now -Wl,-z,relro -Wl,-z,noexecstack)
  if(NOT SIGRUN_SANITIZE)  # the sanitizers' functions come from the program
    target_link_options(${name} PRIVATE -Wl,-z,defs)
  endif()
  set_target_properties(${name} PROPERTIES SIGRUN_PLUGIN_FILE ${CMAKE_BINARY_DIR}/plugins/${arg_KIND}/${name}.so)
  sigrun_add_plugin_check(${name} $<TARGET_FILE:${name}>)
endfunction()

function(sigrun_add_rust_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "KIND;SOURCE" "")
  sigrun_check_plugin_arguments(sigrun_add_rust_plugin "${name}" "${arg_KIND}" "${arg_SOURCE}")
  find_program(SIGRUN_RUSTC rustc)
  if(NOT SIGRUN_RUSTC)
    message(FATAL_ERROR "sigrun_add_rust_plugin(${name}): rustc is not installed")
  endif()
  cmake_path(ABSOLUTE_PATH arg_SOURCE)
  cmake_path(GET arg_SOURCE PARENT_PATH folder)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${folder}/*.rs)
  set(file ${CMAKE_BINARY_DIR}/plugins/${arg_KIND}/${name}.so)
  set(tests ${CMAKE_CURRENT_BINARY_DIR}/${name}_tests)
  # rustc writes the version script of a cdylib itself: the no_mangle functions and nothing else.
  add_custom_command(OUTPUT ${file} DEPENDS ${sources} VERBATIM
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/plugins/${arg_KIND}
    COMMAND ${SIGRUN_RUSTC} --edition 2021 --crate-type cdylib --crate-name ${name} -C opt-level=2 -C panic=unwind -C strip=debuginfo
      -C link-arg=-Wl,-z,defs,-z,now,-z,relro,-z,noexecstack -o ${file} ${arg_SOURCE})
  add_custom_command(OUTPUT ${tests} DEPENDS ${sources} VERBATIM
    COMMAND ${SIGRUN_RUSTC} --edition 2021 --test --crate-name ${name}_tests -o ${tests} ${arg_SOURCE})
  add_custom_target(${name} ALL DEPENDS ${file} ${tests})
  set_target_properties(${name} PROPERTIES SIGRUN_PLUGIN_FILE ${file})
  add_test(NAME ${name}.rust_tests COMMAND ${tests})
  sigrun_add_plugin_check(${name} ${file})
endfunction()

function(sigrun_add_plugin_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINKS")
  if(NOT TARGET ${name} OR NOT arg_SOURCES)
    message(FATAL_ERROR "sigrun_add_plugin_test(${name}): it needs a plugin of that name and SOURCES")
  endif()
  find_package(Threads REQUIRED)
  add_executable(${name}_test ${arg_SOURCES})
  target_link_libraries(${name}_test PRIVATE Sigrun::sdk Threads::Threads ${CMAKE_DL_LIBS} ${arg_LINKS})
  set_target_properties(${name}_test PROPERTIES CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON)
  add_dependencies(${name}_test ${name})
  get_target_property(file ${name} SIGRUN_PLUGIN_FILE)
  add_test(NAME ${name}.test COMMAND ${name}_test ${file})
  set_tests_properties(${name}.test PROPERTIES TIMEOUT 120)
endfunction()
