# find_package(Sigrun): the target Sigrun::sdk (headers) and the function sigrun_add_plugin().
include(${CMAKE_CURRENT_LIST_DIR}/SigrunTargets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/SigrunPlugin.cmake)
