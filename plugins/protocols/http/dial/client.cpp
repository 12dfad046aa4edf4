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
    auto& queue = queues_[static_cast<std::size_t>(request->over)];
    if (queue.size() >= k_max_queue) return fail(request, fault::connect, "too many requests wait for this peer");
    queue.push_back(std::move(request));
    next();
}

/// A connection that carries nothing now: an open one if there is, else one to be opened; null if all are busy. A lane
/// other than that of the calls takes one for itself at its first request.
std::shared_ptr<client_connection> client::take(lane over) {
    std::shared_ptr<client_connection> open, unconnected;
    for (const auto& c : connections_) {
        if (c->of != over && c->of != lane::calls) continue;
        if (c->of == over && over != lane::calls && c->busy()) return nullptr;
        if (c->busy()) continue;
        if (c->idle() && !c->still_good()) c->cancel({});  // the peer closed it meanwhile
        if (c->of == over && over != lane::calls) return c;
        auto& found = c->idle() ? open : unconnected;
        if (!found) found = c;
        if (open && over == lane::calls) break;
    }
    auto with = open ? open : unconnected;
    if (!with && connections_.size() < max_connections_)
        with = connections_.emplace_back(std::make_shared<client_connection>(loop_, settings_));
    if (with) with->of = over;
    return with;
}

void client::next() {
    for (std::size_t i = 0; i < queues_.size(); ++i)
        while (!closed_ && !queues_[i].empty()) {
            const auto with = take(static_cast<lane>(i));
            if (!with) break;
            auto request = std::move(queues_[i].front());
            queues_[i].pop_front();
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
    auto& queue = queues_[static_cast<std::size_t>(request->over)];
    const auto found = std::find(queue.begin(), queue.end(), request);
    if (found == queue.end()) return;
    queue.erase(found);
    fail(request, fault::cancelled, std::string(why));
}

void client::drop_idle() {
    for (const auto& c : connections_)
        if (c->of == lane::calls && c->idle()) c->cancel({});
}

void client::close() {
    if (closed_) return;
    closed_ = true;
    const auto keep = shared_from_this();
    for (const auto& queue : std::exchange(queues_, {}))
        for (const auto& request : queue) fail(request, fault::cancelled, "the link is closed");
    for (const auto& c : std::exchange(connections_, {})) c->cancel("the link is closed");
}

void client::tick(time_point now) {
    std::vector<request_ptr> late;
    for (auto& queue : queues_)
        for (auto it = queue.begin(); it != queue.end();) {
            if ((*it)->deadline > now) {
                ++it;
                continue;
            }
            late.push_back(std::move(*it));
            it = queue.erase(it);
        }
    for (const auto& request : late) fail(request, fault::timeout, "no free connection before the deadline");
}

}  // namespace sigrun::http
