#include "kernel/plugin/proving.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <future>

namespace sigrun {

void proving::begin() {
    begun_ = true;
    boost::asio::post(rt_.control, [this] { look_again(); });
}

void proving::look_again() {
    if (stopped_) return;
    timer_.expires_after(std::max<nanoseconds>(options_.proof_time / 4, std::chrono::milliseconds(20)));
    timer_.async_wait([this](boost::system::error_code ec) {
        if (ec) return;
        // Reads and writes files: not on the thread that replaces plugins.
        rt_.work.post([this] { plugins_.keep_good(options_.proof_time, false); }, false);
        look_again();
    });
}

void proving::end() {
    std::promise<void> over;
    boost::asio::post(rt_.control, [this, &over] {
        stopped_ = true;
        timer_.cancel();
        over.set_value();
    });
    over.get_future().wait();
    if (!begun_) return;
    plugins_.keep_good(options_.proof_time, false);
    plugins_.keep_good(nanoseconds(0), true);
}

}  // namespace sigrun
