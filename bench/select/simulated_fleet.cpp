#include "bench/select/simulated_fleet.hpp"

#include "kernel/base/json.hpp"

#include <sigrun/balancer.h>
#include <sigrun/cpp/text.hpp>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

struct sigrun_link {
    sigrun::plugin_host& host;
    std::atomic<bool> closed{false};
};

namespace sigrun::bench {
namespace {

constexpr std::uint32_t k_classes = 40;
constexpr std::int64_t k_second_ns = 1'000'000'000;
constexpr std::uint32_t k_fast_ttl_s = 60;

const sigrun_link_ops k_ops{sizeof(sigrun_link_ops),
                            0,
                            nullptr,
                            nullptr,
                            nullptr,
                            nullptr,
                            nullptr,
                            [](sigrun_link*, const sigrun_frame*) noexcept -> sigrun_result { return SIGRUN_OK; },
                            nullptr,
                            [](sigrun_link* l, sigrun_result, sigrun_op op) noexcept {
                                l->host.ops().complete(op, SIGRUN_OK, nullptr);
                                l->closed.store(true, std::memory_order_release);
                            }};
const sigrun_protocol k_table{
    sizeof(sigrun_protocol), 0, sdk::str("simulated"), sdk::str("simulated"), {nullptr, 0}, nullptr, nullptr, &k_ops};

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

std::uint32_t class_of(std::uint32_t i) noexcept { return i % k_classes; }
std::uint32_t cores_of(std::uint32_t kind) noexcept { return 2u << kind % 4; }
std::uint64_t memory_of(std::uint32_t kind) noexcept { return std::uint64_t{8} << (30 + kind / 4 % 5); }

/// What the runners of a class share; the tools are told apart, as they change.
std::string document_of(std::uint32_t kind, std::int64_t now_ns) {
    json::array facts;
    const auto add = [&](std::string key, json::value v) {
        facts.push_back(fact_of(std::move(key), std::move(v), fact_volatility::boot, now_ns));
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

}  // namespace

controller::controller(std::uint32_t max_runners, const std::string& default_balancer) {
    char name[] = "/tmp/sigrun-bench-XXXXXX";
    if (!mkdtemp(name)) throw std::runtime_error("mkdtemp failed");
    dir_ = name;
    plugin_host_options o;
    o.plugin_dir = SIGRUN_BUILD_DIR "/plugins";
    o.state_dir = dir_;
    o.program = "sigrund";
    o.kinds = {SIGRUN_KIND_BALANCER};
    host_ = std::make_unique<plugin_host>(o, settings::parse("", "bench").value(), numbers_);
    host_->load_all().value();
    host_->start_all().value();
    store_ = std::make_unique<journal>(*host_, nullptr, numbers_);
    events_ = std::make_unique<event_log>(clock::system());
    runners_ = std::make_unique<registry>(*events_, *store_, clock::system(), max_runners);
    selector::options so;
    so.max_runners = max_runners;
    so.default_balancer = default_balancer;
    select_ = selector::create(so, host_->instances(SIGRUN_KIND_BALANCER)).value();
    fleet_ = std::make_shared<fleet>(*host_, *runners_, *select_, numbers_, clock::system(), fleet_options{});
    fleet_->set_attempt_handler(&engine_);
    fleet_->start();
}

controller::~controller() {
    fleet_->stop();
    fleet_.reset();
    select_.reset();
    runners_.reset();
    store_.reset();
    host_->shutdown();
    std::filesystem::remove_all(dir_);
}

struct simulated_fleet::end {
    explicit end(plugin_host& host) : link{host} {}
    sigrun_link link;
    const sigrun_sink* frames = nullptr;
    void send(std::uint32_t kind, std::string_view text, std::uint32_t flags = 0) const {
        sigrun_frame f{};
        f.struct_size = sizeof f;
        f.kind = kind;
        f.flags = flags;
        f.json = sdk::str(text);
        frames->on_frame(frames->ctx, &f);
    }
};

simulated_fleet::simulated_fleet(controller& c, std::uint32_t n) : controller_(c), runners_(n) {
    abi_.struct_size = sizeof abi_;
    abi_.get_interface = [](sigrun_instance*, sigrun_str) noexcept -> const void* { return &k_table; };
    abi_.destroy = [](sigrun_instance*) noexcept {};
    protocol_ =
        std::make_shared<instance>(nullptr, "simulated", "bench.simulated", "simulated", SIGRUN_KIND_PROTOCOL, &abi_);
    for (std::uint32_t kind = 0; kind < k_classes; ++kind)
        documents_.push_back(document_of(kind, clock::system().wall_ns()));
    began_ = clock::system().now();
    for (std::uint32_t i = 0; i < n; ++i) {
        connect(i);
        if (i % 256 == 0) beat();  // those that are there do not wait for those that come
    }
}

simulated_fleet::~simulated_fleet() { controller_.links().stop(); }

std::uint32_t simulated_fleet::someone() noexcept {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::uint32_t>(((random_ >> 32) * runners_.size()) >> 32);
}

json::array simulated_fleet::own_facts(std::uint32_t i, std::int64_t age_ns) const {
    const std::int64_t now = clock::system().wall_ns() - age_ns;
    const std::string number = std::to_string(i);
    json::array facts;
    facts.push_back(fact_of("host.id", json::value("0123456789abcdef" + number), fact_volatility::boot, now, 0, true));
    facts.push_back(fact_of("host.hostname", json::value("build-" + number), fact_volatility::boot, now, 0, true));
    facts.push_back(fact_of("tool", tools(runners_[i].docker), fact_volatility::boot, now));
    facts.push_back(fact_of("memory.available_bytes", memory_of(class_of(i)) * (1 + i * 7919u % 7) / 8,
                            fact_volatility::fast, now, k_fast_ttl_s));
    facts.push_back(fact_of("perf.single_int", 1000 + i * 31u % 1000, fact_volatility::slow, now, 86'400));
    return facts;
}

std::string simulated_fleet::hello(std::uint32_t i) {
    runner& r = runners_[i];
    // Seen at any time within the last minute: what changes all the time does not grow old all at once.
    const std::string own = json::serialize(own_facts(i, i % k_fast_ttl_s * k_second_ns));
    json::object head{{"name", "sim-" + std::to_string(i)},
                      {"key", "key-of-runner-" + std::to_string(1'000'000 + i)},
                      {"session", "s" + std::to_string(i)},
                      {"generation", ++r.generation},
                      {"process", "one"},
                      {"slots", 1u << class_of(i) % 4},
                      {"labels", {{"zone", i / k_classes % 2 ? "us" : "eu"}, {"host", "h" + std::to_string(i)}}},
                      {"facts_revision", ++r.revision}};
    std::string text = json::serialize(head);
    text.pop_back();
    return text + ",\"facts\":[" + documents_[class_of(i)] + "," + own.substr(1) + "}";
}

void simulated_fleet::connect(std::uint32_t i) {
    runner& r = runners_[i];
    const std::string text = hello(i);
    const auto welcome = parse_object(controller_.links().admit(r.generation, text).value()).value();
    r.over = std::make_unique<end>(controller_.host());
    if (controller_.links().adopt(protocol_, r.generation, text_or(welcome, "ticket"), &r.over->link, &r.over->frames,
                                  nullptr) != SIGRUN_OK)
        throw std::runtime_error("a simulated runner was not adopted");
}

void simulated_fleet::lose(std::uint32_t i) {
    auto over = std::move(runners_[i].over);
    over->send(SIGRUN_BYE, R"({"reason":"simulated"})", SIGRUN_FRAME_LAST);
    lost_.push_back(std::move(over));
    while (!lost_.empty() && lost_.front()->link.closed.load(std::memory_order_acquire)) lost_.pop_front();
}

void simulated_fleet::tell(std::uint32_t i, json::array news) {
    runner& r = runners_[i];
    const std::uint64_t before = r.revision++;
    const json::object told{
        {"process", "one"}, {"facts_base", before}, {"facts_revision", r.revision}, {"facts", std::move(news)}};
    r.over->send(SIGRUN_HELLO, json::serialize(told));
}

change_kind simulated_fleet::change() {
    const std::uint32_t i = someone();
    runner& r = runners_[i];
    const std::int64_t now = clock::system().wall_ns();
    json::array news;
    switch (changes_++ % 10) {
        case 0:
        case 1:
        case 2:
        case 3:
            news.push_back(fact_of("memory.available_bytes", memory_of(class_of(i)) * (1 + random_ % 7) / 8,
                                   fact_volatility::fast, now, k_fast_ttl_s));
            tell(i, std::move(news));
            return change_kind::fast_fact;
        case 4:
            news.push_back(fact_of("perf.single_int", 1000 + random_ % 1000, fact_volatility::slow, now, 86'400));
            tell(i, std::move(news));
            return change_kind::slow_fact;
        case 5:
        case 6:
            r.docker = !r.docker;
            news.push_back(fact_of("tool", tools(r.docker), fact_volatility::boot, now));
            tell(i, std::move(news));
            return change_kind::capability;
        case 7:
        case 8: {
            r.drained = !r.drained;
            const auto who = controller_.links().find("sim-" + std::to_string(i)).value();
            controller_.links().set_admin(who, r.drained ? admin_state::draining : admin_state::none, "simulated");
            return change_kind::drained;
        }
        default:
            lose(i);
            connect(i);
            return change_kind::link_lost;
    }
}

void simulated_fleet::beat() {
    static constexpr std::string_view k_text = R"({"free":1,"live":0})";
    const auto n = static_cast<std::uint64_t>(runners_.size());
    const auto since = static_cast<std::uint64_t>((clock::system().now() - began_).count());
    const std::uint64_t due = since / 3'000'000'000 * n + since % 3'000'000'000 * n / 3'000'000'000;
    // One that comes later than a whole round is forgotten: it is in the next one.
    for (std::uint64_t left = std::min(due - std::min(due, beaten_), n); left; --left) {
        const auto& over = runners_[next_beat_].over;
        if (over) over->send(SIGRUN_BEAT, k_text);
        if (++next_beat_ == n) next_beat_ = 0;
    }
    beaten_ = due;
}

std::vector<std::string> simulated_fleet::requirements(std::uint32_t n) {
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
