#include "kernel/select/recording/replay.hpp"

#include "kernel/select/recording/view_image.hpp"

#include <algorithm>
#include <cstring>

namespace sigrun::picks {
namespace {

constexpr std::uint32_t k_max_slots = 16u << 20, k_max_cohorts = 1u << 20;

/// One thread's state in the balancer.
class thread_state {
public:
    thread_state(const sigrun_balancer* table, sigrun_instance* balancer, std::uint32_t thread)
        : table_(table), balancer_(balancer) {
        if (SIGRUN_HAS(table, thread_init)) state_ = table->thread_init(balancer, thread);
    }
    ~thread_state() {
        if (SIGRUN_HAS(table_, thread_fini)) table_->thread_fini(balancer_, state_);
    }
    thread_state(const thread_state&) = delete;
    thread_state& operator=(const thread_state&) = delete;
    void* get() const noexcept { return state_; }

private:
    const sigrun_balancer* const table_;
    sigrun_instance* balancer_;
    void* state_ = nullptr;
};

class replayer {
public:
    replayer(const header& h, std::string_view records, const sigrun_balancer* table, sigrun_instance* balancer)
        : table_(table),
          balancer_(balancer),
          state_(table, balancer, h.thread),
          image_(h.levels),
          all_(records),
          left_(records) {}

    result<replay_report> run() {
        while (!ended_) {
            char kind = 0;
            if (!take(kind)) return wrong("an end record", "the end of the file");
            SIGRUN_CHECK_OK(one(kind));
        }
        if (!left_.empty()) return wrong("nothing after the end record", std::to_string(left_.size()) + " bytes");
        return report_;
    }

private:
    result<void> one(char kind) {
        switch (kind) {
            case k_shape: return reshape();
            case k_words: return change();
            case k_pick: return pick();
            case k_done: return done();
            case k_end: return end();
            default:
                return wrong("a record of kind S, W, P, D or E",
                             "byte " + std::to_string(static_cast<unsigned char>(kind)));
        }
    }

    result<void> reshape() {
        view_image::shape s;
        if (!take(s.epoch) || !take(s.slots) || !take(s.pages) || !take(s.cohorts) || !take(s.zones)) return cut_off();
        if (s.slots > k_max_slots || s.cohorts > k_max_cohorts || s.zones > SIGRUN_ZONES ||
            s.slots != std::uint64_t{s.pages} * 64)
            return wrong("at most 16 Mi slots, 64 to a page, of at most 1 Mi kinds in 1024 zones",
                         std::to_string(s.slots) + " slots, " + std::to_string(s.pages) + " pages, " +
                             std::to_string(s.cohorts) + " kinds, " + std::to_string(s.zones) + " zones");
        image_.set_shape(s);
        told_ = sound_ = false;
        return {};
    }

    result<void> change() {
        std::uint32_t n = 0;
        if (!take(n) || left_.size() / k_word_bytes < n) return cut_off();
        for (; n; --n) {
            std::uint16_t section = 0;
            std::uint32_t index = 0;
            std::uint64_t value = 0;
            take(section), take(index), take(value);
            if (!image_.put(section, index, value))
                return wrong("a word of the view",
                             "word " + std::to_string(index) + " of section " + std::to_string(section));
        }
        sound_ = image_.sound();
        return {};
    }

    result<void> pick() {
        sigrun_req asked{};
        sigrun_pick then{}, now{};
        if (!take(asked) || !take(then)) return cut_off();
        if (!sound_ || asked.pred_pages_off)
            return wrong("a view that a host could have", "pages of kinds that are not there");
        if (asked.src_zone != SIGRUN_ZONE_UNKNOWN && asked.src_zone >= std::max(image_.current().zones, 1u))
            return wrong("a zone of the view", std::to_string(asked.src_zone));
        const sigrun_view view = image_.view();
        if (!told_ && SIGRUN_HAS(table_, on_snapshot)) {
            const sigrun_delta everything{sizeof everything, 0, 0, nullptr};
            table_->on_snapshot(balancer_, &view, &everything);
        }
        told_ = true;
        table_->pick(state_.get(), &view, &asked, 1, image_.feasible(), &now);
        if (std::memcmp(&then, &now, sizeof now) == 0)
            ++report_.equal;
        else if (!report_.first)
            report_.first = {report_.picks, then, now};
        ++report_.picks;
        return {};
    }

    result<void> done() {
        sigrun_done what{};
        if (!take(what)) return cut_off();
        if (SIGRUN_HAS(table_, done)) table_->done(state_.get(), &what, 1);
        return {};
    }

    result<void> end() {
        std::uint32_t n = 0;
        if (!take(n)) return cut_off();
        if (n != report_.picks) return wrong(std::to_string(n) + " picks", std::to_string(report_.picks));
        ended_ = true;
        return {};
    }

    template <class T>
    bool take(T& out) noexcept {
        if (left_.size() < sizeof out) return false;
        std::memcpy(&out, left_.data(), sizeof out);
        left_.remove_prefix(sizeof out);
        return true;
    }
    problem wrong(std::string expected, std::string found) const {
        return bad_value("recording, byte " + std::to_string(all_.size() - left_.size()) + " of the records",
                         std::move(expected), std::move(found));
    }
    problem cut_off() const { return wrong("the rest of a record", "the end of the file"); }

    const sigrun_balancer* const table_;
    sigrun_instance* const balancer_;
    thread_state state_;
    view_image image_;
    const std::string_view all_;
    std::string_view left_;
    replay_report report_;
    bool ended_ = false, told_ = false, sound_ = false;
};

}  // namespace

result<replay_report> replay(const header& h, std::string_view records, const sigrun_balancer* table,
                             sigrun_instance* balancer) {
    return replayer(h, records, table, balancer).run();
}

}  // namespace sigrun::picks
