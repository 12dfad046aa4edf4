#include "bench/select/simulated_machine.hpp"

#include "kernel/base/clock.hpp"
#include "kernel/capability/facts.hpp"

namespace sigrun::bench {
namespace {

constexpr std::uint32_t k_fast_ttl_s = 60, k_slow_ttl_s = 86'400;

json::object fact_of(std::string key, json::value value, fact_volatility volatility, std::int64_t observed_ns,
                     std::uint32_t ttl_s = 0, bool unique = false) {
    fact f;
    f.key = std::move(key);
    f.value = std::move(value);
    f.volatility = volatility;
    f.method = "read";
    f.source = "simulated";
    f.observed_ns = observed_ns;
    f.ttl_s = ttl_s;
    f.unique = unique;
    return to_json(f);
}

json::array tools(bool docker) {
    json::array out{{{"name", "git"}, {"version", "2.39.2"}}, {{"name", "gcc"}, {"version", "12.2.0"}}};
    if (docker) out.push_back({{"name", "docker"}, {"version", "24.0.7"}});
    return out;
}

std::uint32_t cores_of(std::uint32_t kind) noexcept { return 2u << kind % 4; }
std::uint64_t memory_of(std::uint32_t kind) noexcept { return std::uint64_t{8} << (30 + kind / 4 % 5); }
std::int64_t now_ns() { return clock::system().wall_ns(); }

}  // namespace

json::object simulated_machine::labels() const {
    return {{"zone", number / k_machine_kinds % 2 ? "us" : "eu"}, {"host", "h" + std::to_string(number)}};
}

json::array simulated_machine::own_facts(std::int64_t age_ns) const {
    const std::int64_t then = now_ns() - age_ns;
    const std::string word = std::to_string(number);
    json::array facts;
    facts.push_back(fact_of("host.id", json::value("0123456789abcdef" + word), fact_volatility::boot, then, 0, true));
    facts.push_back(fact_of("host.hostname", json::value("build-" + word), fact_volatility::boot, then, 0, true));
    facts.push_back(fact_of("tool", tools(docker), fact_volatility::boot, then));
    facts.push_back(fact_of("memory.available_bytes", memory_of(kind()) * (1 + number * 7919u % 7) / 8,
                            fact_volatility::fast, then, k_fast_ttl_s));
    facts.push_back(fact_of("perf.single_int", 1000 + number * 31u % 1000, fact_volatility::slow, then, k_slow_ttl_s));
    return facts;
}

json::array simulated_machine::changed_memory(std::uint64_t random) const {
    json::array facts;
    facts.push_back(fact_of("memory.available_bytes", memory_of(kind()) * (1 + random % 7) / 8, fact_volatility::fast,
                            now_ns(), k_fast_ttl_s));
    return facts;
}

json::array simulated_machine::changed_speed(std::uint64_t random) const {
    json::array facts;
    facts.push_back(fact_of("perf.single_int", 1000 + random % 1000, fact_volatility::slow, now_ns(), k_slow_ttl_s));
    return facts;
}

json::array simulated_machine::changed_tools() const {
    json::array facts;
    facts.push_back(fact_of("tool", tools(docker), fact_volatility::boot, now_ns()));
    return facts;
}

std::string facts_of_kind(std::uint32_t kind) {
    json::array facts;
    const auto add = [&, now = now_ns()](std::string key, json::value v) {
        facts.push_back(fact_of(std::move(key), std::move(v), fact_volatility::boot, now));
    };
    add("host.arch", kind / 20 ? "aarch64" : "x86_64");
    add("host.os", "linux");
    add("cpu.effective_cores", cores_of(kind));
    add("cpu.model", json::value("Model " + std::to_string(kind)));
    add("memory.effective_bytes", memory_of(kind));
    add("kernel.release", json::value("6.1.0-" + std::to_string(18 + kind % 3) + "-amd64"));
    add("gpu", kind % 4 ? json::value(json::array{})
                        : json::value(json::array{{{"model", "A100"}, {"memory_bytes", 85899345920}}}));
    for (int i = 0; i < 46; ++i) add("filler.key_" + std::to_string(i), i);
    const std::string text = json::serialize(facts);
    return text.substr(1, text.size() - 2);
}

std::vector<std::string> machine_requirements(std::uint32_t n) {
    std::vector<std::string> out;
    for (int i = 0; i < 40; ++i) {
        std::string text = i % 5 == 4 ? "os.arch == \"aarch64\"" : "os.arch == \"x86_64\"";
        text += " && cpu.effective_cores >= " + std::to_string(2 << i % 4);
        text += " && memory.effective_bytes >= " + std::to_string(8 << i % 3) + "GiB";
        if (i % 3 == 0) text += " && label.zone == \"eu\"";
        if (i % 4 == 1) text += " && any(t in tool, t.name == \"docker\" && t.version >= v\"24\")";
        if (i % 8 == 0) text += " && any(g in gpu, g.memory_bytes >= 40GiB)";
        text += " && filler.key_" + std::to_string(i) + " == " + std::to_string(i);
        out.push_back(std::move(text));
    }
    for (int i = 0; i < 6; ++i)
        out.push_back("memory.available_bytes >= " + std::to_string(2 << i) +
                      "GiB && cpu.effective_cores >= " + std::to_string(2 << i % 3));
    for (int i = 0; i < 2; ++i)
        out.push_back("perf.single_int >= " + std::to_string(1500 + 300 * i) + " && os.arch == \"x86_64\"");
    for (std::uint32_t i = 0; i < 2; ++i) out.push_back("label.host == \"h" + std::to_string(n / 3 + i) + "\"");
    return out;
}

}  // namespace sigrun::bench
