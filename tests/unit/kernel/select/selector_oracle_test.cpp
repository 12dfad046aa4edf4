// The selector against a model that looks at every runner for every question.
#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

#include <random>

namespace {

using namespace sigrun;
using namespace sigrun::test;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int k_steps = 1500;
#else
constexpr int k_steps = 5000;
#endif

struct modelled_runner {
    sheet_ptr facts;
    std::shared_ptr<const label_map> labels;
    slot_ref slot;
    std::uint16_t places = 1;
    protocol_mask protocols = 1;
    double weight = 1;
    bool open = true;
    std::uint32_t claims = 0;
};

class world {
public:
    explicit world(std::uint64_t seed) : random_(seed) {
        selector_ = make_selector(
            {real_balancer("round_robin"), real_balancer("least_connections"), scripted::make("none", propose_nothing)},
            600, {.reserve_for_urgent = true});
    }

    void run(int steps) {
        for (int i = 0; i < 40; ++i) join_one();
        for (int i = 0; i < steps; ++i) {
            step();
            if (testing::Test::HasFatalFailure()) return;
            if (i % 500 == 0) {
                ASSERT_EQ(selector_->index_faults(), 0u);
                compare_counts();
            }
        }
        for (auto& c : claims_) selector_->release(c.slot);
        for (auto& r : runners_) ASSERT_EQ(selector_->in_flight(r.slot), 0u);
        ASSERT_EQ(selector_->index_faults(), 0u);
    }
    int picked = 0, queued = 0, unschedulable = 0, by_balancer = 0;

private:
    struct claim {
        std::size_t runner;
        slot_ref slot;
    };
    unsigned roll(unsigned n) { return static_cast<unsigned>(random_() % n); }

    machine draw_machine(std::size_t identity) {
        machine m;
        m.set("cores", static_cast<int>(1u << roll(4))).set("arch", roll(2) ? "x86" : "arm");
        if (roll(3)) m.set("gpu", json::array{{{"memory", static_cast<int>(roll(3) * 40)}}});
        if (!roll(4)) m.status("secret", fact_status::denied);
        m.set("id", static_cast<int>(identity % 7), {.unique = true});
        m.set("free", static_cast<int>(roll(10)), {.volatility = fact_volatility::fast});
        if (roll(2)) m.set("slow", static_cast<int>(roll(3)), {.volatility = fact_volatility::slow});
        m.label("zone", roll(2) ? "eu" : "us").label("name", "n" + std::to_string(identity));
        return m;
    }
    std::string draw_requirement() {
        static const char* terms[] = {"cores >= 2",
                                      "cores >= 8",
                                      "arch == \"x86\"",
                                      "any(g in gpu, g.memory >= 40)",
                                      "secret == 1",
                                      "id == 3",
                                      "free >= 5",
                                      "slow == 1",
                                      "!known(secret)",
                                      "label.zone == \"eu\"",
                                      "label.name == \"n5\"",
                                      "present(slow)",
                                      "!(free < 3)",
                                      "count(gpu) == 1",
                                      "true",
                                      "id in [1,2,3] || cores == 4"};
        std::string text = terms[roll(std::size(terms))];
        for (unsigned n = roll(3); n; --n)
            text += std::string(roll(3) ? " && " : " || ") + terms[roll(std::size(terms))];
        return text;
    }
    void draw(modelled_runner& r) {
        const machine m = draw_machine(next_identity_++);
        r.facts = m.facts();
        r.labels = m.labels();
    }
    /// Places that any job may take: with five or more, 80 % of them.
    static std::uint32_t usual(const modelled_runner& r) { return r.places < 5 ? r.places : r.places * 8u / 10; }
    static runner_profile of(const modelled_runner& r) {
        runner_profile p;
        p.facts = r.facts;
        p.labels = r.labels;
        p.places = r.places;
        p.protocols = r.protocols;
        p.weight = static_cast<std::uint16_t>(r.weight * 1024);
        return p;
    }
    void join_one() {
        modelled_runner r;
        draw(r);
        r.places = static_cast<std::uint16_t>(1 + roll(7));
        r.protocols = static_cast<protocol_mask>(roll(8));
        r.weight = 0.5 * (1 + roll(3));
        auto slot = selector_->add(of(r));
        if (!slot) return;
        r.slot = *slot;
        selector_->set_open(r.slot, true);
        runners_.push_back(r);
    }

    void step() {
        const unsigned what = roll(100);
        if (what < 5) {
            if (runners_.size() < 500) join_one();
        } else if (what < 8 && !runners_.empty()) {
            const std::size_t i = roll(static_cast<unsigned>(runners_.size()));
            selector_->remove(runners_[i].slot);
            std::erase_if(claims_, [&](const claim& c) { return c.runner == i; });
            for (auto& c : claims_)
                if (c.runner == runners_.size() - 1) c.runner = i;
            runners_[i] = runners_.back();
            runners_.pop_back();
        } else if (what < 14 && !runners_.empty()) {
            auto& r = runners_[roll(static_cast<unsigned>(runners_.size()))];
            draw(r);
            if (roll(2)) r.places = static_cast<std::uint16_t>(1 + roll(7));
            r.slot = selector_->update(r.slot, of(r)).value();
        } else if (what < 18 && !runners_.empty()) {
            auto& r = runners_[roll(static_cast<unsigned>(runners_.size()))];
            r.open = !r.open;
            selector_->set_open(r.slot, r.open);
        } else if (what < 50 && !claims_.empty()) {
            const std::size_t i = roll(static_cast<unsigned>(claims_.size()));
            auto& r = runners_[claims_[i].runner];
            auto worth = [&] { return !r.open || r.claims >= r.places ? 0 : r.claims < usual(r) ? 2 : 1; };
            const int before = worth();
            --r.claims;
            ASSERT_EQ(selector_->release(claims_[i].slot), worth() > before);
            claims_[i] = claims_.back();
            claims_.pop_back();
        } else {
            pick();
        }
    }

    void pick() {
        if (predicates_.size() < 60 || !roll(20))
            predicates_.push_back(selector_->intern(compiled(draw_requirement())));
        const auto& p = predicates_[roll(static_cast<unsigned>(predicates_.size()))];
        const auto& text = requirement_of(*p);
        pick_request q;
        q.pred = p.get();
        q.protocols = roll(3) ? protocol_mask{0xffff} : static_cast<protocol_mask>(1 + roll(7));
        q.balancer = static_cast<std::uint16_t>(roll(4));
        q.priority = static_cast<std::uint16_t>(roll(5));
        const bool urgent = q.priority <= 1;
        std::vector<std::uint32_t> excluded;
        for (unsigned n = roll(4) ? 0 : roll(4); n && !runners_.empty(); --n)
            excluded.push_back(runners_[roll(static_cast<unsigned>(runners_.size()))].slot.slot);
        q.excluded = excluded.data();
        q.n_excluded = static_cast<std::uint32_t>(excluded.size());

        auto out = [&](const modelled_runner& r) {
            return std::find(excluded.begin(), excluded.end(), r.slot.slot) != excluded.end();
        };
        bool free_one = false, match = false;
        for (const auto& r : runners_) {
            const bool fits = text.matches({r.facts.get(), r.labels.get()}) == truth::yes;
            ASSERT_EQ(selector_->matches(*p, r.slot), fits) << text.canonical();
            if (!fits || out(r)) continue;
            match |= !r.protocols || (r.protocols & q.protocols);
            free_one |= r.open && r.claims < (urgent ? r.places : usual(r)) && (r.protocols & q.protocols);
        }
        const pick_result got = selector_->pick(q);
        if (free_one) {
            ASSERT_EQ(got.outcome, pick_outcome::picked) << text.canonical();
            const auto at = std::find_if(runners_.begin(), runners_.end(), [&](auto& r) { return r.slot == got.slot; });
            ASSERT_NE(at, runners_.end());
            ASSERT_EQ(text.matches({at->facts.get(), at->labels.get()}), truth::yes) << text.canonical();
            ASSERT_TRUE(at->open && at->claims < (urgent ? at->places : usual(*at)) && (at->protocols & q.protocols) &&
                        !out(*at));
            ++at->claims;
            claims_.push_back({static_cast<std::size_t>(at - runners_.begin()), got.slot});
            ++picked;
            by_balancer += got.explain.reason != SIGRUN_WHY_BUILTIN_FALLBACK;
        } else {
            ASSERT_EQ(got.outcome, match ? pick_outcome::queued : pick_outcome::unschedulable) << text.canonical();
            ++(match ? queued : unschedulable);
        }
    }
    const requirement& requirement_of(const predicate& p) {
        // Interned predicates do not show their requirement; the texts are kept beside them.
        for (std::size_t i = known_.size(); i < predicates_.size(); ++i) known_.push_back(last_compiled_[i]);
        for (std::size_t i = 0; i < predicates_.size(); ++i)
            if (predicates_[i].get() == &p) return *known_[i];
        throw std::logic_error("unknown predicate");
    }
    requirement_ptr compiled(const std::string& text) {
        last_compiled_.push_back(test::compiled(text));
        return last_compiled_.back();
    }
    void compare_counts() {
        for (const auto& r : runners_) ASSERT_EQ(selector_->in_flight(r.slot), r.claims);
    }

    std::mt19937_64 random_;
    std::unique_ptr<selector> selector_;
    std::vector<modelled_runner> runners_;
    std::vector<claim> claims_;
    std::vector<predicate_ptr> predicates_;
    std::vector<requirement_ptr> last_compiled_, known_;
    std::size_t next_identity_ = 0;
};

TEST(selector_oracle, picks_and_refusals_equal_those_of_a_model_that_looks_at_everything) {
    for (std::uint64_t seed : {1u, 2u, 3u}) {
        world w(seed);
        w.run(k_steps);
        if (HasFatalFailure()) FAIL() << "seed " << seed;
        // All three answers came up, and the balancers decided most picks.
        EXPECT_GT(w.picked, k_steps / 10);
        EXPECT_GT(w.queued, k_steps / 250);
        EXPECT_GT(w.unschedulable, k_steps / 250);
        EXPECT_GT(w.by_balancer, w.picked / 3);
    }
}

}  // namespace
