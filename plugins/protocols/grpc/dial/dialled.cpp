#include "dial/dialled.hpp"

#include "wire/agent.hpp"

namespace sigrun::grpc {

void dialled::begin(std::uint64_t deadline, ready_fn ready) {
    ready_ = std::move(ready);
    start(deadline);
}

void dialled::end_at(std::uint64_t when) {
    end_at_ = when;
    if (when) arm_soon(when);
}

std::vector<field> dialled::request_head(std::string_view path, std::string_view authorization) const {
    std::vector<field> head{{":method", "POST"},
                            {":scheme", where_.tls ? "https" : "http"},
                            {":path", std::string(path)},
                            {":authority", where_.authority},
                            {"content-type", "application/grpc"},
                            {"te", "trailers"},
                            {"user-agent", std::string(k_agent)}};
    if (!authorization.empty())
        head.push_back({"authorization", std::string(authorization)});
    else if (!where_.authorization.empty())
        head.push_back({"authorization", where_.authorization});
    return head;
}

void dialled::on_open() {
    if (auto ready = std::exchange(ready_, nullptr)) ready(SIGRUN_OK, "");
}

void dialled::on_told_to_go() {
    if (told_) told_();
}

void dialled::on_gone(sigrun_result result, const std::string& why) {
    if (auto ready = std::exchange(ready_, nullptr)) ready(result == SIGRUN_OK ? SIGRUN_E_IO : result, why);
    told_ = nullptr;
    if (auto tell = std::exchange(gone_, nullptr)) tell(result, why);
}

void dialled::more_deadlines(std::uint64_t now) {
    if (end_at_ && now >= end_at_) end(SIGRUN_E_TIMEOUT, NGHTTP2_NO_ERROR, "the deadline has passed");
}

}  // namespace sigrun::grpc
