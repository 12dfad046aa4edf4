#include "kernel/net/tls_handshake.hpp"

#include <openssl/err.h>

#include <cerrno>
#include <cstring>

namespace sigrun {

using descriptor = boost::asio::posix::stream_descriptor;

tls_handshake::tls_handshake(boost::asio::io_context& loop, unique_fd fd, ssl_ptr session, bool insists, answer done)
    : fd_(std::move(fd)),
      session_(std::move(session)),
      watch_(loop),
      timer_(loop),
      insists_(insists),
      done_(std::move(done)) {}

void tls_handshake::start(time_point deadline) {
    boost::system::error_code ec;
    watch_.assign(fd_.get(), ec);
    if (ec || SSL_set_fd(session_.get(), fd_.get()) != 1)
        return give(make_problem(errc::io, "TLS: " + (ec ? ec.message() : tls_error_text("out of memory"))));
    timer_.expires_at(deadline);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (!error) self->give(make_problem(errc::timeout, "TLS: no handshake before the deadline"));
    });
    step();
}

void tls_handshake::step() {
    if (!done_) return;
    ERR_clear_error();
    errno = 0;
    const int r = SSL_do_handshake(session_.get());
    if (r != 1) {
        const int error = SSL_get_error(session_.get(), r);
        if (error == SSL_ERROR_WANT_READ) return wait(descriptor::wait_read);
        if (error == SSL_ERROR_WANT_WRITE) return wait(descriptor::wait_write);
        return give(failure(error));
    }
    const unsigned char* name = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(session_.get(), &name, &size);
    if (!size && insists_)
        return give(make_problem(errc::io, "TLS: the peer agrees on none of the protocols it was offered (ALPN)"));
    tls_connection made;
    if (size) made.alpn.assign(reinterpret_cast<const char*>(name), size);
    made.fd = std::move(fd_);
    made.session = std::move(session_);
    give(std::move(made));
}

problem tls_handshake::failure(int error) const {
    const auto verdict = SSL_get_verify_result(session_.get());
    const int number = errno;
    if (verdict != X509_V_OK) {
        ERR_clear_error();
        return make_problem(errc::forbidden,
                            std::string("TLS: the peer's certificate: ") + X509_verify_cert_error_string(verdict));
    }
    if (error == SSL_ERROR_SYSCALL)
        return make_problem(errc::io, std::string("TLS: the connection broke in the handshake") +
                                          (number ? std::string(": ") + std::strerror(number) : ""));
    return make_problem(errc::io, "TLS: " + tls_error_text("the handshake failed"));
}

void tls_handshake::wait(descriptor::wait_type what) {
    watch_.async_wait(what, [self = shared_from_this()](const boost::system::error_code& error) {
        if (!error) self->step();
    });
}

void tls_handshake::give(result<tls_connection> outcome) {
    auto done = std::exchange(done_, nullptr);
    if (!done) return;
    cancel();
    done(std::move(outcome));
}

void tls_handshake::cancel() {
    done_ = nullptr;
    timer_.cancel();
    if (watch_.is_open()) watch_.release();
    session_.reset();
    fd_.reset();
}

}  // namespace sigrun
