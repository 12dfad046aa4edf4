// Everything the websocket plugin itself reads from strangers; frames are Beast's. The first byte of the input chooses the
// reader. What is understood must pack to something that is understood as the same.
#include "dial/endpoint.hpp"
#include "serve/recognise.hpp"
#include "serve/upgrade_check.hpp"
#include "wire/message.hpp"

#include <sigrun/cpp/error.hpp>

#include <boost/beast/http/parser.hpp>

#include <cstdint>
#include <cstdlib>

namespace {

using namespace sigrun;
using namespace sigrun::websocket;

void check(bool holds) {
    if (!holds) std::abort();
}

void read_message(std::string_view bytes, bool binary) {
    sdk::mismatch why;
    std::uint64_t call = 0;
    const auto m = unpack(bytes, binary, why, call);
    if (!m) return check(!why.expected.empty() && !why.found.empty() && sdk::is_utf8(why.text()) && call <= k_last_id);
    check(m->what == sort::session || (m->id && m->id <= k_last_id));
    if (m->what == sort::end) return check(pack_end(m->id).bytes.size() < 64);
    if (m->what == sort::call) {
        sigrun_call c{};
        c.struct_size = sizeof c;
        c.method = sdk::str(m->method);
        c.params = sdk::str(m->params);
        c.json = sdk::str(m->frame.json);
        c.auth = sdk::str(m->auth);
        const auto packed = pack_call(c, {}, m->id, m->deadline_ms);
        check(packed.has_value());
        const auto again = unpack(packed->bytes, false, why, call);
        return check(again && again->method == m->method && again->params == m->params && again->auth == m->auth &&
                     again->frame.json == m->frame.json && again->deadline_ms == m->deadline_ms);
    }
    check(m->frame.kind != sdk::k_kind_ping && m->frame.payload.size() <= bytes.size());
    sigrun_attempt attempt{sizeof attempt, m->frame.attempt.value_or(0), sdk::str(m->frame.job),
                           sdk::str(m->frame.token)};
    sigrun_frame f{};
    f.struct_size = sizeof f;
    f.kind = m->frame.kind;
    f.flags = m->frame.flags;
    f.stream = m->frame.stream;
    f.offset = m->frame.offset;
    f.time_ns = m->frame.time_ns;
    f.json = sdk::str(m->frame.json);
    if (m->frame.attempt) f.attempt = &attempt;
    const auto packed = pack_frame(f, {}, m->id);
    check(packed.has_value());
    const auto again = unpack(packed->bytes, false, why, call);
    check(again && again->what == m->what && again->frame.job == m->frame.job && again->frame.offset == f.offset &&
          again->frame.json == m->frame.json && again->frame.attempt == m->frame.attempt);
}

void read_head(std::string_view text) {
    namespace http = boost::beast::http;
    const auto known = recognise(text);
    check(known == SIGRUN_OK || known == SIGRUN_NEED_MORE || known == SIGRUN_NOT_MINE);
    http::request_parser<http::string_body> parser;
    parser.header_limit(4096);
    boost::system::error_code ec;
    parser.put(boost::asio::const_buffer(text.data(), text.size()), ec);
    if ((ec && ec != http::error::need_more) || !parser.is_header_done()) return;
    const auto verdict = check_upgrade(parser.get(), {true, {"h"}});
    check(!verdict.refused || sdk::is_utf8(sdk::to_json(verdict.refused->why)));
    check(verdict.auth.empty() || verdict.auth.substr(0, 7) == "bearer " || verdict.auth.substr(0, 6) == "basic ");
}

void read_endpoint(std::string_view text) {
    const auto half = text.find('\n');
    try {
        const auto e = parse_endpoint(text.substr(0, half), half == text.npos ? "" : text.substr(half + 1));
        check(!e.address.empty() && !e.host.empty() && e.target.size() >= k_path.size());
        check(e.headers.find('\n') == std::string::npos || e.headers.find('\n') + 1 == e.headers.size());
    } catch (const sdk::failure& f) {
        check(f.code() == SIGRUN_E_INVALID || f.code() == SIGRUN_E_CONFIG);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 4) {
        case 0: read_message(text, false); break;
        case 1: read_message(text, true); break;
        case 2: read_head(text); break;
        default: read_endpoint(text);
    }
    return 0;
}
