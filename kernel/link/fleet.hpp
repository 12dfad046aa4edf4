// The live side of the registry: links to runners, their sessions and places. Knows how a runner comes (dials in, or is
// dialled), when it is lost, and which of its links a job should use; knows nothing of jobs.
//
// [any]. One lock per member; none is held while a plugin or the attempt handler is called.
#pragma once

#include "kernel/base/rundown.hpp"
#include "kernel/capability/ttl_cache.hpp"
#include "kernel/link/host_board.hpp"
#include "kernel/link/link.hpp"
#include "kernel/link/protocol_table.hpp"
#include "kernel/link/remote_reload.hpp"
#include "kernel/link/rung_board.hpp"
#include "kernel/runner/registry.hpp"
#include "kernel/select/selector.hpp"

#include <functional>
#include <shared_mutex>
#include <unordered_map>
#include <unordered_set>

namespace sigrun {

/// One link of a member, reconciled or about to be.
struct session {
    link_ptr via;
    std::uint8_t protocol = 0;  // id: bit position in masks
    std::string key;            // session id the runner chose
    std::uint64_t generation = 0;
    time_point last_frame{};
    std::int64_t latency_ns = 0;  // measured round trip, EWMA; 0 = not measured yet
    std::string endpoint;         // the runner's endpoint when it was dialled; empty: it dialled in
    std::string process;          // which run of the agent it belongs to; empty: not told
    bool suspect = false;         // no frame for two beats, or it is silent while others of its runner answer
    time_point probed{};          // it is late with its beat, and was asked
    time_point answered{};        // a ping came back
};

/// A link in whose place another one of the same runner has come while it still had work. Offers it carried are answered
/// over it, and it is closed when nothing can be on its way any more (leaving.cpp).
struct leaving_link {
    link_ptr via;
    time_point since{};
    time_point asked{};      // when a question went out that has not been answered
    link_ptr asked_over{};   // its successor at that moment
    bool clean = false;      // no attempt was bound to it when its successor was asked
    int rounds = 0;          // answers of the successor in a row that found it so
    bool last_word = false;  // it was asked itself
    bool done = false;       // and has answered: everything the runner had sent before is here
};

/// A runner with its place in the selection index.
struct member : std::enable_shared_from_this<member> {
    explicit member(runner_ptr r) : info(std::move(r)) {}
    const runner_ptr info;

    std::mutex mutex;  // everything below
    std::vector<session> sessions;
    std::vector<leaving_link> leaving;
    rung_board rungs;
    slot_ref slot;
    std::vector<std::uint64_t> slot_keys;  // its last slots; a pick of a moment ago may still name an older one
    bool indexed = false;
    bool removed = false;
    std::uint32_t dial_failures = 0;
    std::uint32_t absent_looks = 0;  // at protocols that it was never seen to speak
    bool dialling = false;           // its endpoint is being looked at
    std::uint32_t opening = 0;       // links that are on their way, in nobody's place
    time_point next_dial{};
    std::uint32_t ping_failures = 0;
    time_point next_question{};  // for fresh facts
    time_point unlinked_since{};
    std::uint8_t missed = 0xff;  // a protocol that broke and would be used otherwise; told

    std::atomic<bool> protocols_untold{false};  // the fact `proto` is about to be renewed
};
using member_ptr = std::shared_ptr<member>;

/// What a job asks of the link.
struct rung_request {
    protocol_mask allowed = 0xffff;
    bool named = false;   // the job names its protocol
    bool urgent = false;  // it asks for low latency, or has a high priority
    bool bulky = false;   // it moves much
    nanoseconds max_latency{0};
    std::uint8_t preferred = 0xff;   // protocol id
    const link* not_over = nullptr;  // this one has just failed it
};

/// What a job gets: a link and why this one.
struct chosen_link {
    link_ptr via;
    std::uint8_t protocol = 0;
    std::int64_t latency_ns = 0;  // measured, 0 = not yet
    std::uint8_t usable = 0;      // rungs that would have done
    std::uint8_t too_slow = 0;    // rungs that were left out for their latency
    enum class wish_t : std::uint8_t { none, granted, unusable, worse } wish = wish_t::none;  // a preferred protocol
    rung_why why = rung_why::only;
    float score = 0, next_score = 0;  // of this one and of the next; 0 = no evidence
};

/// An attempt as a runner's HELLO lists it, and what to do with it.
struct inventory_item {
    std::string job, token, state;  // running, finished, or refused: its answer has not been sent yet
    std::uint32_t attempt = 0;
    std::uint64_t log_bytes = 0;
    bool waits_to_start = false;  // accepted, and nothing of it runs yet; false also where that is not told
};
struct verdict {
    enum kind_t : std::uint8_t { keep, report, kill, forget } kind = kill;
    std::uint64_t log_offset = 0;
};

/// The job engine, as the fleet sees it. [any]
class attempt_handler {
public:
    virtual ~attempt_handler() = default;
    virtual sigrun_result on_attempt_frame(const member_ptr& from, const link_ptr& via, const sigrun_frame& frame) = 0;
    /// One verdict per item. Attempts believed to run there but not listed are lost: those whose link is gone, and all
    /// if the agent was `restarted`.
    virtual std::vector<verdict> reconcile(const member_ptr& who, const std::vector<inventory_item>& inventory,
                                           bool restarted) = 0;
    /// The kept attempts continue over this link; offers that did not arrive are sent again over it. `why` they come here,
    /// if it is known.
    virtual void on_session(const member_ptr& who, const link_ptr& via, const std::string& why = {}) = 0;
    virtual void on_link_lost(const member_ptr& who, const link_ptr& via) = 0;
    /// A place appeared: a runner came online or got more places.
    virtual void on_capacity(slot_ref slot) = 0;
    /// The links over which attempts are offered to this runner, or run on it, now.
    virtual std::unordered_set<const link*> links_in_use(const member_ptr& who) = 0;
    /// A foreign runner's attempts go on over `to`, each once it was found there. What is not accepted yet stays: it would
    /// not be found. May be asked again and again.
    virtual void move_attempts(const member_ptr& who, const link_ptr& from, const link_ptr& to) = 0;
};

struct fleet_options {
    std::string controller_id;
    nanoseconds beat_period = std::chrono::seconds(3);
    nanoseconds detection_timeout = std::chrono::seconds(30);
    nanoseconds cache_ttl = std::chrono::seconds(300);
    bool parallel_detection = true;
    bool auto_detection = true;  // off: dial only the protocol an endpoint names, keep declared facts only
    std::vector<std::string> disabled_detection;  // protocol names
    nanoseconds health_interval = std::chrono::seconds(30);
};
/// Of these, what can change while links are up: for detections, greetings and choices that come after it.
struct fleet_tuning {
    nanoseconds detection_timeout{0}, cache_ttl{0};
    bool parallel_detection = true, auto_detection = true;
    std::vector<std::string> disabled_detection;
    std::uint32_t detection_retries = 3;  // of a lane that nobody answered
    nanoseconds detection_retry_delay = std::chrono::seconds(1);
    // Which protocol a job uses.
    rung_rules rungs;
    std::map<std::string, double> protocol_weights;  // instead of the defaults
    std::string preferred_protocol;
    bool auto_selection = true;  // off: the job or the runner must name the protocol
    // When work that runs goes over to another protocol.
    bool migration = true;
    nanoseconds fallback_timeout = std::chrono::seconds(5);
    nanoseconds link_dwell = std::chrono::seconds(60);
    nanoseconds monitoring_interval = std::chrono::seconds(10);  // between pings, and the window of evidence
    nanoseconds load_window = std::chrono::seconds(60);
    nanoseconds runner_timeout = std::chrono::seconds(120);   // then one without a link leaves the index
    nanoseconds metrics_interval = std::chrono::seconds(60);  // between samples of the history
    nanoseconds history_retention = std::chrono::hours(24);
    quarantine_rules quarantine;
};

struct greeting;
struct told_facts;

/// Of a mask: jobs that name no protocol, while `auto_protocol_selection` is off. Runners that name theirs have it.
inline constexpr protocol_mask k_auto_protocol = 1u << 15;

class fleet final : public link_adopter, public link_handler, public std::enable_shared_from_this<fleet> {
public:
    fleet(plugin_host& host, registry& runners, selector& select, metrics& numbers, const clock& clk,
          fleet_options options);
    ~fleet() override;
    void set_attempt_handler(attempt_handler* handler) noexcept { attempts_ = handler; }
    /// Members for the restored runners; begins dialling and the periodic checks.
    void start();
    void stop();
    void tune(fleet_tuning now);

    // -- runners ---------------------------------------------------------------------------------------------------
    /// An agent says HELLO over an accepted connection; the answer is WELCOME with a ticket for adopt.
    result<std::string> admit(std::uint64_t session_number, std::string_view hello);
    /// An operator adds a runner that is to be dialled (or only declares one that dials in later).
    result<member_ptr> add(runner_identity identity, registry::stored_fn stored = {});
    /// What add would say, without doing it: whether name, profile and endpoint can be used here.
    result<void> check(const runner_identity& identity) const;
    result<void> remove(const member_ptr& m, std::string_view reason);
    /// Its links are closed; it may come back, if it is still let in. [any]
    void hang_up(const member_ptr& m);
    void set_admin(const member_ptr& m, admin_state state, std::string_view reason, registry::stored_fn stored = {});
    /// Asks again what the runner can do; `done` runs once the answer is in the registry.
    void detect(const member_ptr& m, std::function<void(result<void>)> done);
    /// Has the runner replace a plugin of its own, or all whose files changed if `plugin` is empty; `done` gets one record per
    /// plugin, once.
    void reload(const member_ptr& m, const std::string& plugin, remote_reloads::answer_fn done);
    result<member_ptr> find(std::string_view name_or_id);

    /// A protocol plugin was replaced: its links move to the new version, make before break, some at a time. Those that were
    /// dialled here are dialled again; runners that dialled in are asked to, if the plugin does not do that itself.
    void leave_protocol(const std::shared_ptr<instance>& old);

    /// Has the runner's work go over another protocol, make before break, and stay there until it breaks; "auto" takes that
    /// back. `done` runs once: the link is in use, or why not.
    void migrate(const member_ptr& m, const std::string& protocol, std::function<void(result<void>)> done);

    // -- for the job engine ----------------------------------------------------------------------------------------
    member_ptr at(slot_ref slot) const;
    /// In no order.
    std::vector<member_ptr> members() const;
    /// The other runners on its machine, as far as they say on which one they are; at most 64.
    std::vector<member_ptr> neighbours(const member& m) const { return hosts_.others_beside(m); }
    /// The best live link that suits; null if none. Only looks at an order that was made when something had changed.
    chosen_link choose(const member_ptr& m, const rung_request& request) const;
    chosen_link choose(const member_ptr& m, protocol_mask allowed) const { return choose(m, rung_request{allowed}); }
    /// The transport of this rung failed in what it was used for.
    void note_failure(const member_ptr& m, std::uint8_t protocol, const std::string& why);
    nanoseconds fallback_timeout() const { return nanoseconds(fallback_timeout_.load(std::memory_order_relaxed)); }
    /// The id of a protocol by name; 0xff if there is none.
    std::uint8_t protocol_of(std::string_view name) const noexcept;
    std::string_view protocol_name(std::uint8_t protocol) const noexcept { return protocols_.name(protocol); }
    /// The bit of a protocol by name, all for "auto".
    protocol_mask mask_of(std::string_view protocol) const noexcept;
    std::vector<std::string> protocol_names() const;
    /// Recomputes the status after links, places or an operator's wish changed; closes or opens it for selection.
    void refresh_status(const member_ptr& m, std::string_view reason);
    /// Asks the runners whose facts by these names change fast and have passed their ttl; at most every 2 s each.
    void freshen(const std::vector<std::string>& keys);
    /// What runners do with their jobs, for their quarantine (quarantine.cpp); under no lock of a job. `document`, `others`:
    /// see quarantine::fault.
    void note_fault(const member_ptr& m, runner_fault kind, std::uint64_t document, bool others, std::string_view why);
    void note_good(const member_ptr& m);
    cache_stats detection_stats() const { return detections_.stats(); }
    cache_census detection_census() const { return detections_.census(); }
    ttl_cache<json::object>::answer_info detection_age(const runner& r) const;

    // -- link_adopter, link_handler --------------------------------------------------------------------------------
    sigrun_result adopt(std::shared_ptr<instance> owner, std::uint64_t session_number, std::string_view ticket,
                        sigrun_link* raw, const sigrun_sink** frames, sigrun_error* error) noexcept override;
    sigrun_result on_frame(const link_ptr& from, const sigrun_frame& frame) override;
    void on_lost(const link_ptr& which, const std::string& reason) override;

private:
    struct pending {
        member_ptr who;
        std::string key;
        std::uint64_t generation = 0;
        time_point expires{};
        std::uint64_t session_number = 0;
        std::string process;
        bool moving = false;
    };
    member_ptr member_for(const runner_ptr& r);
    std::uint8_t protocol_id(std::string_view name) { return protocols_.add(name); }
    bool is_restart(const member_ptr& m, const std::string& process) const;
    /// Asks a native runner for its facts and its attempts; the answer is a HELLO.
    void ask_again(const member_ptr& m, const link_ptr& via) const;
    void ask_for_all(const member_ptr& m, const link_ptr& via);
    /// As a member of its frames may: "refused" of a request to change the protocol.
    void migration_refused(const member_ptr& m, const json::object& refused);
    sigrun_result on_hello(const member_ptr& m, const link_ptr& from, const json::object& hello);
    void send_verdicts(const link_ptr& via, const std::vector<inventory_item>& items,
                       const std::vector<verdict>& verdicts) const;
    bool apply_greeting(const member_ptr& m, const greeting& hello);  // as learn
    /// Takes what a runner tells of its facts. False: that is not enough to know them.
    bool learn(const member_ptr& m, const told_facts& told);
    void count_told(const char* how);
    /// Which of its states is known here, for the runner to go on from.
    json::object facts_known(const member_ptr& m) const;
    // protocol_facts.cpp
    fact protocol_fact(const runner& r) const;  // under its lock
    void protocols_changed(const member_ptr& m);
    void tell_protocols(const member_ptr& m);
    void declare(std::vector<fact>& facts, std::uint16_t slots, const std::vector<std::string>& kinds) const;
    /// `gently`: the link in whose place it comes still works, and what is on its way over it shall arrive.
    void attach_session(const member_ptr& m, session s, bool gently = false);
    void drop_session(const member_ptr& m, const link_ptr& via, const std::string& why);
    void reindex(const member_ptr& m);      // facts, labels, protocols or places changed
    void leave_index(const member_ptr& m);  // it has been gone for long
    void tick();
    void check_liveness(const member_ptr& m);
    void ping(const member_ptr& m, const link_ptr& via);
    void note_latency(const member_ptr& m, const link_ptr& via, std::int64_t rtt_ns);

    // which protocol is used (rung_choice.cpp)
    /// Makes the orders anew; tells when another rung is in use now.
    void rerank(const member_ptr& m, const std::string& why);
    void care_for_rungs(const member_ptr& m, time_point now);
    bool is_silent(member& m, session& s, time_point now, std::vector<link_ptr>& to_probe) const;
    void compare_windows(const member_ptr& m, const fleet_tuning& how, time_point now);
    bool names_protocol(const member_ptr& m) const;
    static std::string switch_reason(const member_ptr& m);
    void fill_rules(fleet_tuning& how);

    // those that work over a lower one (lower_rungs.cpp)
    static std::uint8_t missed_rung(const member& m, const rung_rules& rules, time_point now);
    void note_lower_rung(const member_ptr& m, const rung_rules& rules, time_point now);
    void note_lower_fleet(std::size_t linked, const std::map<std::uint8_t, std::size_t>& missed);

    // work goes over to another protocol (migration.cpp)
    struct migrations;
    void gather(const member_ptr& m, const std::string& why);
    void migration_done(const member_ptr& m, std::uint8_t protocol, const result<void>& how);
    void expire_migrations(time_point now);
    result<void> begin_migration(const member_ptr& m, std::uint8_t protocol, bool& waits);

    // what an endpoint speaks (detection.cpp)
    /// How a lane ended; after the last two nobody knows whether the protocol is spoken there.
    enum class lane_end : std::uint8_t { found, absent, silent, unreached };
    struct detection_round;
    struct looks;
    using detection_round_ptr = std::shared_ptr<detection_round>;
    /// `missing_only`: not those that have a link already, nor those whose breaker is open.
    void detect_protocols(const member_ptr& m, bool fresh, bool missing_only, std::function<void()> done);
    void fill_lanes(const member_ptr& m, detection_round& round, bool missing_only);
    void begin_round(const member_ptr& m, const detection_round_ptr& round);
    void begin_lane(const member_ptr& m, const detection_round_ptr& round, std::size_t index);
    void run_lane(const member_ptr& m, const detection_round_ptr& round, std::size_t index);
    void lane_ended(const member_ptr& m, const detection_round_ptr& round, std::size_t index,
                    const result<std::shared_ptr<const json::object>>& answer, lane_end end);
    void round_ended(const member_ptr& m, const detection_round_ptr& round);
    void not_found(const member_ptr& m, const detection_round& round);
    void tell_protocol_change(const member_ptr& m, const std::vector<std::string>& keys);
    static std::string detection_key(const member_ptr& m, const std::shared_ptr<instance>& protocol);

    // dial-out (dial_out.cpp)
    void dial_member(const member_ptr& m);
    /// `endpoint` is the one the uri was made of; it may have been changed when the link is there.
    void open_link(const member_ptr& m, const std::shared_ptr<instance>& protocol, const std::string& uri,
                   const std::string& endpoint);
    /// `instead_of`: the link it comes in the place of; null for a first one.
    void open_over(const member_ptr& m, const std::shared_ptr<instance>& protocol, const std::string& uri,
                   const std::string& endpoint, const link_ptr& instead_of);
    void greet(const member_ptr& m, const link_ptr& via, const std::string& endpoint, const link_ptr& instead_of);
    void dialled(const member_ptr& m, session s, const link_ptr& instead_of);
    void not_dialled(const member_ptr& m, std::uint8_t protocol, const link_ptr& instead_of, const problem& why);
    bool may_dial(const member_ptr& m, std::uint8_t protocol);
    /// Closes the sessions that were dialled at an endpoint which is not the runner's any more. True if there were any.
    bool drop_moved(const member_ptr& m);
    void dial_failed(const member_ptr& m, const std::string& reason);
    std::shared_ptr<const fleet_tuning> tuned() const {
        std::lock_guard lock(tuning_mutex_);
        return tuned_;
    }

    // runners that are set aside (quarantine.cpp)
    void try_again(const member_ptr& m);
    bool lift_quarantine(const member_ptr& m);
    void tell_released(const member_ptr& m, std::string_view by);
    void has_room(const member_ptr& m);

    // links that move to another connection (moving.cpp)
    struct moves;
    bool is_current(const std::shared_ptr<instance>& protocol) const;
    void move_away(const member_ptr& m, const session& s);
    void move_link(const member_ptr& m, const link_ptr& from);
    void move_failed(const link_ptr& from, const std::string& reason);
    void move_over(const link_ptr& from);
    void begin_moves();
    void wake_moves();
    void care_for_moves();
    bool begin_move(const member_ptr& m, const link_ptr& from);

    // links that others have replaced (leaving.cpp)
    bool look_after_leaving(const member_ptr& m);
    bool leaving_answered(const member_ptr& m, const link_ptr& from, bool with_attempts);
    bool end_leaving(const member_ptr& m, const link_ptr& via);

    plugin_host& host_;
    registry& runners_;
    selector& select_;
    metrics& numbers_;
    const clock& clock_;
    fleet_options options_;
    mutable std::mutex tuning_mutex_;
    std::shared_ptr<const fleet_tuning> tuned_;  // under its mutex
    attempt_handler* attempts_ = nullptr;
    ttl_cache<json::object> detections_;

    mutable std::shared_mutex mutex_;  // the maps below
    std::unordered_map<id, member_ptr> members_;
    std::unordered_map<std::uint64_t, member_ptr> by_slot_;  // slot_key
    std::map<std::string, pending, std::less<>> tickets_;
    protocol_table protocols_;
    std::atomic<std::int64_t> fallback_timeout_{5'000'000'000};
    std::atomic<bool> auto_selection_{true};
    std::shared_ptr<migrations> migrations_;

    remote_reloads reloads_;
    host_board hosts_;

    struct timer;
    std::shared_ptr<timer> timer_;
    std::shared_ptr<moves> moves_;
    std::shared_ptr<looks> looks_;
    bool fleet_lower_ = false;  // [ctl] told
    std::atomic<bool> stopping_{false};
    rundown answers_;  // of plugins, which may come while the daemon ends
};

}  // namespace sigrun
