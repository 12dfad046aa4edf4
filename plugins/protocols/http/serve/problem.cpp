#include "serve/problem.hpp"

#include "wire/text.hpp"

#include <boost/json.hpp>

#include <array>

namespace sigrun::http {
namespace {

struct coded {
    std::string_view code;
    int status;
};
constexpr std::array<coded, 14> k_codes{{{"invalid", 400},
                                         {"unknown_field", 400},
                                         {"unauthenticated", 401},
                                         {"forbidden", 403},
                                         {"not_found", 404},
                                         {"conflict", 409},
                                         {"cancelled", 409},
                                         {"too_large", 413},
                                         {"busy", 429},
                                         {"unsupported", 501},
                                         {"unavailable", 503},
                                         {"timeout", 504},
                                         {"io", 500},
                                         {"internal", 500}}};

}  // namespace

int status_of_code(std::string_view code) noexcept {
    for (const auto& c : k_codes)
        if (c.code == code) return c.status;
    return 500;
}

problem_reply read_problem(std::string_view json, sigrun_result result) {
    boost::system::error_code ec;
    const auto value = boost::json::parse(json, ec);
    const boost::json::object* object = ec ? nullptr : value.if_object();
    const boost::json::value* code = object ? object->if_contains("code") : nullptr;
    if (!code || !code->is_string()) {
        std::size_t replaced = 0;
        const auto text = with_valid_utf8(json.substr(0, 4096), replaced);
        const auto word = code_of_result(result);
        return {status_of_code(word), word == "busy" ? 1u : 0u,
                to_json({word, text.empty() ? std::string("the call failed without a reason") : text})};
    }
    problem_reply reply;
    reply.status = status_of_code(std::string_view(code->get_string()));
    reply.body = json;
    std::uint64_t wait_ms = 0;
    if (const auto* wait = object->if_contains("retry_after_ms"); wait && wait->is_number()) {
        wait_ms = wait->to_number<std::uint64_t>(ec);
        if (ec) wait_ms = 0;
    }
    if (wait_ms)
        reply.retry_after_s = static_cast<std::uint32_t>(std::min<std::uint64_t>((wait_ms + 999) / 1000, 86400));
    if (reply.status == 429 && !reply.retry_after_s) reply.retry_after_s = 1;
    return reply;
}

}  // namespace sigrun::http
