#include "kernel/plugin/host_threads.hpp"

#include "kernel/plugin/plugin_host.hpp"

#include <boost/asio/post.hpp>

namespace sigrun {

std::vector<watched_thread> threads_of(plugin_host& host) {
    using task = std::function<void()>;
    return {{"control", [&host](task t) { boost::asio::post(host.control(), std::move(t)); }},
            {"io", [&host](task t) { boost::asio::post(host.io(), std::move(t)); }},
            {"work", [&host](task t) { host.post_work(std::move(t)); }}};
}

}  // namespace sigrun
