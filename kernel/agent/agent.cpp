#include "kernel/agent/agent.hpp"

#include "kernel/agent/executor_facts.hpp"
#include "kernel/agent/readiness.hpp"
#include "kernel/base/id.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <future>
#include <optional>
#include <thread>

namespace sigrun {
namespace {

constexpr std::chrono::seconds k_detection_limit{35};
constexpr std::chrono::seconds k_description_limit{5};
constexpr std::int64_t k_least_beat_ms = 100;
constexpr std::int64_t k_longest_beat_ms = 15'000;
constexpr std::int64_t k_default_beat_ms = 3'000;
constexpr std::chrono::milliseconds k_patience{1'000};  // for the answer to a beat

std::future<capability_ptr> ask(detector& whom, const detect_options& what) {
    auto found = std::make_shared<std::promise<capability_ptr>>();
    whom.detect(what, [found](capability_ptr facts) { found->set_value(std::move(facts)); });
    return found->get_future();
}

/// Null: the probes do not come to an end.
capability_ptr wait_for(std::future<capability_ptr> answer) {
    if (answer.wait_for(k_detection_limit) == std::future_status::ready) return answer.get();
    SIGRUN_LOG(logs::agent, warning, "the probes are not done after ", k_detection_limit.count(),
               " s; going on without their facts");
    return nullptr;
}

std::vector<fact> what_executors_say(plugin_host& host, const executor_set& all) {
    auto said = std::make_shared<std::promise<std::vector<fact>>>();
    auto answer = said->get_future();
    ask_executors(host, all.entries(), [said](std::vector<fact> facts) { said->set_value(std::move(facts)); });
    if (answer.wait_for(k_description_limit) == std::future_status::ready) return answer.get();
    SIGRUN_LOG(logs::agent, warning, "the executors do not say what they can do after ", k_description_limit.count(),
               " s; going on without it");
    return {};
}

std::optional<std::uint32_t> whole_cores(const capability_ptr& facts) {
    const fact* cores = facts ? facts->find("cpu.effective_cores") : nullptr;
    if (!cores || cores->status != fact_status::ok) return std::nullopt;
    boost::system::error_code ec;
    const double n = cores->value.to_number<double>(ec);
    if (ec || !(n > 0)) return std::nullopt;
    return static_cast<std::uint32_t>(std::clamp(std::ceil(n), 1.0, 65535.0));
}

}  // namespace

agent::agent(plugin_host& host, detector& facts, agent_options options, agent_identity me)
    : host_(host),
      detector_(facts),
      options_(std::move(options)),
      me_(std::move(me)),
      benchmark_(
          std::make_shared<self_benchmark>(host, facts, clock::system(), options_.benchmark,
                                           options_.state_dir.empty() ? "" : options_.state_dir + "/benchmark.json")),
      path_(std::make_shared<path_watch>(host.io(), clock::system())),
      tick_(host.io()),
      facts_timer_(host.io()),
      drain_timer_(host.io()) {}

agent::~agent() = default;

std::uint32_t agent::places() const {
    if (options_.slots) return options_.slots;
    // It holds as long as the runner lives: what was known before a restart will not do, and the few probes that may say it are
    // waited for.
    detect_options cores;
    cores.only = {"cpu.effective_cores"};
    if (const auto n = whole_cores(wait_for(ask(detector_, cores)))) return *n;
    return std::max(std::thread::hardware_concurrency(), 1u);
}

result<void> agent::start() {
    // What was known before a restart is told at once, and so is what is found out in a moment; the controllers learn the rest, and
    // what is different, as soon as the probes say it.
    detect_options at_once;
    at_once.stale_will_do = true;
    at_once.patience = options_.facts_patience;
    auto first = ask(detector_, at_once);
    const auto slots = places();
    facts_ = wait_for(std::move(first));
    auto known = facts_ ? facts_->facts() : std::vector<fact>{};
    table_ = std::make_shared<assignment_table>(host_, options_, slots);
    auto own = what_it_says_of_itself(slots);
    std::move(own.begin(), own.end(), std::back_inserter(known));
    take_described(what_executors_say(host_, table_->executors()));
    known.insert(known.end(), described_.begin(), described_.end());
    benchmark_->complete(known);
    facts_ = std::make_shared<const capability_document>(std::move(known));
    if (table_->executors().kinds().empty())
        return make_problem(errc::unavailable, "no executor plugin is loaded, so no job could ever run here");
    table_->set_observer([weak = weak_from_this()] {
        if (auto self = weak.lock()) self->check_drained();
    });
    detector_.set_observer([weak = weak_from_this()] {
        if (auto self = weak.lock()) self->refresh_facts(nullptr);
    });
    // Before the first HELLO: a controller that misses a running job there would start it once more.
    const auto in_use = table_->restore();
    std::error_code made;  // a folder that cannot be made is told by the offer that needs it
    std::filesystem::create_directories(options_.workspace_dir, made);
    machine_ =
        std::make_shared<machine_watch>(options_.needs, options_.max_clock_skew, options_.workspace_dir,
                                        clock::system(), [this](auto task) { host_.post_work(std::move(task)); });
    table_->set_gate(machine_);
    if (auto n = remove_leftover_workspaces(options_.workspace_dir, in_use))
        SIGRUN_LOG(logs::agent, warning, "removed ", n, " workspaces that an earlier run left");

    bool ladder = options_.urls.size() == 1;
    for (const auto& url : options_.urls) {
        SIGRUN_TRY(rungs, rungs_for(host_, url, ladder, options_.protocols));
        uplink::hooks with;
        std::weak_ptr<agent> weak = weak_from_this();
        with.hello = [weak](const agent_link_ptr& link, const std::string& session, std::uint64_t generation,
                            bool moving, bool welcomed) {
            auto self = weak.lock();
            if (!self) return std::string();
            introduction how{session, generation, moving, 0};
            if (welcomed) how.facts_since.reset();
            auto said = self->hello(how);
            std::lock_guard lock(self->mutex_);
            link->told = said.told;
            return std::move(said.text);
        };
        with.connected = [weak](const agent_link_ptr& link, const rung& over, const std::string& welcome) {
            auto self = weak.lock();
            if (!self) return;
            self->connected(link, welcome);
            auto line = sdk::concat("runner ", self->name(), " connected to ", over.uri, " over ", over.name, ", ",
                                    self->slots(), " slots");
            SIGRUN_LOG(logs::agent, info, line);
            if (self->announce_) self->announce_(line);
        };
        with.replaced = [weak](const agent_link_ptr& link) {
            if (auto self = weak.lock()) self->forget_link(link);
        };
        if (!options_.join.empty()) with.auth = "bearer " + options_.join;
        with.refused = [weak](const agent_link_ptr& link, const std::string& protocol, const std::string& reason) {
            auto self = weak.lock();
            if (!self) return;
            json::object refusal{{"move_refused", json::object{{"protocol", protocol}, {"reason", reason}}}};
            self->tell(link, std::move(refusal));
        };
        uplinks_.push_back(std::make_shared<uplink>(host_, rungs, options_.rung_retry, weak_from_this(), with));
    }
    for (const auto& u : uplinks_) u->start();
    boost::asio::post(host_.io(), [weak = weak_from_this()] {
        if (auto self = weak.lock()) {
            self->arm_tick();
            self->arm_facts();
            self->refresh_facts(nullptr);  // what was only known from before
        }
    });
    return {};
}

void agent::add_link(const agent_link_ptr& link) {
    std::lock_guard lock(mutex_);
    auto now = clock::system().now();
    link->last_heard = now;
    link->beat = std::chrono::milliseconds(k_default_beat_ms);
    link->next_beat = now;
    // Not all runners at the same moment.
    link->patience = k_patience + std::chrono::milliseconds(random_u64() % 500);
    links_.insert(link);
}

void agent::connected(const agent_link_ptr& link, const std::string& welcome) {
    add_link(link);
    auto o = parse_object(welcome);
    if (!o) {
        SIGRUN_LOG(logs::agent, warning, "WELCOME cannot be read: ", o.error().text());
        return;
    }
    apply_welcome(link, *o);
    tell_if_behind(link);
}

void agent::apply_welcome(const agent_link_ptr& link, const json::object& welcome) {
    auto beat =
        std::clamp(number_or<std::int64_t>(welcome, "beat_ms", k_default_beat_ms), k_least_beat_ms, k_longest_beat_ms);
    {
        std::lock_guard lock(mutex_);
        link->beat = std::chrono::milliseconds(beat);
        if (welcome.contains("facts_known")) link->told = known_revision(welcome);
    }
    auto via = link->via.lock();
    if (!via) return;
    if (const auto* verdicts = array_or_null(welcome, "verdicts")) table_->apply(via, *verdicts);
    bool draining = false;
    {
        std::lock_guard lock(mutex_);
        draining = draining_;
    }
    // A controller that meets this runner in the middle of its drain must learn of it.
    if (draining) send_text(via, SIGRUN_DRAIN, R"({"reason":"the runner is draining"})");
}

result<void> agent::may_adopt(const std::string& controller) const {
    std::lock_guard lock(mutex_);
    for (const auto& l : links_) {
        auto via = l->via.lock();
        if (via && via->alive() && l->controller != controller)
            return problem{errc::conflict, "another controller holds this runner", "controller", l->controller,
                           controller};
    }
    return {};
}

void agent::adopted(const agent_link_ptr& link) {
    add_link(link);
    auto via = link->via.lock();
    auto line = sdk::concat("runner ", me_.name, " connected to controller ",
                            link->controller.empty() ? "(unnamed)" : link->controller, " over ",
                            via ? via->protocol_name() : "", ", ", slots(), " slots");
    SIGRUN_LOG(logs::agent, info, line);
    if (announce_) announce_(line);
    tell_if_behind(link);
}

void agent::forget_link(const agent_link_ptr& link) {
    {
        std::lock_guard lock(mutex_);
        links_.erase(link);
    }
    if (auto via = link->via.lock()) table_->on_link_lost(via);
}

bool agent::connected() const {
    const auto all = links();
    return std::any_of(all.begin(), all.end(), [](const agent_link_ptr& each) {
        const auto via = each->via.lock();
        return via && via->alive();
    });
}

std::vector<agent_link_ptr> agent::links() const {
    std::lock_guard lock(mutex_);
    return {links_.begin(), links_.end()};
}

sigrun_result agent::send_text(const link_ptr& to, std::uint32_t kind, const std::string& text) {
    sigrun_frame frame{};
    frame.struct_size = sizeof frame;
    frame.kind = kind;
    frame.json = sdk::str(text);
    return to->send(frame);
}

void agent::send_to_all(std::uint32_t kind, const std::string& text) const {
    for (const auto& l : links())
        if (auto via = l->via.lock()) send_text(via, kind, text);
}

sigrun_result agent::on_frame(const link_ptr& from, const sigrun_frame& frame) {
    const rundown::pass in(frames_);
    if (!in) return SIGRUN_E_CANCELLED;
    auto* link = static_cast<agent_link*>(from->context().get());
    if (!link || !table_) return SIGRUN_E_CANCELLED;
    link->heard.store(true, std::memory_order_relaxed);
    switch (frame.kind) {
        case SIGRUN_OFFER:
            benchmark_->job_offered();
            return table_->on_offer(from, frame, !link->draining.load(std::memory_order_relaxed));
        case SIGRUN_ACK: return table_->on_ack(frame);
        case SIGRUN_CANCEL: return table_->on_cancel(from, frame);
        case SIGRUN_DRAIN: link->draining.store(true, std::memory_order_relaxed); return SIGRUN_OK;
        case SIGRUN_HELLO: {
            auto text = sdk::view(frame.json);
            auto o = text.empty() ? result<json::object>(json::object{}) : parse_object(text);
            if (!o) return SIGRUN_E_INVALID;
            if (o->contains("verdicts") || o->contains("beat_ms"))
                apply_welcome(std::static_pointer_cast<agent_link>(from->context()), *o);
            else if (const auto* request = object_or_null(*o, "reload"))
                reload_for(*request);
            else
                refresh_facts(std::static_pointer_cast<agent_link>(from->context()), known_revision(*o));
            return SIGRUN_OK;
        }
        case SIGRUN_BYE: {
            // A controller that dialled us moves by itself.
            auto o = parse_object(sdk::view(frame.json));
            auto u = link->dialled.lock();
            if (u && o && bool_or(*o, "reconnect", false))
                u->leave(std::static_pointer_cast<agent_link>(from->context()),
                         std::string(text_or(*o, "protocol").substr(0, 64)));
            return SIGRUN_OK;
        }
        case SIGRUN_BEAT: compare_clocks(frame); return SIGRUN_OK;
        default: return SIGRUN_E_INVALID;
    }
}

void agent::on_lost(const link_ptr& which, const std::string& reason) {
    auto link = std::static_pointer_cast<agent_link>(which->context());
    if (!link) return;
    bool replaced = false;  // by another link of the same controller: it moved
    agent_link_ptr other;   // to the same controller
    {
        std::lock_guard lock(mutex_);
        links_.erase(link);
        for (const auto& l : links_) {
            auto via = l->via.lock();
            if (!via || !via->alive()) continue;
            replaced = replaced || via->protocol_name() == which->protocol_name();
            if (l->controller == link->controller && l->dialled.lock() == link->dialled.lock()) other = l;
        }
    }
    if (table_) table_->on_link_lost(which);
    // What ran over it goes on over the other one as soon as the controller has heard of it there.
    if (table_ && other && table_->open()) tell(other, {{"orphaned", true}}, true);
    if (auto u = link->dialled.lock())
        u->lost(link, reason);
    else if (!replaced)
        SIGRUN_LOG(logs::agent, warning, "the controller's ", which->protocol_name(), " link is gone",
                   reason.empty() ? "" : ": ", reason);
    check_drained();
}

}  // namespace sigrun
