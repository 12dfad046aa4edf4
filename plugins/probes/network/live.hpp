// The parts of the live machine's answers.
#pragma once

#include "net_tables.hpp"

namespace sigrun::network {

net_tables read_netlink();
device_answer ask_ethtool(const std::string& name);

}  // namespace sigrun::network
