// Engines of the Kubernetes container runtime interface (CRI), which speak gRPC: containerd and cri-o.
#pragma once

#include "engine.hpp"

namespace sigrun::containers {

/// Of runtime.v1.VersionResponse (k8s.io/cri-api): runtime_name = 2, runtime_version = 3, runtime_api_version = 4. False: it is
/// another message, or says no version.
bool read_cri_version(std::string_view message, engine_facts& out);
/// Of containerd.services.version.v1.VersionResponse: version = 1.
bool read_containerd_version(std::string_view message, engine_facts& out);

/// Talks on the connected socket `fd`, which it closes: asks the runtime service for its version; `containerd`: that engine may run
/// without the service, then it is asked itself. Ends by `deadline`. [one strand]
boost::asio::awaitable<engine_answer> ask_cri(int fd, bool containerd, std::chrono::steady_clock::time_point deadline);

}  // namespace sigrun::containers
