# sigrun_add_plugin(<name> KIND protocols|balancers|probes|executors|stores SOURCES ... [LINKS ...])
#
# Builds <name>.so as a Sigrun plugin: no `lib` prefix, one exported symbol (version script), nothing undefined, full
# relro, no GNU_UNIQUE symbols. The sources also form the object library <name>_objects, for unit tests.
# Works in Sigrun's own tree and after find_package(Sigrun).
function(sigrun_add_plugin name)
  # Where this file is, whatever directory or function called find_package.
  set(map ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.map)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "KIND" "SOURCES;LINKS")
  set(kinds protocols balancers probes executors stores)
  if(NOT arg_KIND IN_LIST kinds)
    message(FATAL_ERROR "sigrun_add_plugin(${name}): KIND must be one of ${kinds}, not '${arg_KIND}'")
  endif()
  if(NOT arg_SOURCES)
    message(FATAL_ERROR "sigrun_add_plugin(${name}): SOURCES is empty")
  endif()

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
endfunction()
