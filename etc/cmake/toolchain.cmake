# Compiler, linker and cache settings of every target of this tree.
find_program(SIGRUN_CCACHE ccache)
if(SIGRUN_CCACHE)
  # The base directory makes a second clone hit the same entries; the sloppiness lets precompiled headers be cached.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${SIGRUN_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()
find_program(SIGRUN_MOLD mold)
find_program(SIGRUN_LLD ld.lld)
if(SIGRUN_MOLD)
  add_link_options(-fuse-ld=mold)
elseif(SIGRUN_LLD)
  add_link_options(-fuse-ld=lld)
endif()

# Files that share what they include are compiled together, so two files of a target cannot both have a `k_limit` in their
# unnamed namespaces. A file that cannot share says SKIP_UNITY_BUILD_INCLUSION. What is common to the files of a module takes
# g++ 13 s, and each file less than one.
if(SIGRUN_UNITY)
  set(CMAKE_UNITY_BUILD ON)
  set(CMAKE_UNITY_BUILD_BATCH_SIZE 32)
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -fno-omit-frame-pointer
  $<$<COMPILE_LANGUAGE:CXX>:-Wconversion> $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -fpch-preprocess)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options(-Wno-unused-command-line-argument -Wno-missing-field-initializers -Wno-sign-conversion)
else()
  # g++ 12 warns on every designated initialiser that leaves a defaulted member out.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-missing-field-initializers>)
  # It also sees overlapping copies where a literal is put before a std::string (GCC bug 105329).
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
  if(SIGRUN_UNITY)
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-subobject-linkage>)  # takes the files of a batch for headers
  endif()
endif()
if(SIGRUN_WERROR AND NOT SIGRUN_FUZZ)  # fuzzers are not built each time: a warning of clang alone must not break them
  add_compile_options(-Werror)
endif()
# A plugin's file is hashed and copied whole when it is loaded; most of it is what debuggers read.
add_link_options(-Wl,--compress-debug-sections=zlib)
if(SIGRUN_SANITIZE)
  add_compile_options(-fsanitize=${SIGRUN_SANITIZE} -O1 -g1)
  add_link_options(-fsanitize=${SIGRUN_SANITIZE})
  if(SIGRUN_SANITIZE MATCHES undefined)
    add_compile_options(-fno-sanitize-recover=undefined)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
      add_compile_options(-fno-sanitize=function)  # clang 14 cannot compile coroutines with it
    endif()
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # The sanitizers' own instrumentation confuses g++ 12's flow warnings; the last one is about Asio's fences.
    add_compile_options(-Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-tsan)
  endif()
else()
  add_compile_options(-fstack-protector-strong)
  add_compile_definitions($<$<NOT:$<CONFIG:Debug>>:_FORTIFY_SOURCE=2>)
endif()
if(SIGRUN_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)  # so that every part guides the fuzzers
endif()
if(SIGRUN_COVERAGE)
  add_compile_options(--coverage -O0)
  add_link_options(--coverage)
endif()
