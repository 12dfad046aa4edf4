#include "bench/sim/simulation.hpp"

#include "bench/sim/sinkhole_watch.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <queue>

namespace sigrun::sim {
namespace {

constexpr nanos k_warm_up = 4 * k_second;    // until estimates have settled, but at most 40 % of the jobs
constexpr std::uint32_t k_max_retries = 3;   // interface.max_retries
constexpr nanos k_retry_delay = k_mean_job;  // the daemon's default is for jobs of seconds
constexpr nanos k_fails_after = 100'000;     // a sinkhole

enum class step : std::uint8_t { reach, finish, report, retry, doubt, impatience, tick };

struct event {
    nanos at = 0;
    std::uint64_t order = 0;
    std::uint32_t job = 0;
    step what = step::reach;
    bool operator>(const event& other) const noexcept { return at != other.at ? at > other.at : order > other.order; }
};

struct attempt {
    std::uint32_t runner = 0;
    std::uint8_t tries = 0, decided = 0;
    bool fails = false, in_line = false;
    nanos placed = 0, reached = 0, started = 0, finished = 0, doubt_after = 0;
    std::vector<std::uint32_t> failed_on{};
};

struct place_queue {
    std::uint32_t busy = 0;
    std::deque<std::uint32_t> jobs{};  // that came when all places were taken
};

class world {
public:
    world(const regime& r, const policy_kind& kind, const run_options& o)
        : regime_(r),
          seed_(o.seed),
          jobs_(make_jobs(r, o.seed, o.jobs, capacity(r))),
          half_way_(jobs_[jobs_.size() / 2].arrival),
          fleet_(build_fleet(r, o.seed, half_way_)),
          runners_(r.runners),
          attempts_(jobs_.size()),
          policies_(make_policies(kind, r, fleet_, o.seed)),
          waiting_(policies_.size()),
          // The oracle knows at once, so that a round trip costs it no place.
          omniscient_(kind.from == policy_kind::origin::bound),
          warm_(settled(jobs_)),
          watch_(fleet_) {
        times_.reserve(jobs_.size());
    }

    figures run() {
        schedule(k_second, 0, step::tick);
        const auto begin = std::chrono::steady_clock::now();
        std::uint32_t next = 0;
        while (next < jobs_.size() || left_) {
            if (next < jobs_.size() && (events_.empty() || jobs_[next].arrival <= events_.top().at)) {
                now_ = jobs_[next].arrival;
                enqueue(next++);
                continue;
            }
            const event e = events_.top();
            events_.pop();
            now_ = e.at;
            take(e);
        }
        figures out = summary();
        out.wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        return out;
    }

private:
    static std::uint32_t settled(const std::vector<job>& jobs) {
        const auto after = std::find_if(jobs.begin(), jobs.end(), [](const job& j) { return j.arrival >= k_warm_up; });
        return static_cast<std::uint32_t>(std::min<std::ptrdiff_t>(after - jobs.begin(), std::ssize(jobs) * 2 / 5));
    }

    void schedule(nanos at, std::uint32_t job, step what) { events_.push({at, order_++, job, what}); }
    std::size_t door(std::uint32_t j) const noexcept { return policies_.size() > 1 ? jobs_[j].dispatcher : 0; }
    nanos one_way(std::uint32_t runner) const noexcept { return omniscient_ ? 0 : fleet_[runner].rtt / 2; }

    void take(const event& e) {
        switch (e.what) {
            case step::reach: return reach(e.job);
            case step::finish: return finish(e.job);
            case step::report: return report(e.job);
            case step::retry: return enqueue(e.job);
            case step::doubt: return doubt(e.job);
            case step::impatience: return lose_patience(e.job);
            case step::tick: return tick();
        }
    }

    enum class answer : std::uint8_t { placed, nothing_free, rather_waits };

    void enqueue(std::uint32_t j) {
        const answer got = offer(j);
        if (got == answer::placed) return;
        auto& line = waiting_[door(j)];
        line.push_back(j);
        attempts_[j].in_line = true;
        if (got == answer::rather_waits) schedule(jobs_[j].arrival + k_patience, j, step::impatience);
        policies_[door(j)]->waiting(static_cast<std::uint32_t>(line.size()));
    }

    bool patient(std::uint32_t j) const {
        return attempts_[j].failed_on.empty() && now_ - jobs_[j].arrival < k_patience;
    }

    void lose_patience(std::uint32_t j) {
        if (!attempts_[j].in_line || offer(j) != answer::placed) return;
        auto& line = waiting_[door(j)];
        line.erase(std::find(line.begin(), line.end(), j));
        policies_[door(j)]->waiting(static_cast<std::uint32_t>(line.size()));
    }

    answer offer(std::uint32_t j) {
        attempt& a = attempts_[j];
        const auto [runner, decided, rather_waits] = policies_[door(j)]->place(jobs_[j], now_, a.failed_on);
        if (runner == k_waits) return rather_waits ? answer::rather_waits : answer::nothing_free;
        a.in_line = false;
        a.runner = runner;
        a.decided = decided;
        a.placed = now_;
        note_placement(j, runner);
        if (const nanos delay = one_way(runner))
            schedule(now_ + delay, j, step::reach);
        else
            reach(j);
        return answer::placed;
    }

    void reach(std::uint32_t j) {
        attempts_[j].reached = now_;
        place_queue& r = runners_[attempts_[j].runner];
        if (r.busy == regime_.places) return r.jobs.push_back(j);
        ++r.busy;
        start(j);
    }

    void start(std::uint32_t j) {
        attempt& a = attempts_[j];
        machine& m = fleet_[a.runner];
        a.started = now_;
        if (!a.tries && j >= warm_) waited_ += static_cast<double>(now_ - jobs_[j].arrival - one_way(a.runner));
        a.fails = m.sinkhole || attempt_fails(regime_, seed_, j, a.tries);
        a.finished = m.sinkhole ? now_ + k_fails_after : m.finish(now_, jobs_[j].work);
        schedule(a.finished, j, step::finish);
        a.doubt_after = policies_[door(j)]->doubt_after(a.runner);
        doubt_later(j);
    }

    /// An age that a job will not reach is no event.
    void doubt_later(std::uint32_t j) {
        attempt& a = attempts_[j];
        if (a.doubt_after > 0 && now_ + a.doubt_after < a.finished)
            schedule(now_ + a.doubt_after + one_way(a.runner), j, step::doubt);
    }

    void doubt(std::uint32_t j) {
        attempt& a = attempts_[j];
        policies_[door(j)]->doubt(a.runner, a.doubt_after, now_);
        const nanos again = a.doubt_after;
        a.doubt_after *= 2;
        if (now_ + again < a.finished) schedule(now_ + again, j, step::doubt);
    }

    void tick() {
        for (std::size_t at = 0; at < policies_.size(); ++at) {
            policies_[at]->tick(now_);
            offer_waiting(at);  // what became possible meanwhile
        }
        schedule(now_ + k_second, 0, step::tick);
    }

    void offer_waiting(std::size_t at) {
        auto& line = waiting_[at];
        for (auto next = line.begin(); next != line.end();) {
            policies_[at]->waiting(static_cast<std::uint32_t>(line.size() - 1));  // besides this one
            const answer got = offer(*next);
            if (got == answer::nothing_free) break;
            if (got == answer::placed)
                next = line.erase(next);
            else  // as all that are like it
                next = std::find_if(next + 1, line.end(), [this](std::uint32_t j) { return !patient(j); });
        }
        policies_[at]->waiting(static_cast<std::uint32_t>(line.size()));
    }

    void finish(std::uint32_t j) {
        attempt& a = attempts_[j];
        place_queue& r = runners_[a.runner];
        if (r.jobs.empty()) {
            --r.busy;
        } else {
            const std::uint32_t following = r.jobs.front();
            r.jobs.pop_front();
            start(following);
        }
        if (const nanos delay = one_way(a.runner))
            schedule(now_ + delay, j, step::report);
        else
            report(j);
    }

    void report(std::uint32_t j) {
        attempt& a = attempts_[j];
        const outcome what{a.runner,
                           now_,
                           a.started - a.reached,
                           a.finished - a.started,
                           now_ - a.placed,
                           a.fails,
                           jobs_[j].dispatcher,
                           a.decided,
                           a.placed - jobs_[j].arrival,
                           jobs_[j].key};
        const std::size_t at = door(j);
        policies_[at]->done(what);
        if (a.fails)
            try_again(j);
        else
            record(j);
        offer_waiting(at);
    }

    void try_again(std::uint32_t j) {
        attempt& a = attempts_[j];
        watch_.failed(a.runner, now_);
        if (a.tries == k_max_retries) {
            --left_;
            gave_up_ += j >= warm_;
            return;
        }
        ++a.tries;
        a.failed_on.push_back(a.runner);
        schedule(now_ + k_retry_delay, j, step::retry);
    }

    void record(std::uint32_t j) {
        --left_;
        if (j < warm_) return;
        const nanos travel = omniscient_ ? fleet_[attempts_[j].runner].rtt : 0;
        times_.push_back(static_cast<float>(static_cast<double>(now_ - jobs_[j].arrival + travel) * 1e-6));
    }

    void note_placement(std::uint32_t j, std::uint32_t runner) {
        digest_ = mixed(digest_ ^ static_cast<std::uint64_t>(now_) ^ std::uint64_t{runner} << 40 ^ j);
        watch_.placed(runner, now_);
        if (j >= warm_) {
            ++attempts_made_;
            on_sinkholes_ += fleet_[runner].sinkhole;
        }
        if (now_ < half_way_ || regime_.degraded <= 0) return;
        const auto bin = static_cast<std::size_t>((now_ - half_way_) / k_mean_job);
        if (bin >= k_slowed_bins) return;
        out_.all[bin] += 1;
        if (fleet_[runner].degrades) out_.slowed[bin] += 1;
    }

    figures summary() {
        figures f = out_;
        f.measured = times_.size();
        f.attempts = attempts_made_;
        f.on_sinkholes = on_sinkholes_;
        f.gave_up = gave_up_;
        f.failures_to_detect = watch_.mean_failures_to_detect();
        f.simulated_s = static_cast<double>(now_) / static_cast<double>(k_second);
        f.digest = digest_;
        if (times_.empty()) return f;
        double sum = 0;
        for (const float t : times_) sum += static_cast<double>(t);
        f.mean_ms = sum / static_cast<double>(times_.size());
        f.mean_wait_ms = waited_ * 1e-6 / static_cast<double>(jobs_.size() - warm_);
        auto quantile = [&](double q) {
            const auto at = times_.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(times_.size() - 1) * q);
            std::nth_element(times_.begin(), at, times_.end());
            return static_cast<double>(*at);
        };
        f.p50_ms = quantile(0.5);
        f.p99_ms = quantile(0.99);
        f.p999_ms = quantile(0.999);
        return f;
    }

    const regime& regime_;
    const std::uint64_t seed_;
    const std::vector<job> jobs_;
    const nanos half_way_;
    std::vector<machine> fleet_;
    std::vector<place_queue> runners_;
    std::vector<attempt> attempts_;
    std::vector<std::unique_ptr<policy>> policies_;
    std::vector<std::deque<std::uint32_t>> waiting_;
    const bool omniscient_;
    const std::uint32_t warm_;
    sinkhole_watch watch_;
    std::priority_queue<event, std::vector<event>, std::greater<>> events_;
    std::uint64_t order_ = 0;
    std::size_t left_ = jobs_.size();
    nanos now_ = 0;
    figures out_;
    std::vector<float> times_;
    double waited_ = 0;
    std::uint64_t attempts_made_ = 0, on_sinkholes_ = 0, gave_up_ = 0, digest_ = 0;
};

}  // namespace

std::uint32_t jobs_for(const regime& r, std::uint32_t measured) {
    const double per_s = mean_load(r) * capacity(r);
    return measured +
           static_cast<std::uint32_t>(per_s * static_cast<double>(k_warm_up) / static_cast<double>(k_second));
}

figures simulate(const regime& r, const policy_kind& kind, const run_options& options) {
    return world(r, kind, options).run();
}

}  // namespace sigrun::sim
