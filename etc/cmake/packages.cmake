# What is installed where, and the Debian packages: `cmake --build build/release --target packages` puts them into build/release/packages.
#
#   component   package          what
#   common      sigrun-common    plugins that daemon, command line and runner all use: protocols, probes
#   daemon      sigrun           sigrund, sigrun, balancers, stores
#   runner      sigrun-runner    sigrun-runner, sigrun-shim, executors
#   sdk         libsigrun-dev    headers, templates, conformance tool, the C client
#   python      python3-sigrun   the Python client
set(SIGRUN_PACKAGE_VERSION ${PROJECT_VERSION} CACHE STRING "Version of the packages")
set(package_folder ${CMAKE_SOURCE_DIR}/etc/packages)
set(package_of_common sigrun-common)
set(package_of_daemon sigrun)
set(package_of_runner sigrun-runner)
set(package_of_sdk libsigrun-dev)
set(package_of_python python3-sigrun)
set(package_components common daemon runner sdk python)

# The programs look for plugins in ../lib/sigrun/plugins, whatever the libraries' folder is here.
function(sigrun_install_plugin name kind)
  set(component common)
  if(kind MATCHES "^(balancers|stores)$")
    set(component daemon)
  elseif(kind STREQUAL executors)
    set(component runner)
  endif()
  install(TARGETS ${name} LIBRARY DESTINATION lib/sigrun/plugins/${kind} COMPONENT ${component})
  set_property(GLOBAL APPEND PROPERTY SIGRUN_SHIPPED_PLUGINS ${name})
endfunction()

# Man pages and completions, from the command lines of the programs themselves.
function(sigrun_make_manual)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  set(generator ${CMAKE_SOURCE_DIR}/etc/generate_manual.py)
  set(out ${CMAKE_BINARY_DIR}/manual)
  add_custom_command(OUTPUT ${out}/done DEPENDS sigrun sigrund sigrun-runner ${generator} ${CMAKE_SOURCE_DIR}/etc/completions.py
    COMMAND ${Python3_EXECUTABLE} -B ${generator} ${CMAKE_BINARY_DIR}/bin ${out}
    COMMAND ${CMAKE_COMMAND} -E touch ${out}/done COMMENT "Man pages and completions" VERBATIM)
  # A program under a sanitizer may need an environment of its own to run at all.
  set(all ALL)
  if(SIGRUN_SANITIZE OR SIGRUN_COVERAGE)
    set(all)
  endif()
  add_custom_target(manual ${all} DEPENDS ${out}/done)
  # Folders, since which pages there are is known to the programs alone.
  install(DIRECTORY ${out}/daemon/man1 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT daemon OPTIONAL)
  install(DIRECTORY ${out}/runner/man1 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT runner OPTIONAL)
  install(DIRECTORY ${out}/daemon/bash/ DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT daemon OPTIONAL)
  install(DIRECTORY ${out}/runner/bash/ DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT runner OPTIONAL)
  install(DIRECTORY ${out}/daemon/zsh/ DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions COMPONENT daemon OPTIONAL)
  install(DIRECTORY ${out}/runner/zsh/ DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions COMPONENT runner OPTIONAL)
endfunction()

# Only with their component: a plain `cmake --install` writes nothing outside its prefix.
# Each program has a folder of its own, since plugins.d beside its file is read as well and the daemon has sections that a runner refuses.
function(sigrun_install_service component folder unit ini)
  install(DIRECTORY DESTINATION /etc/${folder}/plugins.d COMPONENT ${component} EXCLUDE_FROM_ALL)
  install(FILES ${CMAKE_SOURCE_DIR}/etc/${ini} DESTINATION /etc/${folder} COMPONENT ${component} EXCLUDE_FROM_ALL)
  install(FILES ${CMAKE_SOURCE_DIR}/etc/systemd/${unit} DESTINATION lib/systemd/system COMPONENT ${component} EXCLUDE_FROM_ALL)
endfunction()

# Who changed what, and under which terms, as Debian wants both in every package.
function(sigrun_install_papers component)
  set(folder ${CMAKE_BINARY_DIR}/papers)
  configure_file(${package_folder}/changelog.in ${folder}/changelog @ONLY)
  execute_process(COMMAND gzip -9nkf ${folder}/changelog COMMAND_ERROR_IS_FATAL ANY)
  install(FILES ${package_folder}/copyright ${folder}/changelog.gz
    DESTINATION share/doc/${package_of_${component}} COMPONENT ${component} EXCLUDE_FROM_ALL)
  if(EXISTS ${package_folder}/${package_of_${component}}/lintian-overrides)
    install(FILES ${package_folder}/${package_of_${component}}/lintian-overrides DESTINATION share/lintian/overrides
      RENAME ${package_of_${component}} COMPONENT ${component} EXCLUDE_FROM_ALL)
  endif()
endfunction()

# One package per component. Called last, when every install rule is known.
macro(sigrun_make_packages)
  sigrun_make_manual()
  sigrun_install_service(daemon sigrun sigrund.service sigrun.ini)
  sigrun_install_service(runner sigrun-runner sigrun-runner.service runner.ini)
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/etc/monitoring DESTINATION share/sigrun COMPONENT daemon)
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/etc/autoscaling DESTINATION share/doc/sigrun/examples COMPONENT daemon
    USE_SOURCE_PERMISSIONS)

  set(CPACK_GENERATOR DEB)
  set(CPACK_PACKAGE_NAME sigrun)
  set(CPACK_PACKAGE_VERSION ${SIGRUN_PACKAGE_VERSION})
  set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
  set(CPACK_PACKAGE_CONTACT "Sigrun maintainers <maintainers@sigrun.invalid>")
  set(CPACK_COMPONENTS_ALL ${package_components})
  set(CPACK_COMPONENTS_GROUPING IGNORE)
  set(CPACK_DEB_COMPONENT_INSTALL ON)
  set(CPACK_STRIP_FILES ON)
  # /etc/sigrun lies outside the prefix.
  set(CPACK_SET_DESTDIR ON)
  set(CPACK_INSTALL_PREFIX /usr)
  set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
  set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "sigrun built using CMake")  # CPack's own: what it does not put before each description
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
  set(CPACK_DEBIAN_PACKAGE_SECTION admin)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
  set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
  # The plugins of one version are those that were tested together with the programs of that version.
  set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS ON)
  set(CPACK_COMPONENT_DAEMON_DEPENDS common)
  set(CPACK_COMPONENT_RUNNER_DEPENDS common)
  foreach(component IN LISTS package_components)
    sigrun_install_papers(${component})
    string(TOUPPER ${component} upper)
    set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${package_of_${component}})
    set(CPACK_COMPONENT_${upper}_DESCRIPTION "")
    foreach(script conffiles postinst prerm postrm)
      if(EXISTS ${package_folder}/${package_of_${component}}/${script})
        list(APPEND CPACK_DEBIAN_${upper}_PACKAGE_CONTROL_EXTRA ${package_folder}/${package_of_${component}}/${script})
      endif()
    endforeach()
  endforeach()
  set(CPACK_DEBIAN_COMMON_DESCRIPTION "job service Sigrun: plugins of daemon and runners
Protocols (Valkyrie, gRPC, HTTP, WebSocket) and the probes that find out
what a machine can do.")
  set(CPACK_DEBIAN_COMMON_PACKAGE_RECOMMENDS "ca-certificates, pci.ids")
  set(CPACK_DEBIAN_DAEMON_DESCRIPTION "job service Sigrun: daemon and command line
Sigrun turns machines that speak different protocols into one pool of
runners, picks the best one for each job, runs it there and brings back its
output and exit code. This package has the daemon sigrund and the command
sigrun. The daemon is not started by installing it.")
  set(CPACK_DEBIAN_DAEMON_PACKAGE_DEPENDS adduser)
  set(CPACK_DEBIAN_DAEMON_PACKAGE_SUGGESTS "sigrun-runner, bash-completion")
  set(CPACK_DEBIAN_RUNNER_DESCRIPTION "job service Sigrun: runs jobs on this machine
The agent of a machine in a Sigrun fleet: it tells a controller what the
machine can do and runs the jobs it is given. Jobs outlive the agent and its
upgrades. It is not started by installing it: it needs to know its controller.")
  set(CPACK_DEBIAN_RUNNER_PACKAGE_DEPENDS adduser)
  set(CPACK_DEBIAN_RUNNER_PACKAGE_RECOMMENDS bubblewrap)  # for jobs of kind sandbox
  set(CPACK_DEBIAN_RUNNER_PACKAGE_SUGGESTS "podman, bash-completion")
  set(CPACK_DEBIAN_SDK_DESCRIPTION "job service Sigrun: headers, templates and tests for plugins
The stable C ABI with its C++ and Rust layers, templates and examples of
plugins, the conformance tool sigrun-plugin-check, and the C client.")
  set(CPACK_DEBIAN_SDK_PACKAGE_SECTION libdevel)
  set(CPACK_DEBIAN_SDK_PACKAGE_RECOMMENDS "g++, cmake, pkg-config, libcurl4-openssl-dev, sigrun")
  set(CPACK_DEBIAN_SDK_PACKAGE_SUGGESTS rustc)
  set(CPACK_DEBIAN_PYTHON_DESCRIPTION "job service Sigrun: client library for Python
Submits jobs to a Sigrun daemon, follows their output and fetches their
artifacts. Standard library only.")
  set(CPACK_DEBIAN_PYTHON_PACKAGE_SECTION python)
  set(CPACK_DEBIAN_PYTHON_PACKAGE_ARCHITECTURE all)
  set(CPACK_DEBIAN_PYTHON_PACKAGE_SHLIBDEPS OFF)
  set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS "python3 (>= 3.9)")
  include(CPack)
  add_custom_target(packages COMMAND ${CMAKE_COMMAND} -E rm -rf ${CMAKE_BINARY_DIR}/packages
    COMMAND ${CMAKE_CPACK_COMMAND} --config ${CMAKE_BINARY_DIR}/CPackConfig.cmake
    WORKING_DIRECTORY ${CMAKE_BINARY_DIR} COMMENT "Debian packages" VERBATIM)
  get_property(shipped GLOBAL PROPERTY SIGRUN_SHIPPED_PLUGINS)
  get_property(c_client GLOBAL PROPERTY SIGRUN_C_CLIENT)
  add_dependencies(packages ${c_client} sigrun sigrund sigrun-runner sigrun-shim sigrun-plugin-check manual ${shipped})
endmacro()
