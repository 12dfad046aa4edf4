#include "cloud_probe.hpp"

#include "virt_probe.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

namespace sigrun::virt {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
constexpr auto k_tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t k_max_body = 64 * 1024;
constexpr std::uint32_t k_max_head = 8 * 1024;
constexpr std::size_t k_max_token = 1024;

struct conversation {
    cloud_facts facts;
    std::string trouble;  // why something is missing
    bool late = false;
};
struct reply {
    boost::system::error_code error;
    unsigned status = 0;
    bool keep_alive = false;
    std::string body;
};
using request = http::request<http::empty_body>;

request make_request(const cloud_service& service, http::verb verb, std::string_view target, std::string_view token) {
    request out{verb, beast::string_view(target.data(), target.size()), 11};
    out.set(http::field::host, "169.254.169.254");
    out.set(http::field::user_agent, "Sigrun");
    const auto set = [&out](std::string_view name, std::string_view value) {
        if (!name.empty())
            out.set(beast::string_view(name.data(), name.size()), beast::string_view(value.data(), value.size()));
    };
    set(service.header, service.header_value);
    if (!token.empty()) set(service.token_header, token);
    if (verb == http::verb::put) {
        constexpr std::string_view k_seconds = "60";
        set(service.token_ttl_header, k_seconds);
        out.set(http::field::content_length, "0");
    }
    return out;
}

/// The stream's expiry, which was set once for all of them, ends it.
asio::awaitable<reply> exchange(beast::tcp_stream& connection, beast::flat_buffer& buffer, request question) {
    reply out;
    const auto [write_error, written] = co_await http::async_write(connection, question, k_tuple);
    out.error = write_error;
    if (out.error) co_return out;
    http::response_parser<http::string_body> parser;
    parser.body_limit(k_max_body);
    parser.header_limit(k_max_head);
    const auto [read_error, count] = co_await http::async_read(connection, buffer, parser, k_tuple);
    out.error = read_error;
    if (out.error) co_return out;
    out.status = parser.get().result_int();
    out.keep_alive = parser.get().keep_alive();
    out.body = std::move(parser.get().body());
    co_return out;
}

void note(conversation& talk, std::string_view target, const reply& r) {
    talk.late = talk.late || r.error == beast::error::timeout;
    if (!talk.trouble.empty()) return;
    talk.trouble = sdk::concat(target, ": ", r.error ? r.error.message() : sdk::concat("status ", r.status));
}

/// Token first: without it nothing else is asked. A question that is not answered well leaves the others.
asio::awaitable<void> ask(const cloud_service& service, const cloud_settings& settings, conversation& talk) {
    beast::tcp_stream connection(co_await asio::this_coro::executor);
    connection.expires_after(settings.limit);
    beast::flat_buffer buffer(k_max_head + k_max_body);
    auto connecting = connection.async_connect(settings.address, k_tuple);
    const auto [connect_error] = co_await std::move(connecting);
    if (connect_error) {
        const reply failed{connect_error, 0, false, {}};
        note(talk, "connect", failed);
        co_return;
    }
    std::string token;
    if (!service.token_target.empty()) {
        request put = make_request(service, http::verb::put, service.token_target, {});
        const reply got = co_await exchange(connection, buffer, std::move(put));
        token = std::string(sdk::trimmed(got.body));
        const bool plain = token.size() <= k_max_token && token.find_first_of("\r\n") == token.npos;
        if (got.error || got.status != 200 || token.empty() || !plain || !got.keep_alive) {
            note(talk, service.token_target, got);
            co_return;
        }
    }
    for (const auto& question : service.questions) {
        request get = make_request(service, http::verb::get, question.target, token);
        const reply got = co_await exchange(connection, buffer, std::move(get));
        if (got.error || got.status != 200)
            note(talk, question.target, got);
        else if (!question.understand(got.body, talk.facts) && talk.trouble.empty())
            talk.trouble = sdk::concat(question.target, ": the answer is not what this provider says");
        if (got.error || !got.keep_alive) co_return;
    }
}

void write(const conversation& talk, std::string_view source, sdk::fact_writer& facts) {
    const sdk::fact_info info{.source = source, .detail = talk.trouble};
    const auto missing = [&](std::string_view key) {
        auto why = info;
        if (talk.trouble.empty()) why.detail = "this provider does not tell";
        facts.none(key, talk.late ? "timeout" : talk.trouble.empty() ? "absent" : "error", why);
    };
    const sdk::fact_info plain{.source = source};
    for (const auto& [key, value] :
         {std::pair{"cloud.instance_type", &talk.facts.instance_type}, std::pair{"cloud.region", &talk.facts.region},
          std::pair{"cloud.zone", &talk.facts.zone}})
        value->empty() ? missing(key) : facts.ok(key, *value, plain);
    talk.facts.preemptible ? facts.ok("cloud.preemptible", *talk.facts.preemptible, plain)
                           : missing("cloud.preemptible");
}

}  // namespace

asio::ip::tcp::endpoint metadata_address(const std::string& text) {
    const auto colon = text.rfind(':');
    const auto port =
        sdk::parse_u64(colon == text.npos ? std::string_view() : std::string_view(text).substr(colon + 1));
    boost::system::error_code ec;
    const auto address = asio::ip::make_address(text.substr(0, colon), ec);
    if (ec || !port || *port == 0 || *port > 65'535)
        throw sdk::failure(SIGRUN_E_CONFIG,
                           sdk::concat("address: expected ADDRESS:PORT, e.g. 169.254.169.254:80, found \"",
                                       text.substr(0, 100), "\""));
    return {address, static_cast<std::uint16_t>(*port)};
}

void collect_cloud(const sdk::sysroot& root, const cloud_settings& settings, sdk::probe_run& run) {
    auto& facts = run.facts();
    const auto all = [&](std::string_view status, std::string_view source, std::string_view why) {
        for (auto key : {"cloud.instance_type", "cloud.region", "cloud.zone", "cloud.preemptible"})
            facts.none(key, status, {.source = source, .detail = why});
    };
    const firmware dmi(root);
    const auto provider = dmi.cloud();
    if (provider.empty()) {
        if (!dmi.known() && dmi.first.status != sdk::read_status::absent)
            return all(sdk::fact_writer::word(dmi.first.status), dmi.first.path,
                       "whether this is a cloud is not known");
        return all("absent", "/sys/class/dmi/id", "firmware names no known provider");
    }
    const auto* service = cloud_service_of(provider);
    if (!service) return all("unsupported", "/sys/class/dmi/id", "how this provider tells is not known here");
    // Not "absent": the provider would tell.
    if (!settings.ask) return all("denied", "option metadata", "option metadata = no");
    if (settings.address.port() == 0) return all("unsupported", "metadata", "nobody is asked for a recorded machine");
    conversation talk;
    asio::io_context io(1);
    asio::co_spawn(io, ask(*service, settings, talk), [&talk](std::exception_ptr failed) {
        if (failed && talk.trouble.empty()) talk.trouble = "the conversation failed";
    });
    const auto end = std::chrono::steady_clock::now() + settings.limit + std::chrono::milliseconds(100);
    constexpr std::chrono::milliseconds k_slice{20};
    while (!io.stopped() && std::chrono::steady_clock::now() < end) {
        if (!run.go_on()) return;
        io.run_for(k_slice);
    }
    if (!io.stopped()) {
        talk.late = true;
        if (talk.trouble.empty()) talk.trouble = "no answer in time";
    }
    const std::string source = sdk::concat("http://", settings.address.address().to_string(), " (", provider, ")");
    write(talk, source, facts);
}

}  // namespace sigrun::virt
