#include "loop.hpp"

#include <ctime>

namespace sigrun::http {
namespace {
constexpr auto k_tick = std::chrono::milliseconds(250);
}

loop::loop(const sdk::host& host, std::string name)
    : host_(host), name_(std::move(name)), work_(context_.get_executor()), timer_(context_) {}

loop::~loop() {
    context_.stop();
    if (thread_.joinable()) thread_.join();
}

void loop::start() {
    thread_ = std::thread([this] { run(); });
}

void loop::run() {
    sdk::thread_scope scope(host_, name_);
    id_.store(std::this_thread::get_id());
    arm();
    for (;;) {
        try {
            context_.run();
            return;
        } catch (const std::exception& e) {
            host_.log(SIGRUN_LOG_ERROR, "http: an event handler failed: ", e.what());
        } catch (...) {
            host_.log(SIGRUN_LOG_ERROR, "http: an event handler failed");
        }
    }
}

void loop::arm() {
    timer_.expires_after(k_tick);
    timer_.async_wait([this](const boost::system::error_code& ec) {
        if (ec) return;
        arm();
        const auto now = clock::now();
        for_each([now](const std::shared_ptr<ticking>& member) { member->tick(now); });
    });
}

void loop::add(const std::shared_ptr<ticking>& member) {
    members_.emplace(member.get(), member);
    count_.store(members_.size(), std::memory_order_release);
    if (shutting_) post([member] { member->shut(); });
}

void loop::remove(ticking* member) {
    auto found = members_.find(member);
    if (found == members_.end()) return;
    auto keep = std::move(found->second);  // its destructor may reach this map
    members_.erase(found);
    count_.store(members_.size(), std::memory_order_release);
}

void loop::shut_all() {
    post([this] {
        shutting_ = true;
        for_each([](const std::shared_ptr<ticking>& member) { member->shut(); });
    });
}

std::string_view loop::date() {
    const std::time_t now = std::time(nullptr);
    if (now != date_at_) {
        date_at_ = now;
        std::tm utc{};
        gmtime_r(&now, &utc);
        char text[40];
        date_.assign(text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc));
    }
    return date_;
}

}  // namespace sigrun::http
