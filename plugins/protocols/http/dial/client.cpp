#include "dial/client.hpp"

#include <algorithm>

namespace sigrun::http {
namespace {
constexpr std::size_t k_max_queue = 16384;
}

client::client(loop& where, client_settings settings, std::size_t max_connections)
    : loop_(where),
      settings_(std::make_shared<const client_settings>(std::move(settings))),
      max_connections_(max_connections) {}

void client::fail(const request_ptr& request, fault what, std::string why) {
    client_result result;
    result.what = what;
    result.why = std::move(why);
    request->on_done(std::move(result));
}

void client::send(request_ptr request) {
    if (closed_) return fail(request, fault::cancelled, "the link is closed");
    if (queue_.size() >= k_max_queue) return fail(request, fault::connect, "too many requests wait for this peer");
    queue_.push_back(std::move(request));
    next();
}

void client::next() {
    while (!closed_ && !queue_.empty()) {
        std::shared_ptr<client_connection> with;
        std::shared_ptr<client_connection> unconnected;
        for (const auto& c : connections_) {
            if (c->busy()) continue;
            if (c->idle() && !c->still_good()) c->cancel({});  // the peer closed it meanwhile
            (c->idle() ? with : unconnected) = c;
            if (with) break;
        }
        if (!with) with = unconnected;
        if (!with) {
            if (connections_.size() >= max_connections_) return;
            with = connections_.emplace_back(std::make_shared<client_connection>(loop_, settings_));
        }
        auto request = std::move(queue_.front());
        queue_.pop_front();
        start(with, std::move(request));
    }
}

void client::start(const std::shared_ptr<client_connection>& with, request_ptr request) {
    if (request->deadline <= clock::now())
        return fail(request, fault::timeout, "no free connection before the deadline");
    with->run(std::move(request), [weak = weak_from_this()] {
        if (auto self = weak.lock()) self->next();
    });
}

void client::resume(const request_ptr& request) {
    for (const auto& c : connections_)
        if (c->current() == request) return c->resume();
}

void client::cancel(const request_ptr& request, std::string_view why) {
    for (const auto& c : connections_)
        if (c->current() == request) {
            const auto keep = c;
            return keep->cancel(why);
        }
    const auto found = std::find(queue_.begin(), queue_.end(), request);
    if (found == queue_.end()) return;
    queue_.erase(found);
    fail(request, fault::cancelled, std::string(why));
}

void client::close() {
    if (closed_) return;
    closed_ = true;
    const auto keep = shared_from_this();
    for (const auto& request : std::exchange(queue_, {})) fail(request, fault::cancelled, "the link is closed");
    for (const auto& c : std::exchange(connections_, {})) c->cancel("the link is closed");
}

void client::tick(time_point now) {
    std::vector<request_ptr> late;
    for (auto it = queue_.begin(); it != queue_.end();) {
        if ((*it)->deadline > now) {
            ++it;
            continue;
        }
        late.push_back(std::move(*it));
        it = queue_.erase(it);
    }
    for (const auto& request : late) fail(request, fault::timeout, "no free connection before the deadline");
}

}  // namespace sigrun::http
