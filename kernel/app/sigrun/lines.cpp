#include "kernel/app/sigrun/lines.hpp"

#include "kernel/base/json.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun::cli {
namespace {

constexpr std::chrono::milliseconds k_move_again{200};  // after a dial that failed, while the old link works

}  // namespace

lines::lines(plugin_host& host, std::shared_ptr<instance> protocol, std::string url, std::string auth,
             std::function<void()> lost)
    : host_(host),
      protocol_(std::move(protocol)),
      url_(std::move(url)),
      auth_(std::move(auth)),
      lost_(std::move(lost)),
      retry_(host.io()) {}

void lines::open(std::function<void(result<link_ptr>)> done) {
    const dial_target daemon{url_, "", ""};
    auto opened = [auth = auth_, done = std::move(done)](result<link_ptr> made) {
        if (made) (*made)->set_auth(auth);
        done(std::move(made));
    };
    dial(host_, protocol_, daemon, weak_from_this(), std::move(opened));
}

void lines::connect(std::function<void(result<void>)> done) {
    line_ptr old;
    {
        std::lock_guard lock(mutex_);
        old = std::exchange(now_, nullptr);
    }
    if (old) old->via->close();
    open([weak = weak_from_this(), done = std::move(done)](const result<link_ptr>& opened) {
        if (!opened) return done(opened.error());
        if (auto me = weak.lock()) {
            std::lock_guard lock(me->mutex_);
            if (!me->closed_) {
                me->now_ = std::make_shared<line>();
                me->now_->via = *opened;
                return done({});
            }
        }
        (*opened)->close();
        done(make_problem(errc::cancelled, "not wanted any more"));
    });
}

bool lines::connected() const {
    std::lock_guard lock(mutex_);
    return now_ && now_->via->alive();
}

void lines::call(std::string_view method, std::string_view params, std::string_view document, reply_fn replies,
                 std::function<void(result<void>)> done) {
    line_ptr over;
    {
        std::lock_guard lock(mutex_);
        over = now_;
        if (over) ++over->calls;
    }
    if (!over) return done(make_problem(errc::io, "not connected"));
    over->via->call(method, params, document, nullptr, std::move(replies),
                    [weak = weak_from_this(), over, done = std::move(done)](result<void> how) {
                        if (auto me = weak.lock()) me->call_over(over);
                        done(std::move(how));
                    });
}

void lines::call_over(const line_ptr& over) {
    {
        std::lock_guard lock(mutex_);
        if (--over->calls > 0 || !over->leaving) return;
        std::erase(leaving_, over);
    }
    over->via->close();
}

sigrun_result lines::on_frame(const link_ptr& from, const sigrun_frame& frame) {
    if (frame.kind != SIGRUN_BYE) return SIGRUN_OK;
    auto bye = parse_object(sdk::view(frame.json));
    if (!bye || !bool_or(*bye, "reconnect", false)) return SIGRUN_OK;
    {
        std::lock_guard lock(mutex_);
        if (!now_ || now_->via != from) return SIGRUN_OK;
        now_->asked = true;
    }
    move();
    return SIGRUN_OK;
}

void lines::move() {
    {
        std::lock_guard lock(mutex_);
        if (closed_ || moving_ || !now_ || !now_->asked || !now_->via->alive()) return;
        moving_ = true;
    }
    open([weak = weak_from_this()](const result<link_ptr>& opened) {
        auto me = weak.lock();
        if (!me) {
            if (opened) (*opened)->close();
            return;
        }
        if (!opened) return me->move_later();
        line_ptr old;
        bool idle = false;
        {
            std::lock_guard lock(me->mutex_);
            me->moving_ = false;
            old = me->now_;
            if (!me->closed_) {
                me->now_ = std::make_shared<line>();
                me->now_->via = *opened;
                if (old) old->leaving = true;
                idle = old && old->calls == 0;
                if (old && !idle) me->leaving_.push_back(old);
            }
        }
        if (idle) old->via->close();
        std::lock_guard lock(me->mutex_);
        if (me->closed_) (*opened)->close();
    });
}

void lines::move_later() {
    std::lock_guard lock(mutex_);
    moving_ = false;
    if (closed_) return;
    retry_.expires_after(k_move_again);
    retry_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
        if (auto me = weak.lock(); me && !ec) me->move();
    });
}

void lines::close() {
    std::vector<line_ptr> all;
    {
        std::lock_guard lock(mutex_);
        closed_ = true;
        all.swap(leaving_);
        if (now_) all.push_back(std::exchange(now_, nullptr));
        retry_.cancel();
    }
    for (const auto& each : all) each->via->close();
}

void lines::on_lost(const link_ptr&, const std::string&) { lost_(); }

}  // namespace sigrun::cli
