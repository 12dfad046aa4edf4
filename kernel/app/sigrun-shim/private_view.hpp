// What a fresh mount and network name space needs before a job can live in it.
#pragma once

#include <sigrun/shim.h>

namespace sigrun::shim {

/// In the first process of the name spaces. Private folders cover those of the machine; a workspace below one of them is shown
/// in it at its own path. 0, or errno.
int make_private_view(const sigrun_shim_setting& what, const char* workspace);

/// The folders that SIGRUN_SHIM_PRIVATE_TMP covers, where they exist; null at the end.
inline constexpr const char* k_private_folders[] = {"/tmp", "/var/tmp", "/dev/shm", nullptr};

}  // namespace sigrun::shim
