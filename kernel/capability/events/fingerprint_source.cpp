#include "kernel/capability/events/change_source.hpp"

#include <sigrun/cpp/short_hash.hpp>
#include <sigrun/cpp/sysroot.hpp>

#include <boost/asio/steady_timer.hpp>

#include <string>

namespace sigrun {
namespace {

constexpr std::size_t k_small = 4096;

void add_times(sdk::short_hasher& hash, const sdk::sysroot& root, const std::string& path) {
    const auto info = root.stat(path);
    if (!info) return hash.add("-");
    hash.add(std::to_string(info->st_size) + " " + std::to_string(info->st_mtim.tv_sec) + "." +
             std::to_string(info->st_mtim.tv_nsec) + " " + std::to_string(info->st_ino) + "\n");
}

// Below /sys times and sizes say nothing: there it is the names in a folder and the text of a file.
std::string fingerprint_of(const sdk::sysroot& root, const std::string& path) {
    sdk::short_hasher hash;
    const auto info = root.stat(path);
    if (!info) return "none";
    const bool of_the_kernel = path.starts_with("/sys/") || path.starts_with("/proc/");
    if (S_ISDIR(info->st_mode)) {
        for (const auto& name : root.list(path)) hash.add(name + "\n");
        if (!of_the_kernel) add_times(hash, root, path);
    } else if (of_the_kernel) {
        hash.add(root.read_head(path, k_small).text);
    } else {
        add_times(hash, root, path);
    }
    return hash.text();
}

class fingerprint_source final : public change_source {
public:
    fingerprint_source(boost::asio::io_context& io, std::vector<watched_path> paths, std::chrono::milliseconds interval)
        : paths_(std::move(paths)), interval_(interval), timer_(io) {}
    std::string_view name() const noexcept override { return "fingerprints"; }
    bool start(notice changed) override {
        changed_ = std::move(changed);
        look();
        wait();
        return true;
    }

private:
    std::vector<std::string> look() {
        std::vector<std::string> prefixes;
        last_.resize(paths_.size());
        for (std::size_t i = 0; i < paths_.size(); ++i) {
            auto now = fingerprint_of(root_, paths_[i].path);
            if (!last_[i].empty() && now != last_[i])
                prefixes.insert(prefixes.end(), paths_[i].prefixes.begin(), paths_[i].prefixes.end());
            last_[i] = std::move(now);
        }
        return prefixes;
    }
    void wait() {
        timer_.expires_after(interval_);
        const std::weak_ptr<bool> life = life_;
        timer_.async_wait([this, life](const boost::system::error_code& ec) {
            if (ec || !life.lock()) return;
            const auto prefixes = look();
            wait();
            if (!prefixes.empty()) changed_(prefixes);
        });
    }

    const std::vector<watched_path> paths_;
    const std::chrono::milliseconds interval_;
    const sdk::sysroot root_;
    std::vector<std::string> last_;
    boost::asio::steady_timer timer_;
    notice changed_;
    const std::shared_ptr<bool> life_ = std::make_shared<bool>();
};

}  // namespace

std::unique_ptr<change_source> watch_fingerprints(boost::asio::io_context& io, std::vector<watched_path> paths,
                                                  std::chrono::milliseconds interval) {
    return std::make_unique<fingerprint_source>(io, std::move(paths), interval);
}

}  // namespace sigrun
