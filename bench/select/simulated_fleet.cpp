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

constexpr std::int64_t k_second_ns = 1'000'000'000;

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
    for (std::uint32_t kind = 0; kind < k_machine_kinds; ++kind) documents_.push_back(facts_of_kind(kind));
    began_ = clock::system().now();
    for (std::uint32_t i = 0; i < n; ++i) {
        runners_[i].machine.number = i;
        connect(i);
        if (i % 256 == 0) beat();  // those that are there do not wait for those that come
    }
}

simulated_fleet::~simulated_fleet() { controller_.links().stop(); }

std::uint32_t simulated_fleet::someone() noexcept {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::uint32_t>(((random_ >> 32) * runners_.size()) >> 32);
}

std::string simulated_fleet::hello(std::uint32_t i) {
    runner& r = runners_[i];
    // Seen at any time within the last minute: what changes all the time does not grow old all at once.
    const std::string own = json::serialize(r.machine.own_facts(i % 60 * k_second_ns));
    json::object head{{"name", "sim-" + std::to_string(i)},
                      {"key", "key-of-runner-" + std::to_string(1'000'000 + i)},
                      {"session", "s" + std::to_string(i)},
                      {"generation", ++r.generation},
                      {"process", "one"},
                      {"slots", r.machine.places()},
                      {"labels", r.machine.labels()},
                      {"facts_revision", ++r.revision}};
    std::string text = json::serialize(head);
    text.pop_back();
    return text + ",\"facts\":[" + documents_[r.machine.kind()] + "," + own.substr(1) + "}";
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
    switch (changes_++ % 10) {
        case 0:
        case 1:
        case 2:
        case 3: tell(i, r.machine.changed_memory(random_)); return change_kind::fast_fact;
        case 4: tell(i, r.machine.changed_speed(random_)); return change_kind::slow_fact;
        case 5:
        case 6:
            r.machine.docker = !r.machine.docker;
            tell(i, r.machine.changed_tools());
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

}  // namespace sigrun::bench
