// What drivers say of their devices, by the ethtool ioctl.
#include "live.hpp"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sigrun::network {
namespace {

class device {
public:
    explicit device(const std::string& name) : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        if (fd_ < 0) fd_ = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        name.copy(request_.ifr_name, IFNAMSIZ - 1);
    }
    device(const device&) = delete;
    ~device() {
        if (fd_ >= 0) ::close(fd_);
    }
    /// 0 or an errno.
    int ask(void* command) {
        request_.ifr_data = static_cast<char*>(command);
        return fd_ < 0 ? EBADF : ::ioctl(fd_, SIOCETHTOOL, &request_) == 0 ? 0 : errno;
    }

private:
    int fd_;
    ifreq request_{};
};

void link_settings(device& d, device_answer& out) {
    // First the kernel says how many words its masks have, then it fills them.
    alignas(ethtool_link_settings)
        std::uint32_t room[sizeof(ethtool_link_settings) / sizeof(std::uint32_t) + 3 * 127]{};
    auto& head = *reinterpret_cast<ethtool_link_settings*>(room);
    head.cmd = ETHTOOL_GLINKSETTINGS;
    if (d.ask(room) != 0 || head.link_mode_masks_nwords >= 0) return;
    head.link_mode_masks_nwords = static_cast<std::int8_t>(-head.link_mode_masks_nwords);
    head.cmd = ETHTOOL_GLINKSETTINGS;
    if (d.ask(room) != 0) return;
    out.speed_mbps = head.speed;
    out.duplex = head.duplex;
    out.negotiated = head.autoneg == AUTONEG_ENABLE;
}

struct offload {
    std::uint32_t command, bit;  // bit: of ETHTOOL_GFLAGS
    const char* name;
};
constexpr offload k_offloads[] = {{ETHTOOL_GRXCSUM, 0, "rx-checksum"},
                                  {ETHTOOL_GTXCSUM, 0, "tx-checksum"},
                                  {ETHTOOL_GSG, 0, "scatter-gather"},
                                  {ETHTOOL_GTSO, 0, "tso"},
                                  {ETHTOOL_GGSO, 0, "gso"},
                                  {ETHTOOL_GGRO, 0, "gro"},
                                  {ETHTOOL_GFLAGS, ETH_FLAG_LRO, "lro"},
                                  {ETHTOOL_GFLAGS, ETH_FLAG_RXHASH, "rx-hash"},
                                  {ETHTOOL_GFLAGS, ETH_FLAG_NTUPLE, "ntuple"}};

std::string text_of(const char* field, std::size_t size) { return std::string(field, ::strnlen(field, size)); }

}  // namespace

device_answer ask_ethtool(const std::string& name) {
    device_answer out;
    if (name.empty() || name.size() >= IFNAMSIZ) return out;
    device d(name);
    ethtool_drvinfo driver{};
    driver.cmd = ETHTOOL_GDRVINFO;
    const int error = d.ask(&driver);
    if (error == ENODEV) {
        out.gone = true;
        return out;
    }
    if (error == 0) {
        out.driver = text_of(driver.driver, sizeof driver.driver);
        out.firmware = text_of(driver.fw_version, sizeof driver.fw_version);
    }
    link_settings(d, out);
    for (const auto& [command, bit, title] : k_offloads) {
        ethtool_value value{};
        value.cmd = command;
        if (d.ask(&value) == 0 && (bit ? value.data & bit : value.data)) out.offloads.emplace_back(title);
    }
    return out;
}

}  // namespace sigrun::network
