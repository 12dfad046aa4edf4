// Something that says when a part of the machine may have changed, so that nobody has to look all the time.
#pragma once

#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

/// Watches from `start` to its end. One that cannot watch here (no such file, no right, an old kernel) has `start` return
/// false and costs nothing. [io] but construction.
class change_source {
public:
    /// Prefixes of the keys that may have changed.
    using notice = std::function<void(const std::vector<std::string>& prefixes)>;

    virtual ~change_source() = default;
    virtual std::string_view name() const noexcept = 0;
    virtual bool start(notice changed) = 0;
};

/// Interfaces, addresses and routes come and go: rtnetlink.
std::unique_ptr<change_source> watch_network(boost::asio::io_context& io);
/// Something is mounted or unmounted: POLLPRI on the list of mounts.
std::unique_ptr<change_source> watch_mounts(boost::asio::io_context& io, std::string file = "/proc/self/mountinfo");
/// Tasks wait for `what` ("memory", "cpu") for more than 150 ms of a second: a pressure trigger, where one may be set.
std::unique_ptr<change_source> watch_pressure(boost::asio::io_context& io, std::string what,
                                              std::string folder = "/proc/pressure");

/// A file or folder of a real file system, and which keys are read from it. /proc and /sys never tell (fsnotify/fsnotify#78).
struct watched_path {
    std::string path;
    std::vector<std::string> prefixes;
};
/// inotify: a file that is replaced, written or removed, a folder whose entries change. What is missing is waited for as long as
/// the folder it would be in exists.
std::unique_ptr<change_source> watch_files(boost::asio::io_context& io, std::vector<watched_path> paths);

/// Names, sizes and times of files and of the entries of folders, and the text of small files below /sys, looked at from time
/// to time: for what no event tells of.
std::unique_ptr<change_source> watch_fingerprints(boost::asio::io_context& io, std::vector<watched_path> paths,
                                                  std::chrono::milliseconds interval);

}  // namespace sigrun
