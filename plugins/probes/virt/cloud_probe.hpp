// The cloud's answers about this machine. Only a machine whose firmware names a provider asks, and only at that provider's
// address: elsewhere a metadata address is somebody else's, or costs seconds of waiting (istio/istio#19868).
#pragma once

#include "cloud_service.hpp"

#include <sigrun/cpp/probe.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <chrono>

namespace sigrun::virt {

struct cloud_settings {
    bool ask = true;
    boost::asio::ip::tcp::endpoint address;  // port 0: nobody is asked (a recorded machine)
    std::chrono::milliseconds limit{250};    // for all questions together
};

/// "169.254.169.254:80"; throws sdk::failure where it is no number and port.
boost::asio::ip::tcp::endpoint metadata_address(const std::string& text);

/// cloud.instance_type, cloud.region, cloud.zone, cloud.preemptible.
void collect_cloud(const sdk::sysroot& root, const cloud_settings& settings, sdk::probe_run& run);

}  // namespace sigrun::virt
