#include "kernel/capability/events/change_watch.hpp"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <future>
#include <set>
#include <utility>

namespace sigrun {
namespace {

constexpr std::chrono::milliseconds k_quiet{200}, k_longest{2000};

}  // namespace

// Everything in here happens on the io thread.
struct change_watch::impl : std::enable_shared_from_this<impl> {
    impl(boost::asio::io_context& io, std::vector<std::unique_ptr<change_source>> sources,
         change_source::notice changed)
        : io_(io), sources_(std::move(sources)), changed_(std::move(changed)), timer_(io) {}

    std::vector<std::string> start() {
        std::vector<std::string> names;
        std::erase_if(sources_, [&](const auto& source) {
            const bool watches = source->start([weak = weak_from_this()](const std::vector<std::string>& prefixes) {
                if (auto self = weak.lock()) self->note(prefixes);
            });
            if (watches) names.emplace_back(source->name());
            return !watches;
        });
        return names;
    }
    void note(const std::vector<std::string>& prefixes) {
        const auto now = std::chrono::steady_clock::now();
        if (pending_.empty()) latest_ = now + k_longest;
        pending_.insert(prefixes.begin(), prefixes.end());
        timer_.expires_at(std::min(now + k_quiet, latest_));
        timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
            const auto self = weak.lock();
            if (ec || !self || self->ended_ || self->pending_.empty()) return;
            const std::vector<std::string> all(self->pending_.begin(), self->pending_.end());
            self->pending_.clear();
            self->changed_(all);
        });
    }
    void end() {
        ended_ = true;
        sources_.clear();
        timer_.cancel();
    }

    boost::asio::io_context& io_;
    std::vector<std::unique_ptr<change_source>> sources_;
    const change_source::notice changed_;
    boost::asio::steady_timer timer_;
    std::set<std::string> pending_;
    std::chrono::steady_clock::time_point latest_;
    bool ended_ = false;
};

change_watch::change_watch(boost::asio::io_context& io, std::vector<std::unique_ptr<change_source>> sources,
                           change_source::notice changed)
    : impl_(std::make_shared<impl>(io, std::move(sources), std::move(changed))) {}

change_watch::~change_watch() {
    std::promise<void> ended;
    boost::asio::dispatch(impl_->io_, [this, &ended] {
        impl_->end();
        ended.set_value();
    });
    ended.get_future().wait();
}

std::vector<std::string> change_watch::start() {
    std::promise<std::vector<std::string>> names;
    boost::asio::dispatch(impl_->io_, [this, &names] { names.set_value(impl_->start()); });
    return names.get_future().get();
}

}  // namespace sigrun
