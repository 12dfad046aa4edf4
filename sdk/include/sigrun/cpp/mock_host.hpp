// sigrun/cpp/mock_host.hpp: a host for unit tests of plugins. Everything is real but the kernel behind it:
// logs are kept, ops waited for, buffers and threads counted, posts, timers and descriptor watches run on
// threads of its own.
//
//   mock_host host;                                            // before the test's sinks and after its
//   functions auto* sqlite = host.start(host.create("sqlite", {{"path", file}})); auto op = host.mint();
//   ASSERT_EQ(table->own(sqlite, SIGRUN_OWN_TAKE, &fence, 0, op), SIGRUN_PENDING);
//   EXPECT_EQ(host.wait(op).result, SIGRUN_OK);
//   host.destroy(sqlite);
//
// Thread-safe; the on_* functions are set before anything can call them and run on the plugin's threads.
// Link <plugin>_objects (create uses its sigrun_plugin_entry_v1) or pass an entry to create_from.
#pragma once

#include <sigrun/cpp/error.hpp>
#include <sigrun/cpp/host.hpp>
#include <sigrun/cpp/mock_buffer.hpp>
#include <sigrun/cpp/mock_config.hpp>
#include <sigrun/cpp/mock_net.hpp>
#include <sigrun/cpp/mock_sched.hpp>
#include <sigrun/cpp/recording_sink.hpp>
#include <sigrun/plugin.h>

#include <functional>
#include <list>
#include <set>

extern "C" __attribute__((weak)) const sigrun_entry* sigrun_plugin_entry_v1(const sigrun_hello* hello);

namespace sigrun::sdk {

class mock_host {
public:
    mock_host() { abi_ = {sizeof abi_, SIGRUN_ABI_MAJOR, SIGRUN_ABI_MINOR, this, 1, &get_service, &complete_op}; }
    /// Destroys the instances that are left, newest first, unloads, runs what was posted and joins.
    ~mock_host() {
        while (!instances_.empty()) destroy(instances_.back());
        for (const auto* entry : loaded_)
            if (entry->unload) entry->unload(&abi_);
    }
    mock_host(const mock_host&) = delete;
    mock_host& operator=(const mock_host&) = delete;

    const sigrun_host* abi() const noexcept { return &abi_; }
    host get() const { return host(&abi_); }

    // ---- Ops
    struct outcome {
        sigrun_result result = SIGRUN_PENDING;
        std::string text;  // content of the buffer the op was completed with
    };
    sigrun_op mint() {
        std::lock_guard lock(mutex_);
        ops_.emplace_back();
        return ops_.size();
    }
    /// The starting call failed: the op is void and no longer counts as open.
    void forget(sigrun_op op) {
        std::lock_guard lock(mutex_);
        ops_.at(op - 1).is_void = true;
    }
    /// Throws std::runtime_error on the deadline.
    outcome wait(sigrun_op op, std::chrono::milliseconds deadline = std::chrono::seconds(10)) {
        std::unique_lock lock(mutex_);
        auto& slot = ops_.at(op - 1);
        if (!changed_.wait_for(lock, deadline, [&] { return slot.done; }))
            throw std::runtime_error(concat("op ", op, " was not completed within ", deadline.count(), " ms"));
        return slot.what;
    }
    bool completed(sigrun_op op) const {
        std::lock_guard lock(mutex_);
        return ops_.at(op - 1).done;
    }

    // ---- Calls and links: what the kernel behind a protocol plugin does
    std::function<sigrun_result(std::uint64_t session, const sigrun_call& call, const sigrun_sink& replies,
                                std::uint64_t* call_id, sigrun_error* error)>
        on_call;
    std::function<void(std::uint64_t call_id)> on_resume;
    std::function<void(std::uint64_t call_id)> on_end;
    std::function<sigrun_result(std::uint64_t session, std::string_view ticket, sigrun_link* link,
                                const sigrun_sink** frames, sigrun_error* error)>
        on_adopt;

    // ---- Instances
    /// Options are validated and defaulted from the component's table. Throws failure with the plugin's text.
    sigrun_instance* create(std::string_view component, std::map<std::string, std::string> options = {}) {
        if (!sigrun_plugin_entry_v1) throw failure(SIGRUN_E_NOT_FOUND, "no plugin is linked into this test");
        sigrun_hello hello{sizeof hello,     SIGRUN_ABI_MAJOR,       SIGRUN_ABI_MINOR, 0,
                           str("mock_host"), str(SIGRUN_SDK_VERSION)};
        const auto* entry = sigrun_plugin_entry_v1(&hello);
        if (!entry) throw failure(SIGRUN_E_UNSUPPORTED, "the plugin refused this ABI version");
        return create_from(*entry, component, options);
    }
    sigrun_instance* create_from(const sigrun_entry& entry, std::string_view component,
                                 const std::map<std::string, std::string>& options = {}) {
        mock::config config(find(entry, component), options);
        error_text error;
        if (std::find(loaded_.begin(), loaded_.end(), &entry) == loaded_.end()) {
            if (entry.load && entry.load(&abi_, &error.abi) < 0)
                throw failure(error.abi.code, std::string(error.text()));
            loaded_.push_back(&entry);
        }
        sigrun_instance* made = nullptr;
        if (auto r = entry.create(&abi_, str(component), config.abi(), &made, &error.abi); r < 0)
            throw failure(r, std::string(error.text()));
        instances_.push_back(made);
        return made;
    }
    /// Calls the instance's start, if it has one; throws failure with the plugin's text. Returns the
    /// instance.
    sigrun_instance* start(sigrun_instance* instance) {
        error_text error;
        if (instance->start)
            if (auto r = instance->start(instance, &error.abi); r < 0) throw failure(r, std::string(error.text()));
        return instance;
    }
    /// config_prepare, then commit, or abort as the host does it: on failure, which is thrown, and when the values need a new
    /// instance. Returns the effect.
    std::uint32_t reconfigure(sigrun_instance* instance, const sigrun_entry& entry, std::string_view component,
                              const std::map<std::string, std::string>& options) {
        mock::config config(find(entry, component), options);
        error_text error;
        std::uint32_t effect = SIGRUN_EFFECT_NONE;
        if (auto r = instance->config_prepare(instance, config.abi(), &effect, &error.abi); r < 0) {
            instance->config_abort(instance);
            throw failure(r, std::string(error.text()));
        }
        if (effect == SIGRUN_EFFECT_NEEDS_NEW_INSTANCE)
            instance->config_abort(instance);
        else
            instance->config_commit(instance);
        return effect;
    }
    void destroy(sigrun_instance* instance) {
        instances_.remove(instance);
        instance->destroy(instance);
    }

    // ---- What a plugin left behind
    std::vector<std::string> log_lines() const {
        std::lock_guard lock(mutex_);
        return log_;
    }
    std::size_t open_ops() const {
        std::lock_guard lock(mutex_);
        std::size_t n = 0;
        for (const auto& slot : ops_) n += !slot.done && !slot.is_void;
        return n;
    }
    std::size_t live_buffers() const { return live_buffers_->load(); }
    std::size_t live_threads() const {
        std::lock_guard lock(mutex_);
        return threads_.size();
    }
    /// Completions of ops that were completed before, void, or never minted.
    std::size_t double_completions() const {
        std::lock_guard lock(mutex_);
        return double_completions_;
    }
    /// A series as "name" or "name{key=value,...}"; nothing if the plugin never made it.
    std::optional<double> metric(std::string_view name) const {
        std::lock_guard lock(mutex_);
        auto found = metrics_.find(std::string(name));
        if (found == metrics_.end()) return std::nullopt;
        return found->second.value.load();
    }

private:
    struct op_slot {
        bool done = false;
        bool is_void = false;
        outcome what;
    };
    struct series {
        std::atomic<double> value{0};
        bool counter = false;
    };

    static mock_host& self(const sigrun_host* h) noexcept { return *static_cast<mock_host*>(h->ctx); }

    static const sigrun_component& find(const sigrun_entry& entry, std::string_view id) {
        const char* next = reinterpret_cast<const char*>(entry.components);
        for (std::uint32_t i = 0; i < entry.n_components; ++i) {
            const auto& c = *reinterpret_cast<const sigrun_component*>(next);
            if (view(c.id) == id) return c;
            next += c.struct_size;
        }
        throw failure(SIGRUN_E_NOT_FOUND, concat("the plugin has no component '", id, "'"));
    }

    static void complete_op(const sigrun_host* h, sigrun_op op, sigrun_result result, sigrun_buf* out) noexcept {
        auto& host = self(h);
        std::string text(mock::content(out));
        mock::release(out);
        std::lock_guard lock(host.mutex_);
        if (!op || op > host.ops_.size() || host.ops_[op - 1].done || host.ops_[op - 1].is_void) {
            ++host.double_completions_;
            return;
        }
        host.ops_[op - 1] = {true, false, {result, std::move(text)}};
        host.changed_.notify_all();
    }

    static const void* get_service(const sigrun_host*, sigrun_str id) noexcept {
        auto name = view(id);
        if (name == SIGRUN_SVC_LOG) return log_service();
        if (name == SIGRUN_SVC_BUFFER) return buffer_service();
        if (name == SIGRUN_SVC_SCHED) return sched_service();
        if (name == SIGRUN_SVC_CALL) return call_service();
        if (name == SIGRUN_SVC_LINK) return link_service();
        if (name == SIGRUN_SVC_METRIC) return metric_service();
        if (name == SIGRUN_SVC_NET) return net_service();
        return nullptr;
    }

    static std::string pairs(const sigrun_str* kv, std::uint32_t n, std::string_view between) {
        std::string out;
        for (std::uint32_t i = 0; i < n; ++i)
            out += concat(i ? between : std::string_view(), view(kv[2 * i]), "=", view(kv[2 * i + 1]));
        return out;
    }
    static sigrun_metric* make_metric(const sigrun_host* h, sigrun_str name, const sigrun_str* kv, std::uint32_t n,
                                      bool counter) noexcept {
        auto text = view(name);
        auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':'; };
        if (text.empty() || !fits(text[0])) return nullptr;
        for (char c : text)
            if (!fits(c) && (c < '0' || c > '9')) return nullptr;
        auto& host = self(h);
        std::lock_guard lock(host.mutex_);
        auto& made = host.metrics_[n ? concat(text, "{", pairs(kv, n, ","), "}") : std::string(text)];
        made.counter = counter;
        return reinterpret_cast<sigrun_metric*>(&made);
    }

    static const sigrun_svc_log* log_service() noexcept {
        static constexpr sigrun_svc_log table{
            sizeof(sigrun_svc_log), 0, [](const sigrun_host*) noexcept -> std::uint32_t { return SIGRUN_LOG_TRACE; },
            [](const sigrun_host* h, std::uint32_t level, sigrun_str message, const sigrun_str* kv,
               std::uint32_t n) noexcept {
                static constexpr std::string_view names[] = {"?", "error", "warning", "info", "debug", "trace"};
                auto line = concat(names[level <= 5 ? level : 0], ": ", view(message));
                if (n) line += concat(" ", pairs(kv, n, " "));
                std::lock_guard lock(self(h).mutex_);
                self(h).log_.push_back(std::move(line));
            }};
        return &table;
    }
    static const sigrun_svc_buffer* buffer_service() noexcept {
        static constexpr sigrun_svc_buffer table{sizeof(sigrun_svc_buffer),
                                                 0,
                                                 [](const sigrun_host* h, std::uint64_t n) noexcept {
                                                     return mock::buffer_block::make(self(h).live_buffers_, n);
                                                 },
                                                 &mock::retain,
                                                 &mock::release,
                                                 &mock::view,
                                                 &mock::set_len};
        return &table;
    }
    static const sigrun_svc_sched* sched_service() noexcept {
        static constexpr sigrun_svc_sched table{
            sizeof(sigrun_svc_sched),
            0,
            [](const sigrun_host* h, std::uint32_t lane, sigrun_fn fn, void* ctx) noexcept -> sigrun_result {
                auto& s = self(h).sched_;
                if (lane == SIGRUN_LANE_CTL) return s.ctl.post({fn, ctx}), SIGRUN_OK;
                if (lane == SIGRUN_LANE_IO) return s.io.post({fn, ctx}), SIGRUN_OK;
                if (lane == SIGRUN_LANE_WORK) return s.work.post({fn, ctx}), SIGRUN_OK;
                return SIGRUN_E_INVALID;
            },
            [](const sigrun_host* h, std::uint64_t delay, std::uint64_t period, sigrun_fn fn, void* ctx,
               std::uint64_t* id) noexcept -> sigrun_result {
                auto made = self(h).sched_.io.timer(delay, period, {fn, ctx});
                if (id) *id = made;
                return SIGRUN_OK;
            },
            [](const sigrun_host* h, std::int32_t fd, std::uint32_t events, mock::io_lane::on_fd cb, void* ctx,
               std::uint64_t* id) noexcept -> sigrun_result {
                if (fd < 0 || !events || (events & ~3u)) return SIGRUN_E_INVALID;
                self(h).sched_.io.watch(fd, events, cb, ctx, id);
                return SIGRUN_OK;
            },
            [](const sigrun_host* h, std::uint64_t id, sigrun_fn done, void* ctx) noexcept -> sigrun_result {
                return self(h).sched_.io.stop(id, {done, ctx}) ? SIGRUN_OK : SIGRUN_E_NOT_FOUND;
            },
            [](const sigrun_host* h, sigrun_str, std::uint64_t* token) noexcept -> sigrun_result {
                std::lock_guard lock(self(h).mutex_);
                *token = ++self(h).next_thread_;
                self(h).threads_.insert(*token);
                return SIGRUN_OK;
            },
            [](const sigrun_host* h, std::uint64_t token) noexcept {
                std::lock_guard lock(self(h).mutex_);
                if (!self(h).threads_.erase(token)) self(h).log_.push_back("error: thread_leave without thread_enter");
            }};
        return &table;
    }
    static const sigrun_svc_call* call_service() noexcept {
        static constexpr sigrun_svc_call table{
            sizeof(sigrun_svc_call), 0,
            [](const sigrun_host* h, std::uint64_t session, const sigrun_call* call, const sigrun_sink* replies,
               std::uint64_t* call_id, sigrun_error* error) noexcept -> sigrun_result {
                if (!self(h).on_call) return report(error, SIGRUN_E_UNSUPPORTED, "the test has set no on_call");
                return guarded(error, [&] { return self(h).on_call(session, *call, *replies, call_id, error); });
            },
            [](const sigrun_host* h, std::uint64_t call_id) noexcept {
                if (self(h).on_resume) self(h).on_resume(call_id);
            },
            [](const sigrun_host* h, std::uint64_t call_id, sigrun_fn done, void* ctx) noexcept {
                if (self(h).on_end) self(h).on_end(call_id);
                if (done) done(ctx);
            }};
        return &table;
    }
    static const sigrun_svc_link* link_service() noexcept {
        static constexpr sigrun_svc_link table{
            sizeof(sigrun_svc_link), 0,
            [](const sigrun_host* h, std::uint64_t session, sigrun_str ticket, sigrun_link* link,
               const sigrun_sink** frames, sigrun_error* error) noexcept -> sigrun_result {
                if (!self(h).on_adopt) return report(error, SIGRUN_E_UNSUPPORTED, "the test has set no on_adopt");
                return guarded(error, [&] { return self(h).on_adopt(session, view(ticket), link, frames, error); });
            }};
        return &table;
    }
    static const sigrun_svc_metric* metric_service() noexcept {
        static constexpr sigrun_svc_metric table{
            sizeof(sigrun_svc_metric),
            0,
            [](const sigrun_host* h, sigrun_str name, sigrun_str, const sigrun_str* kv, std::uint32_t n) noexcept {
                return make_metric(h, name, kv, n, true);
            },
            [](const sigrun_host* h, sigrun_str name, sigrun_str, const sigrun_str* kv, std::uint32_t n) noexcept {
                return make_metric(h, name, kv, n, false);
            },
            [](sigrun_metric* m, double value) noexcept {
                auto* s = reinterpret_cast<series*>(m);
                if (s && !(s->counter && value < 0)) s->value.fetch_add(value);
            },
            [](sigrun_metric* m, double value) noexcept {
                auto* s = reinterpret_cast<series*>(m);
                if (s && !s->counter) s->value.store(value);
            }};
        return &table;
    }

    static const sigrun_svc_net* net_service() noexcept {
        static constexpr sigrun_svc_net table{
            sizeof(sigrun_svc_net), 0,
            [](const sigrun_host* h, const sigrun_net_target* target, sigrun_dialled done, void* ctx, std::uint64_t* id,
               sigrun_error* error) noexcept -> sigrun_result {
                return guarded(error, [&] { return self(h).net_.dial(*target, done, ctx, id, error); });
            },
            [](const sigrun_host* h, std::uint64_t id) noexcept { self(h).net_.cancel(id); }};
        return &table;
    }

    sigrun_host abi_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<op_slot> ops_;
    std::vector<std::string> log_;
    std::map<std::string, series> metrics_;
    std::set<std::uint64_t> threads_;
    std::uint64_t next_thread_ = 0;
    std::size_t double_completions_ = 0;
    std::shared_ptr<std::atomic<std::size_t>> live_buffers_ = std::make_shared<std::atomic<std::size_t>>(0);
    std::list<sigrun_instance*> instances_;
    std::vector<const sigrun_entry*> loaded_;
    mock::dialler net_;  // these two last: their threads end before what they use
    mock::scheduler sched_;
};

}  // namespace sigrun::sdk
