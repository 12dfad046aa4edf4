#include "kernel/agent/self_benchmark.hpp"

#include "kernel/guard/private_file.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <limits>
#include <utility>

namespace sigrun {
namespace {

constexpr std::string_view k_measured = "perf.";
// Not the class of the machine as a whole: a compiler that was installed makes it no faster, and what programs say of themselves is
// another thing in the first minute than later.
constexpr std::string_view k_what_speed_depends_on[] = {"host.id",
                                                        "cpu.model",
                                                        "cpu.family",
                                                        "cpu.model_id",
                                                        "cpu.stepping",
                                                        "cpu.microcode",
                                                        "cpu.features",
                                                        "cpu.quota_cores",
                                                        "cpu.effective_cores",
                                                        "memory.total_bytes",
                                                        "memory.effective_bytes",
                                                        "kernel.release",
                                                        "virt.vm",
                                                        "work.path",
                                                        "work.fs"};
constexpr std::chrono::minutes k_first_pause{1}, k_longest_pause{60};
constexpr std::int64_t k_second_ns = 1'000'000'000;

constexpr std::int64_t k_incomplete_s = 600;
constexpr std::size_t k_max_file = 64 * 1024;
constexpr int k_file_version = 1;

bool declared(const fact& f) { return f.method == "declared"; }

}  // namespace

std::string machine_signature(const capability_document& facts) {
    std::string text;
    for (const auto key : k_what_speed_depends_on)
        if (const fact* f = facts.find(key))
            text += sdk::concat(key, "=", to_string(f->status), ":", json::serialize(f->value), " ");
    return text;
}

self_benchmark::self_benchmark(plugin_host& host, detector& facts, const clock& clk, bool wanted, std::string file)
    : host_(host), detector_(facts), clock_(clk), wanted_(wanted), file_(std::move(file)) {
    if (wanted_ && !file_.empty()) load();
}

void self_benchmark::load() {
    const auto text = read_file(file_, k_max_file);
    if (!text) return;
    const auto o = parse_object(*text);
    const auto* list = o && number_or<int>(*o, "version", 0) == k_file_version ? array_or_null(*o, "facts") : nullptr;
    std::vector<fact> figures;
    for (std::size_t i = 0; list && i < list->size(); ++i) {
        auto f = fact_from_json((*list)[i]);
        // Written by who may write here, but never more than what a measurement says.
        if (f && f->key.starts_with(k_measured) && !declared(*f)) figures.push_back(std::move(*f));
    }
    if (!list || figures.size() != list->size()) {
        SIGRUN_LOG(logs::agent, warning, file_, " is no result of a measurement; this machine is measured again");
        return;
    }
    measured_ = std::move(figures);
    machine_ = std::string(text_or(*o, "machine"));
    good_until_ns_ = number_or<std::int64_t>(*o, "good_until_ns", 0);
}

// [work]
void self_benchmark::save() {
    json::object o{{"version", k_file_version}};
    {
        std::lock_guard lock(mutex_);
        json::array list;
        for (const auto& f : measured_) list.emplace_back(to_json(f));
        o["facts"] = std::move(list);
        o["machine"] = machine_;
        o["good_until_ns"] = good_until_ns_;
    }
    if (auto written = write_whole_file(file_, json::serialize(o), 0600); !written)
        SIGRUN_LOG(logs::agent, warning, "the result of the measurement is not kept: ", written.error().text());
}

void self_benchmark::look(bool idle, const capability_document& facts, std::function<void()> measured) {
    if (!wanted_) return;
    const bool offered = offered_.exchange(false);
    if (offered || !idle || running_.load()) return;
    {
        std::lock_guard lock(mutex_);
        auto machine = machine_signature(facts);
        const bool good = machine == machine_ && clock_.wall_ns() < good_until_ns_;
        if (good || clock_.now() < next_try_) return;
        being_measured_ = std::move(machine);
    }
    given_way_ = false;
    running_ = true;
    // An offer that came before it could see that, and any that comes now.
    if (offered_.load()) {
        running_ = false;
        return;
    }
    SIGRUN_LOG(logs::agent, debug, "measuring this machine");
    detect_options what;
    what.fresh = what.on_request = true;
    detector_.detect(what, [weak = weak_from_this(), measured = std::move(measured)](const capability_ptr& found) {
        if (auto self = weak.lock()) self->take(found, measured);
    });
}

void self_benchmark::give_way() {
    if (given_way_.exchange(true)) return;
    // Elsewhere: the offer goes on at once.
    boost::asio::post(host_.io(), [weak = weak_from_this()] {
        if (auto self = weak.lock()) self->detector_.interrupt();
    });
}

void self_benchmark::stop() {
    given_way_ = true;
    if (running_) detector_.interrupt();
}

void self_benchmark::take(const capability_ptr& found, const std::function<void()>& measured) {
    const bool disturbed = given_way_.load();
    std::vector<fact> figures;
    std::int64_t lasts_s = std::numeric_limits<std::int64_t>::max();
    for (const auto& f : found->facts()) {
        if (!f.key.starts_with(k_measured) || f.key.ends_with('*')) continue;
        figures.push_back(f);
        if (f.status == fact_status::ok && f.ttl_s > 0) lasts_s = std::min<std::int64_t>(lasts_s, f.ttl_s);
        if (f.status == fact_status::timeout)
            lasts_s = std::min(lasts_s, k_incomplete_s);  // next time there may be time
    }
    const bool whole = !disturbed && std::any_of(figures.begin(), figures.end(), [](const fact& f) {
        return f.status == fact_status::ok && f.key == "perf.single_int";
    });
    {
        std::lock_guard lock(mutex_);
        if (whole) {
            measured_ = std::move(figures);
            machine_ = being_measured_;
            good_until_ns_ = clock_.wall_ns() + lasts_s * k_second_ns;
            pause_ = {};
            next_try_ = {};
        } else {
            pause_ = std::clamp<nanoseconds>(2 * pause_, k_first_pause, k_longest_pause);
            next_try_ = clock_.now() + pause_;
        }
    }
    running_ = false;
    if (!whole) return;
    if (!file_.empty())
        host_.post_work([weak = weak_from_this()] {
            if (auto self = weak.lock()) self->save();
        });
    if (measured) measured();
}

// What is past its time, or of a machine that has changed since, is old; what is older than that is not known.
void self_benchmark::add_measured(std::vector<fact>& facts) const {
    if (measured_.empty()) return;
    const auto now = clock_.wall_ns();
    const bool same = machine_signature(capability_document(facts)) == machine_;
    for (auto f : measured_) {
        if (std::any_of(facts.begin(), facts.end(), [&](const fact& other) { return other.key == f.key; })) continue;
        const auto age = now - f.observed_ns, ttl = static_cast<std::int64_t>(f.ttl_s) * k_second_ns;
        if (f.status == fact_status::ok && ttl && age >= 2 * ttl) continue;
        if (f.status == fact_status::ok && ((ttl && age >= ttl) || !same)) f.status = fact_status::stale;
        facts.push_back(std::move(f));
    }
}

void self_benchmark::complete(std::vector<fact>& facts) {
    std::erase_if(facts, [](const fact& f) { return f.key.starts_with(k_measured) && !declared(f); });
    std::lock_guard lock(mutex_);
    add_measured(facts);
    add_tiers(facts, [this](tier_report report, const fact_lookup& find) { return keeper_.settle(report, find); });
}

}  // namespace sigrun
