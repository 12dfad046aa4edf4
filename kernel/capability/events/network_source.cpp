#include "kernel/capability/events/change_source.hpp"
#include "kernel/guard/private_file.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>

namespace sigrun {
namespace {

// What arrives says that something changed; what it is the probe finds out. An overrun (ENOBUFS) says so, too.
class network_source final : public change_source {
public:
    explicit network_source(boost::asio::io_context& io) : socket_(io) {}
    std::string_view name() const noexcept override { return "rtnetlink"; }
    bool start(notice changed) override {
        owned_fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
        if (!fd) return false;
        sockaddr_nl where{};
        where.nl_family = AF_NETLINK;
        where.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
        if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0) return false;
        socket_.assign(fd.release());
        changed_ = std::move(changed);
        wait();
        return true;
    }

private:
    void wait() {
        const std::weak_ptr<bool> life = life_;
        socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [this, life](const boost::system::error_code& ec) {
                               if (ec || !life.lock()) return;
                               const bool some = drain();
                               wait();  // first, so that what comes now is either told later or seen by who is told now
                               if (some) changed_({"net.", "nic", "rdma"});
                           });
    }
    bool drain() {
        std::array<char, 8192> room;
        bool some = false;
        for (int i = 0; i < 64; ++i) {
            if (::recv(socket_.native_handle(), room.data(), room.size(), MSG_DONTWAIT) < 0 && errno != ENOBUFS) break;
            some = true;
        }
        return some;
    }

    boost::asio::posix::stream_descriptor socket_;
    notice changed_;
    const std::shared_ptr<bool> life_ = std::make_shared<bool>();
};

}  // namespace

std::unique_ptr<change_source> watch_network(boost::asio::io_context& io) {
    return std::make_unique<network_source>(io);
}

}  // namespace sigrun
