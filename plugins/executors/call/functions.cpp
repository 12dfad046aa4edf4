#include "functions.hpp"

#include <boost/json.hpp>

#include <charconv>
#include <string>

namespace sigrun::call {
namespace {
namespace json = boost::json;

// The payload is the result: no copy, the same buffer goes back.
void echo(const sdk::host& host, sigrun_buf* payload, sigrun_op op) {
    if (payload) host.buffers()->retain(payload);
    host.complete(op, SIGRUN_OK, payload);
}

// Ends with the exit code that the payload names: for trying out what a failing job looks like.
void fail_with_code(const sdk::host& host, sigrun_buf* payload, sigrun_op op) {
    auto text = host.content(payload);
    int code = 0;
    auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), code);
    if (error != std::errc() || rest != text.data() + text.size() || code < 1 || code > 255)
        return fail(host, op, SIGRUN_E_INVALID, "payload",
                    sdk::concat("payload: expected a number from 1 to 255, found \"", text.substr(0, 64), "\""),
                    k_wrong_use);
    fail(host, op, SIGRUN_E_INVALID, "exit_code", sdk::concat("exited with code ", code), code);
}

constexpr named_function k_functions[] = {{"echo", &echo}, {"fail", &fail_with_code}};

}  // namespace

std::span<const named_function> functions() noexcept { return k_functions; }

void fail(const sdk::host& host, sigrun_op op, sigrun_result result, std::string_view code, std::string_view message,
          int exit_code) noexcept {
    try {
        json::object o{
            {"class", "user"}, {"code", code}, {"message", message}, {"exit_code", exit_code}, {"signal", nullptr}};
        host.complete_text(op, result, json::serialize(o));
    } catch (const std::bad_alloc&) {
        host.complete(op, SIGRUN_E_NOMEM);
    }
}

}  // namespace sigrun::call
