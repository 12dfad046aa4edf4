// The tables that check_host gives out.
#include "check_host_parts.hpp"

#include <sigrun/cpp/error.hpp>
#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun::check {

using sdk::concat;
using sdk::view;

struct check_host::slots {
    static check_host& of(const sigrun_host* h) noexcept { return *static_cast<check_host*>(h->ctx); }

    // ---- sigrun_host
    static const void* get_service(const sigrun_host* h, sigrun_str id) noexcept {
        auto& me = of(h);
        const auto name = view(id);
        if (!me.enter("get_service", true, false)) return nullptr;
        if (me.withheld_.missing == "*" || me.withheld_.missing == name) return nullptr;
        auto found = me.services_.find(name);
        return found == me.services_.end() ? nullptr : found->second->data();
    }
    static void complete(const sigrun_host* h, sigrun_op op, sigrun_result result, sigrun_buf* out) noexcept {
        auto& me = of(h);
        me.enter("complete", false, true);
        std::string text;
        if (out) {
            auto* b = buffer::of(out);
            text.assign(b->bytes.get(), static_cast<std::size_t>(b->length));
            release(out);
        }
        std::lock_guard lock(me.mutex_);
        if (!op || op > me.ops_.size()) {
            me.report_.fail("threads/completed-once", "only ops that the host gave are completed",
                            concat("op ", op, ", which it never gave"));
            return;
        }
        auto& record = me.ops_[op - 1];
        if (record.is_void || record.how.done) {
            me.report_.fail("threads/completed-once", concat("the op of ", record.what, " is completed once"),
                            record.is_void ? "a completion though its call had failed" : "a second completion");
            return;
        }
        record.how = {true, result, std::move(text)};
        me.changed_.notify_all();
    }

    // ---- log
    static std::uint32_t level(const sigrun_host* h) noexcept {
        (void)h;
        return SIGRUN_LOG_TRACE;
    }
    static void write(const sigrun_host* h, std::uint32_t, sigrun_str message, const sigrun_str* kv,
                      std::uint32_t n) noexcept {
        auto& me = of(h);
        me.enter("log.write", false, false);
        // Reading everything finds texts without pointer or end.
        std::size_t bytes = view(message).size() + std::string(view(message)).size();
        for (std::uint32_t i = 0; i < 2 * n; ++i) bytes += std::string(view(kv[i])).size();
        (void)bytes;
    }

    // ---- buffer
    static sigrun_buf* create(const sigrun_host* h, std::uint64_t capacity) noexcept try {
        auto& me = of(h);
        if (!me.enter("buffer.create", true, false)) return nullptr;
        if (capacity > (1u << 30)) return nullptr;
        auto made = std::make_unique<buffer>();
        made->owner = &me;
        made->bytes = std::make_unique<char[]>(static_cast<std::size_t>(capacity ? capacity : 1));
        made->capacity = capacity;
        std::lock_guard lock(me.mutex_);
        me.buffers_.push_back(std::move(made));
        return reinterpret_cast<sigrun_buf*>(me.buffers_.back().get());
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
    static void retain(sigrun_buf* buf) noexcept {
        if (!buf) return;
        auto* b = buffer::of(buf);
        if (b->references.fetch_add(1) <= 0) dead(*b, "retained");
    }
    static void release(sigrun_buf* buf) noexcept {
        if (!buf) return;
        auto* b = buffer::of(buf);
        const auto before = b->references.fetch_sub(1);
        if (before <= 0) dead(*b, "released");
        if (before == 1) b->bytes.reset();
    }
    static sigrun_result view_of(sigrun_buf* buf, void** ptr, std::uint64_t* len, std::uint64_t* capacity) noexcept {
        if (!buf) return SIGRUN_E_INVALID;
        auto* b = buffer::of(buf);
        if (b->references <= 0) {
            dead(*b, "viewed");
            return SIGRUN_E_INVALID;
        }
        if (ptr) *ptr = b->bytes.get();
        if (len) *len = b->length;
        if (capacity) *capacity = b->capacity;
        return SIGRUN_OK;
    }
    static sigrun_result set_len(sigrun_buf* buf, std::uint64_t len) noexcept {
        if (!buf || len > buffer::of(buf)->capacity) return SIGRUN_E_INVALID;
        buffer::of(buf)->length = len;
        return SIGRUN_OK;
    }
    static void dead(buffer& b, std::string_view how) noexcept {
        b.owner->report_.fail("threads/buffer-references", "a buffer is used only while a reference is held",
                              concat("one that was ", how, " after its last release"));
    }

    // ---- sched
    struct posted {
        check_host* owner;
        tag as;
        sigrun_fn fn;
        void* ctx;
    };
    static sdk::mock::task wrapped(check_host& me, tag as, sigrun_fn fn, void* ctx) {
        ++me.posted_;
        return {[](void* p) {
                    std::unique_ptr<posted> what(static_cast<posted*>(p));
                    auto& host = *what->owner;
                    host.here(what->as, "a posted function", [&] { what->fn(what->ctx); });
                    --host.posted_;
                },
                new posted{&me, as, fn, ctx}};
    }
    static sigrun_result post(const sigrun_host* h, std::uint32_t lane, sigrun_fn fn, void* ctx) noexcept {
        auto& me = of(h);
        if (!me.enter("sched.post", true, true)) return SIGRUN_E_BUSY;
        if (!fn) return SIGRUN_E_INVALID;
        if (lane == SIGRUN_LANE_CTL) return me.sched_.ctl.post(wrapped(me, tag::ctl, fn, ctx)), SIGRUN_OK;
        if (lane == SIGRUN_LANE_IO) return me.sched_.io.post(wrapped(me, tag::io, fn, ctx)), SIGRUN_OK;
        if (lane == SIGRUN_LANE_WORK) return me.sched_.work.post(wrapped(me, tag::work, fn, ctx)), SIGRUN_OK;
        return SIGRUN_E_INVALID;
    }
    static scheduled& record(check_host& me) {
        std::lock_guard lock(me.mutex_);
        me.scheduled_.push_back(std::make_unique<scheduled>());
        me.scheduled_.back()->owner = &me;
        return *me.scheduled_.back();
    }
    static sigrun_result timer(const sigrun_host* h, std::uint64_t delay, std::uint64_t period, sigrun_fn fn, void* ctx,
                               std::uint64_t* id) noexcept {
        auto& me = of(h);
        if (!me.enter("sched.timer", true, true)) return SIGRUN_E_BUSY;
        if (!fn) return SIGRUN_E_INVALID;
        auto& s = record(me);
        s.fn = fn;
        s.ctx = ctx;
        s.repeats = period != 0;
        s.id = me.sched_.io.timer(delay, period,
                                  {[](void* p) {
                                       auto& one = *static_cast<scheduled*>(p);
                                       if (!one.repeats) {
                                           std::lock_guard lock(one.owner->mutex_);
                                           one.live = false;
                                       }
                                       ++one.owner->posted_;
                                       one.owner->here(tag::io, "a timer's function", [&] { one.fn(one.ctx); });
                                       --one.owner->posted_;
                                   },
                                   &s});
        if (id) *id = s.id;
        return SIGRUN_OK;
    }
    static sigrun_result fd_watch(const sigrun_host* h, std::int32_t fd, std::uint32_t events,
                                  void (*cb)(void*, std::int32_t, std::uint32_t), void* ctx,
                                  std::uint64_t* id) noexcept {
        auto& me = of(h);
        if (!me.enter("sched.fd_watch", true, true)) return SIGRUN_E_BUSY;
        if (fd < 0 || !events || (events & ~3u) || !cb) return SIGRUN_E_INVALID;
        auto& s = record(me);
        s.on_fd = cb;
        s.ctx = ctx;
        s.repeats = true;
        s.id = me.sched_.io.watch(
            fd, events,
            [](void* p, std::int32_t ready, std::uint32_t what) {
                auto& one = *static_cast<scheduled*>(p);
                ++one.owner->posted_;
                one.owner->here(tag::io, "a watch's function", [&] { one.on_fd(one.ctx, ready, what); });
                --one.owner->posted_;
            },
            &s);
        if (id) *id = s.id;
        return SIGRUN_OK;
    }
    static sigrun_result stop(const sigrun_host* h, std::uint64_t id, sigrun_fn done, void* ctx) noexcept {
        auto& me = of(h);
        me.enter("sched.stop", false, true);
        {
            std::lock_guard lock(me.mutex_);
            for (auto& s : me.scheduled_)
                if (s->id == id) s->live = false;
        }
        sdk::mock::task task{nullptr, nullptr};
        if (done) task = wrapped(me, tag::io, done, ctx);
        if (me.sched_.io.stop(id, task)) return SIGRUN_OK;
        if (done) {
            delete static_cast<posted*>(task.ctx);  // done is not called for an id that was never given
            --me.posted_;
        }
        return SIGRUN_E_NOT_FOUND;
    }
    static sigrun_result thread_enter(const sigrun_host* h, sigrun_str name, std::uint64_t* token) noexcept {
        auto& me = of(h);
        if (t_thread.as == tag::foreign) t_thread.as = tag::own;
        me.enter("sched.thread_enter", false, true);
        std::lock_guard lock(me.mutex_);
        *token = ++me.next_thread_;
        me.threads_[*token] = std::string(view(name));
        return SIGRUN_OK;
    }
    static void thread_leave(const sigrun_host* h, std::uint64_t token) noexcept {
        auto& me = of(h);
        me.enter("sched.thread_leave", false, true);
        bool known = false;
        {
            std::lock_guard lock(me.mutex_);
            known = me.threads_.erase(token) > 0;
        }
        if (!known)
            me.report_.fail("threads/unregistered", "thread_leave has the token of a thread_enter",
                            concat("token ", token));
        if (t_thread.as == tag::own) t_thread.as = tag::foreign;
    }

    // ---- call, link
    static sigrun_result send_answer(const sigrun_sink& sink) {
        sigrun_frame frame{};
        frame.struct_size = sizeof frame;
        frame.kind = SIGRUN_REPLY;
        frame.flags = SIGRUN_FRAME_LAST;
        frame.json = sdk::str("{}");
        return sink.on_frame(sink.ctx, &frame);
    }
    static sigrun_result begin(const sigrun_host* h, std::uint64_t, const sigrun_call* call, const sigrun_sink* replies,
                               std::uint64_t* id, sigrun_error* error) noexcept {
        auto& me = of(h);
        if (!me.enter("call.begin", true, true))
            return sdk::report(error, SIGRUN_E_BUSY, R"({"code":"busy","title":"the host refuses calls"})");
        if (std::string(view(call->method)).empty())
            return sdk::report(error, SIGRUN_E_INVALID, R"({"code":"invalid","title":"no method"})");
        if (!me.later_) {
            *id = 0;
            me.here(tag::any, "a reply sink", [&] { send_answer(*replies); });
            return SIGRUN_OK;
        }
        std::lock_guard lock(me.mutex_);
        *id = ++me.next_call_;
        me.open_calls_.insert(*id);
        me.later_calls_.push_back(std::make_unique<later_call>(later_call{&me, *replies, *id}));
        ++me.posted_;
        me.answers_.post({[](void* p) {
                              auto& one = *static_cast<later_call*>(p);
                              bool wanted = false;
                              {
                                  std::lock_guard inner(one.owner->mutex_);
                                  wanted = one.owner->open_calls_.erase(one.id) > 0;
                              }
                              if (wanted) one.owner->here(tag::any, "a reply sink", [&] { send_answer(one.sink); });
                              --one.owner->posted_;
                          },
                          me.later_calls_.back().get()});
        return SIGRUN_PENDING;
    }
    static void resume(const sigrun_host* h, std::uint64_t) noexcept { of(h).enter("call.resume", false, true); }
    static void end(const sigrun_host* h, std::uint64_t id, sigrun_fn done, void* ctx) noexcept {
        auto& me = of(h);
        me.enter("call.end", false, true);
        {
            std::lock_guard lock(me.mutex_);
            me.open_calls_.erase(id);
        }
        if (done) me.answers_.post(wrapped(me, tag::work, done, ctx));  // behind a reply that may be running
    }
    static sigrun_result adopt(const sigrun_host* h, std::uint64_t, sigrun_str, sigrun_link*, const sigrun_sink**,
                               sigrun_error* error) noexcept {
        of(h).enter("link.adopt", false, true);
        return sdk::report(error, SIGRUN_E_DENIED, R"({"code":"forbidden","title":"this host adopts no links"})");
    }

    // ---- metric
    static sigrun_metric* series(const sigrun_host* h, sigrun_str name, sigrun_str, const sigrun_str* kv,
                                 std::uint32_t n) noexcept {
        auto& me = of(h);
        if (t_thread.as != tag::ctl && t_thread.as != tag::foreign)
            me.report_.fail("threads/wrong-lane", "metrics are made on the control thread",
                            concat("metric.counter or gauge called in ", t_thread.slot));
        if (!me.enter("metric.make", true, true)) return nullptr;
        const auto text = view(name);
        if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return nullptr;
        if (text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:") != text.npos)
            return nullptr;
        std::string key(text);
        for (std::uint32_t i = 0; i < 2 * n; ++i) key += concat(",", view(kv[i]));
        std::lock_guard lock(me.mutex_);
        return reinterpret_cast<sigrun_metric*>(&me.metrics_[key]);
    }
    static void number(sigrun_metric*, double) noexcept {}

    struct dial_record {
        check_host* owner;
        sigrun_dialled done;
        void* ctx;
    };
    static sigrun_result dial(const sigrun_host* h, const sigrun_net_target* target, sigrun_dialled done, void* ctx,
                              std::uint64_t* id, sigrun_error* error) noexcept {
        auto& me = of(h);
        if (!me.enter("net.dial", true, true)) return sdk::report(error, SIGRUN_E_BUSY, "too many dials");
        if (!target || !done) return SIGRUN_E_INVALID;
        return sdk::guarded(error, [&] {
            auto one = std::make_unique<dial_record>(dial_record{&me, done, ctx});
            ++me.posted_;
            const auto begun = me.dials_.dial(*target, &dialled, one.get(), id, error);
            if (begun < 0)
                --me.posted_;
            else
                one.release();
            return begun;
        });
    }
    static void dialled(void* p, sigrun_result result, const sigrun_connection* connection,
                        const sigrun_error* error) noexcept {
        const std::unique_ptr<dial_record> one(static_cast<dial_record*>(p));
        one->owner->here(tag::io, "a dial's done", [&] { one->done(one->ctx, result, connection, error); });
        --one->owner->posted_;
    }
    static void cancel(const sigrun_host* h, std::uint64_t id) noexcept {
        auto& me = of(h);
        me.enter("net.cancel", false, true);
        me.dials_.cancel(id);
    }
};

template <class Table>
void check_host::offer(const char* id, const Table& table) {
    std::uint32_t size = sizeof(Table) + withheld_.grown;
    if (withheld_.cut == id) size = withheld_.cut_size;
    // A newer host's table really is larger, by slots that this plugin cannot know.
    std::string bytes(std::max<std::size_t>(size, sizeof(Table)), '\x5a');
    std::memcpy(bytes.data(), &table, sizeof(Table));
    auto made = std::make_unique<guarded_bytes>(bytes.data(), size);
    std::memcpy(made->data(), &size, sizeof size);
    services_[id] = std::move(made);
}

check_host::check_host(reporter& report, faults withheld) : report_(report), withheld_(std::move(withheld)) {
    using s = slots;
    sigrun_host host{};
    host.struct_size = sizeof host;
    host.abi_major = SIGRUN_ABI_MAJOR;
    host.abi_minor = SIGRUN_ABI_MINOR;
    host.ctx = this;
    host.generation = 1;
    host.get_service = &s::get_service;
    host.complete = &s::complete;
    host_table_ = std::make_unique<guarded_table<sigrun_host>>(host);
    offer(SIGRUN_SVC_LOG, sigrun_svc_log{sizeof(sigrun_svc_log), 0, &s::level, &s::write});
    offer(SIGRUN_SVC_BUFFER, sigrun_svc_buffer{sizeof(sigrun_svc_buffer), 0, &s::create, &s::retain, &s::release,
                                               &s::view_of, &s::set_len});
    offer(SIGRUN_SVC_SCHED, sigrun_svc_sched{sizeof(sigrun_svc_sched), 0, &s::post, &s::timer, &s::fd_watch, &s::stop,
                                             &s::thread_enter, &s::thread_leave});
    offer(SIGRUN_SVC_CALL, sigrun_svc_call{sizeof(sigrun_svc_call), 0, &s::begin, &s::resume, &s::end});
    offer(SIGRUN_SVC_LINK, sigrun_svc_link{sizeof(sigrun_svc_link), 0, &s::adopt});
    offer(SIGRUN_SVC_METRIC,
          sigrun_svc_metric{sizeof(sigrun_svc_metric), 0, &s::series, &s::series, &s::number, &s::number});
    offer(SIGRUN_SVC_NET, sigrun_svc_net{sizeof(sigrun_svc_net), 0, &s::dial, &s::cancel});
}

}  // namespace sigrun::check
