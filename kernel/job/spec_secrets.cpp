#include "kernel/job/spec_secrets.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::size_t k_most_secrets = 64;
constexpr std::size_t k_longest_secret_name = 128;
constexpr std::size_t k_shortest_secret = 4;
constexpr std::size_t k_most_secret_bytes = 16u << 10;

bool is_variable(std::string_view name) {
    auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
    auto fits = [&](char c) { return letter(c) || (c >= '0' && c <= '9'); };
    return !name.empty() && name.size() <= k_longest_secret_name && letter(name.front()) &&
           std::all_of(name.begin(), name.end(), fits);
}

}  // namespace

result<void> check_secrets(const json::value& field) {
    const auto* o = field.if_object();
    if (!o) return bad_value("secrets", "an object of texts", "something else");
    if (o->size() > k_most_secrets)
        return problem{errc::too_large, "too many secrets", "secrets", "at most 64", std::to_string(o->size())};
    std::size_t all = 0;
    for (const auto& [name, value] : *o) {
        if (!is_variable(name))
            return bad_value("secrets", "names of letters, digits and \"_\", as of environment variables",
                             "another name");
        const auto path = "secrets." + std::string(name);
        if (!value.is_string()) return bad_value(path, "a text", "something else");
        const auto& text = value.get_string();
        if (text.find('\0') != json::string::npos)
            return bad_value(path, "a text without NUL characters", "one with NUL");
        if (text.size() < k_shortest_secret)
            return bad_value(path, "at least 4 bytes: a shorter one cannot be kept out of the output", "fewer");
        all += text.size();
    }
    if (all > k_most_secret_bytes)
        return problem{errc::too_large, "too long", "secrets", "at most 16 KiB in all", std::to_string(all) + " bytes"};
    return {};
}

result<void> hide_secrets(const json::object& document, job_spec& spec, secret_box* box) {
    const auto* secrets = object_or_null(document, "secrets");
    if (!secrets || secrets->empty()) {
        if (!spec.signature) return {};
        // Whoever submits the same again signs it again, and both are the same job.
        json::object compared = document;
        compared.erase("signature");
        spec.compared_document = json::serialize(compared);
        return {};
    }
    if (spec.kind == "call") return bad_value("secrets", "none: a call has no environment", "some");
    if (const auto* env = object_or_null(document, "env"))
        for (const auto& member : *secrets)
            if (env->contains(member.key()))
                return bad_value("secrets." + std::string(member.key()), "a name that is not in env, too",
                                 "one that is");
    if (!box) return problem{errc::unsupported, "this controller takes no secrets", "secrets"};
    const auto text = json::serialize(*secrets);
    json::object rest = document;
    rest.erase("secrets");
    spec.public_document = json::serialize(rest);
    SIGRUN_TRY(mark, box->mark_of(text));
    rest["secrets"] = mark;
    rest.erase("signature");
    spec.compared_document = json::serialize(rest);
    if (spec.keep == durability::memory) return {};
    SIGRUN_TRY(sealed, box->seal(text));
    spec.sealed_secrets = sealed;
    return {};
}

result<std::string> reveal_secrets(const std::string& public_document, std::string_view sealed, secret_box* box) {
    if (sealed.empty()) return public_document;
    if (!box) return problem{errc::unsupported, "this controller takes no secrets", "secrets"};
    SIGRUN_TRY(text, box->open(sealed));
    SIGRUN_TRY(secrets, parse_object(text));
    SIGRUN_TRY(document, parse_object(public_document));
    document["secrets"] = std::move(secrets);
    return json::serialize(document);
}

}  // namespace sigrun
