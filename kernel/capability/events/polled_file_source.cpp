// Files of the kernel that become "exceptional" (POLLPRI) when what they say has changed: the list of mounts, pressure.
#include "kernel/capability/events/change_source.hpp"
#include "kernel/guard/private_file.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <string>

namespace sigrun {
namespace {

class polled_file_source final : public change_source {
public:
    polled_file_source(boost::asio::io_context& io, std::string file, std::string trigger,
                       std::vector<std::string> prefixes)
        : file_(std::move(file)), trigger_(std::move(trigger)), prefixes_(std::move(prefixes)), watched_(io) {}
    std::string_view name() const noexcept override { return file_; }
    bool start(notice changed) override {
        owned_fd fd(::open(file_.c_str(), (trigger_.empty() ? O_RDONLY : O_RDWR) | O_NONBLOCK | O_CLOEXEC));
        struct statfs where {};
        // Asio takes any file, and only later says that it cannot be waited for.
        if (!fd || ::fstatfs(fd.get(), &where) != 0 || where.f_type != PROC_SUPER_MAGIC) return false;
        // With its closing NUL, which old kernels take for part of the text.
        if (!trigger_.empty() && ::write(fd.get(), trigger_.c_str(), trigger_.size() + 1) < 0) return false;
        watched_.assign(fd.release());
        changed_ = std::move(changed);
        wait();
        return true;
    }

private:
    void wait() {
        // The event is taken by the look that found it: asking again would find nothing.
        const std::weak_ptr<bool> life = life_;
        watched_.async_wait(
            boost::asio::posix::stream_descriptor::wait_error, [this, life](const boost::system::error_code& ec) {
                if (ec || !life.lock()) return;
                wait();  // first, so that what comes now is either told later or seen by who is told now
                changed_(prefixes_);
            });
    }

    const std::string file_, trigger_;
    const std::vector<std::string> prefixes_;
    boost::asio::posix::stream_descriptor watched_;
    notice changed_;
    const std::shared_ptr<bool> life_ = std::make_shared<bool>();
};

}  // namespace

std::unique_ptr<change_source> watch_mounts(boost::asio::io_context& io, std::string file) {
    return std::make_unique<polled_file_source>(io, std::move(file), "",
                                                std::vector<std::string>{"fs", "work.", "block"});
}

std::unique_ptr<change_source> watch_pressure(boost::asio::io_context& io, std::string what, std::string folder) {
    const std::vector<std::string> prefixes{what + ".pressure_ratio", what + ".available_bytes"};
    return std::make_unique<polled_file_source>(io, folder + "/" + what, "some 150000 1000000", prefixes);
}

}  // namespace sigrun
