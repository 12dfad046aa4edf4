#include "kernel/net/network.hpp"

#include "kernel/net/dialling.hpp"
#include "kernel/net/net_loop.hpp"
#include "kernel/net/tls_contexts.hpp"
#include "kernel/net/tls_pumps.hpp"

#include <atomic>
#include <unordered_map>

namespace sigrun {
namespace {

problem given_up() { return make_problem(errc::cancelled, "given up"); }

}  // namespace

struct network::impl {
    explicit impl(net_options o)
        : options(std::move(o)),
          policy(std::make_shared<const net_policy>(options.policy)),
          names(std::make_shared<name_lookup>(options.resolver)) {
        services.context_for = [this](const tls_client_options& wanted) { return contexts.get(wanted); };
        services.carry = [this](tls_connection over) { return pumps.carry(std::move(over)); };
    }

    const net_options options;
    std::atomic<std::shared_ptr<const net_policy>> policy;
    std::shared_ptr<name_lookup> names;
    std::atomic<std::uint64_t> last_id{0};
    std::atomic<std::size_t> open{0};
    std::unordered_map<std::uint64_t, std::shared_ptr<dialling>> running;  // [loop]
    bool ended = false;                                                    // [loop]
    tls_contexts contexts;                                                 // [loop]
    dial_services services;
    net_loop loop;
    tls_pumps pumps{loop.context()};  // [loop]

    void begin(std::uint64_t id, net_address where, dial_request target, answer done) {
        auto finished = [this, id, done = std::move(done)](result<dialled> outcome) {
            const auto keep = running.extract(id);
            --open;
            done(std::move(outcome));
        };
        if (ended) return finished(program_stopping());
        auto made = std::make_shared<dialling>(loop.context(), names, std::move(where), std::move(target),
                                               policy.load(), services, std::move(finished));
        running.emplace(id, made);
        made->start();
    }
    template <class Which>
    void give_up_if(const Which& which, const problem& why) {
        const auto all = running;  // an answer takes its own out
        for (const auto& [id, each] : all)
            if (which(id, *each)) each->give_up(why);
    }
};

network::network(net_options options) : impl_(std::make_unique<impl>(std::move(options))) {}

network::~network() { stop(); }

result<std::uint64_t> network::dial(dial_request target, answer done) {
    SIGRUN_TRY(where, parse_net_address(target.address));
    if (target.tls) {
        // Said now, while the caller can still say whose option it is.
        if (!where.path.empty()) return bad_value("address", "HOST:PORT, as TLS is asked for", target.address);
        SIGRUN_CHECK_OK(impl_->policy.load()->tls.overridden_by(target.options));
        if (auto list = alpn_wire(target.alpn); !list) return list.error();
    }
    if (target.deadline == time_point{}) target.deadline = std::chrono::steady_clock::now() + impl_->options.dial_time;
    if (impl_->open.fetch_add(1) >= impl_->options.max_dials) {
        --impl_->open;
        return problem{errc::busy, "too many connections are being opened",
                       "",         "at most " + std::to_string(impl_->options.max_dials) + " at once",
                       "one more", 100};
    }
    const auto id = ++impl_->last_id;
    auto task = [i = impl_.get(), id, where = std::move(where), target = std::move(target),
                 done = std::move(done)]() mutable {
        i->begin(id, std::move(where), std::move(target), std::move(done));
    };
    if (impl_->loop.post(std::move(task))) return id;
    --impl_->open;
    return program_stopping();
}

void network::cancel(std::uint64_t id, std::uint64_t owner) {
    impl_->loop.post([i = impl_.get(), id, owner] {
        const auto found = i->running.find(id);
        if (found == i->running.end() || found->second->owner() != owner) return;
        const auto keep = found->second;
        keep->give_up(given_up());
    });
}

void network::cancel_all(std::uint64_t owner) {
    impl_->loop.post([i = impl_.get(), owner] {
        i->give_up_if([owner](std::uint64_t, const dialling& each) { return each.owner() == owner; }, given_up());
    });
}

std::size_t network::dials() const noexcept { return impl_->open.load(); }
std::size_t network::encrypted() const noexcept { return impl_->pumps.count(); }
void network::set_policy(net_policy policy) {
    impl_->policy.store(std::make_shared<const net_policy>(std::move(policy)));
}
bool network::here() const noexcept { return impl_->loop.here(); }

void network::stop() {
    impl_->names->stop();
    impl_->loop.stop([i = impl_.get()] {
        i->ended = true;
        i->give_up_if([](std::uint64_t, const dialling&) { return true; }, program_stopping());
        i->pumps.close();
    });
}

}  // namespace sigrun
