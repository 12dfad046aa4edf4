#include "kernel/net/tls_server.hpp"

#include "kernel/log/loggers.hpp"
#include "kernel/net/file_stamp.hpp"
#include "kernel/net/net_loop.hpp"
#include "kernel/net/tls_pumps.hpp"

#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <mutex>
#include <unordered_map>

namespace sigrun {
namespace {

file_stamps stamps_of(const tls_server_options& o) { return sigrun::stamps_of({o.certificate, o.key, o.client_ca}); }

counter outcomes(metrics& m, const char* name) {
    return m.get_counter("sigrun_tls_handshakes_total", "TLS handshakes of accepted connections, by outcome.",
                         {{"outcome", name}});
}
counter reloads(metrics& m, const char* name) {
    return m.get_counter("sigrun_tls_reloads_total", "Times changed files of the certificate were read, by outcome.",
                         {{"outcome", name}});
}

}  // namespace

struct tls_server::impl {
    explicit impl(metrics& m, hooks h)
        : with(std::move(h)),
          good(outcomes(m, "ok")),
          failed(outcomes(m, "failed")),
          late(outcomes(m, "timeout")),
          full(outcomes(m, "too_many")),
          renewed(reloads(m, "ok")),
          refused(reloads(m, "refused")) {}

    const hooks with;
    counter good, failed, late, full, renewed, refused;

    mutable std::mutex mutex;  // the next group
    tls_server_options options;
    std::vector<std::string> alpn;
    file_stamps stamps;
    ssl_context context;

    std::atomic<bool> on{false};
    std::atomic<std::size_t> handshakes{0};
    std::unordered_map<tls_handshake*, std::shared_ptr<tls_handshake>> running;  // [loop]
    bool ended = false;                                                          // [loop]
    net_loop loop;
    tls_pumps pumps{loop.context()};                 // [loop]
    boost::asio::steady_timer look{loop.context()};  // [loop]

    result<void> use(const tls_server_options& wanted, std::vector<std::string> names);
    void look_at_files();
    void watch();
    void begin(unique_fd fd, time_point deadline, answer done);
    void shaken(result<tls_connection> made, const answer& done);
};

/// Makes the context and takes it into use.
result<void> tls_server::impl::use(const tls_server_options& wanted, std::vector<std::string> names) {
    auto seen = stamps_of(wanted);
    ssl_context made;
    if (wanted.enabled()) {
        SIGRUN_TRY(fresh, make_server_context(wanted, names));
        made = fresh;
    }
    std::lock_guard lock(mutex);
    options = wanted;
    alpn = std::move(names);
    stamps = std::move(seen);
    context = std::move(made);
    on = context != nullptr;
    return {};
}

void tls_server::impl::look_at_files() {
    tls_server_options wanted;
    std::vector<std::string> names;
    {
        std::lock_guard lock(mutex);
        if (!context) return;
        auto now = stamps_of(options);
        if (now == stamps) return;
        stamps = std::move(now);  // a bad pair is told of once, not at every look
        wanted = options;
        names = alpn;
    }
    auto outcome = use(wanted, std::move(names));
    (outcome ? renewed : refused).add();
    if (outcome)
        SIGRUN_LOG(logs::net, info, "the certificate ", wanted.certificate, " was read again");
    else
        SIGRUN_LOG(logs::net, error, "the certificate is not replaced: ", outcome.error().text());
    if (with.reloaded) with.reloaded(outcome);
}

void tls_server::impl::watch() {
    look.expires_after(k_look);
    look.async_wait([this](const boost::system::error_code& error) {
        if (error || ended) return;
        look_at_files();
        watch();
    });
}

void tls_server::impl::begin(unique_fd fd, time_point deadline, answer done) {
    ssl_context with_what;
    {
        std::lock_guard lock(mutex);
        with_what = context;
    }
    if (ended || !with_what) {
        --handshakes;
        return done(make_problem(errc::cancelled, "TLS is not served any more"));
    }
    ssl_ptr session(SSL_new(with_what.get()));
    if (!session) throw std::bad_alloc();
    SSL_set_accept_state(session.get());
    auto key = std::make_shared<tls_handshake*>(nullptr);
    auto over = [this, key, done = std::move(done)](result<tls_connection> made) {
        const auto keep = running.extract(*key);
        --handshakes;
        shaken(std::move(made), done);
    };
    auto one =
        std::make_shared<tls_handshake>(loop.context(), std::move(fd), std::move(session), false, std::move(over));
    *key = one.get();
    running.emplace(one.get(), one);
    one->start(deadline);
}

void tls_server::impl::shaken(result<tls_connection> made, const answer& done) {
    if (!made) {
        (made.error().code == errc::timeout ? late : failed).add();
        return done(made.error());
    }
    good.add();
    tls_accepted out;
    out.alpn = made->alpn;
    out.name = certificate_name(*made->session);
    auto outlet = pumps.carry(std::move(*made));
    if (!outlet) return done(outlet.error());
    out.fd = std::move(*outlet);
    done(std::move(out));
}

tls_server::tls_server(metrics& numbers, hooks with) : impl_(std::make_shared<impl>(numbers, std::move(with))) {}
tls_server::~tls_server() { stop(); }

result<void> tls_server::configure(const tls_server_options& options) {
    std::vector<std::string> names;
    {
        std::lock_guard lock(impl_->mutex);
        names = impl_->alpn;
    }
    const bool before = impl_->on;
    SIGRUN_CHECK_OK(impl_->use(options, std::move(names)));
    if (!before && impl_->on) impl_->loop.post([i = impl_.get()] { i->watch(); });
    return {};
}

void tls_server::set_protocols(std::vector<std::string> alpn) {
    tls_server_options wanted;
    {
        std::lock_guard lock(impl_->mutex);
        if (impl_->alpn == alpn) return;
        impl_->alpn = alpn;
        wanted = impl_->options;
    }
    if (!wanted.enabled()) return;
    if (auto used = impl_->use(wanted, std::move(alpn)); !used)
        SIGRUN_LOG(logs::net, error, "the protocols of TLS are not changed: ", used.error().text());
}

bool tls_server::enabled() const noexcept { return impl_->on; }

void tls_server::accept(unique_fd fd, time_point deadline, answer done) {
    auto& i = *impl_;
    if (i.handshakes.fetch_add(1) >= k_max_handshakes) {
        --i.handshakes;
        i.full.add();
        return done(make_problem(errc::busy, "too many TLS handshakes at once"));
    }
    auto shared = std::make_shared<answer>(std::move(done));
    auto task = [&i, fd = std::move(fd), deadline, shared]() mutable { i.begin(std::move(fd), deadline, *shared); };
    if (i.loop.post(std::move(task))) return;
    --i.handshakes;
    (*shared)(program_stopping());
}

std::size_t tls_server::open() const noexcept { return impl_->pumps.count(); }

void tls_server::stop() {
    impl_->loop.stop([i = impl_.get()] {
        i->ended = true;
        i->look.cancel();
        const auto all = i->running;
        for (const auto& [raw, each] : all) each->cancel();
        i->running.clear();
        i->pumps.close();
    });
}

}  // namespace sigrun
