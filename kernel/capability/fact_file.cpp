#include "kernel/capability/fact_file.hpp"

#include <sigrun/cpp/text.hpp>

#include <xxhash.h>

#include <charconv>
#include <cstdio>
#include <utility>

namespace sigrun {
namespace {

constexpr std::string_view k_format = "sigrun-facts/1";
constexpr std::size_t k_max_probes = 4096;

std::string checksum(std::string_view bytes) {
    char hex[17];
    std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(XXH3_64bits(bytes.data(), bytes.size())));
    return hex;
}

std::string_view next_word(std::string_view& line) {
    const auto word = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(word.size() + 1, line.size()));
    return word;
}

result<kept_answer> answer_from(const json::value& v) {
    const json::object* o = v.if_object();
    const json::array* facts = o ? array_or_null(*o, "facts") : nullptr;
    if (!facts) return bad_value("probes", "objects with facts", "something else");
    kept_answer out{std::string(text_or(*o, "probe")), std::string(text_or(*o, "code")), {}};
    out.facts.reserve(facts->size());
    for (const auto& item : *facts) {
        SIGRUN_TRY(one, fact_from_json(item));
        out.facts.push_back(std::move(one));
    }
    return out;
}

}  // namespace

std::string to_text(const kept_facts& all) {
    json::array probes;
    for (const auto& answer : all.answers) {
        json::array facts;
        for (const fact& f : answer.facts) facts.emplace_back(to_json(f));
        probes.emplace_back(json::object{{"probe", answer.probe}, {"code", answer.code}, {"facts", std::move(facts)}});
    }
    const auto body = json::serialize(json::object{{"boot_id", all.boot_id}, {"probes", std::move(probes)}});
    return sdk::concat(k_format, " ", checksum(body), " ", body.size(), "\n", body);
}

result<kept_facts> kept_facts_from(std::string_view text) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, std::min<std::size_t>(end, 80));
    if (const auto format = next_word(line); format != k_format || end == text.npos)
        return bad_value("format", std::string(k_format), std::string(format.substr(0, 32)));
    const auto sum = next_word(line), length = next_word(line);
    const auto body = text.substr(end + 1);
    if (length != std::to_string(body.size()))
        return bad_value("length", std::string(length), std::to_string(body.size()) + " bytes");
    if (sum != checksum(body)) return bad_value("checksum", std::string(sum), checksum(body));
    SIGRUN_TRY(o, parse_object(body));
    const json::array* probes = array_or_null(o, "probes");
    if (!probes || probes->size() > k_max_probes)
        return bad_value("probes", "an array of at most 4096", "something else");
    kept_facts out;
    out.boot_id = text_or(o, "boot_id");
    for (const auto& item : *probes) {
        SIGRUN_TRY(one, answer_from(item));
        out.answers.push_back(std::move(one));
    }
    return out;
}

std::vector<fact> worth_keeping(std::vector<fact> facts, bool same_boot) {
    std::erase_if(facts, [&](const fact& f) {
        if (f.status == fact_status::timeout || f.status == fact_status::error) return true;
        return same_boot ? f.volatility == fact_volatility::fast : f.volatility != fact_volatility::fixed;
    });
    return facts;
}

}  // namespace sigrun
