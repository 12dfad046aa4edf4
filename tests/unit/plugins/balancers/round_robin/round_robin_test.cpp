#include <sigrun/balancer.h>
#include <sigrun/cpp/mock_host.hpp>

#include <gtest/gtest.h>

#include <vector>

namespace {

using namespace sigrun;

/// A view made by hand: pages of one cohort each.
struct hand_made {
    std::vector<std::uint64_t> hot, idle, any{0}, none, pages{0};
    std::vector<std::uint32_t> page_cohort;
    std::vector<sigrun_cohort> cohorts;
    sigrun_view view{};

    void page(std::uint64_t slots, std::uint16_t weight, std::uint16_t protos) {
        const auto p = static_cast<std::uint32_t>(idle.size());
        idle.push_back(slots);
        none.push_back(0);
        any[0] |= 1ull << p;
        pages[0] |= 1ull << p;
        page_cohort.push_back(p);
        sigrun_cohort c{};
        c.places = 1;
        c.weight = weight;
        c.protos = protos;
        cohorts.push_back(c);
    }
    const sigrun_view& get() {
        hot.assign(idle.size() * 64, 0);
        view = {};
        view.struct_size = sizeof view;
        view.abi = 1;
        view.epoch = ++epoch;
        view.hot = hot.data();
        for (int t = 0; t < SIGRUN_TIERS; ++t) {
            view.idle[t] = t == 2 ? idle.data() : none.data();
            view.page_any[t] = t == 2 ? any.data() : &zero;
        }
        view.page_cohort = page_cohort.data();
        view.cohort = cohorts.data();
        view.n_pages = static_cast<std::uint32_t>(idle.size());
        view.n_slots = view.n_pages * 64;
        view.n_cohorts = view.n_pages;
        view.page_shift = 6;
        return view;
    }
    std::uint64_t zero = 0, epoch = 0;
};

class round_robin_plugin : public testing::Test {
protected:
    void load(const std::map<std::string, std::string>& options = {}) {
        instance_ = host_.start(host_.create("round_robin", options));
        table_ =
            static_cast<const sigrun_balancer*>(instance_->get_interface(instance_, sdk::str(SIGRUN_KIND_BALANCER)));
        ASSERT_TRUE(table_);
        tls_ = table_->thread_init(instance_, 1);
    }
    void TearDown() override {
        if (tls_) table_->thread_fini(instance_, tls_);
    }
    sigrun_pick pick(hand_made& fleet, std::uint16_t want = 1, std::uint16_t protos = 0xffff, std::uint32_t pred = 1) {
        sigrun_req req{};
        req.pred_id = pred;
        req.protos = protos;
        req.want_k = want;
        req.rng = ++rng_ * 0x9e3779b97f4a7c15u;
        sigrun_pick out{};
        const std::uint32_t placed = table_->pick(tls_, &fleet.view, &req, 1, fleet.pages.data(), &out);
        EXPECT_EQ(placed, out.n ? 1u : 0u);
        return out;
    }
    sdk::mock_host host_;
    sigrun_instance* instance_ = nullptr;
    const sigrun_balancer* table_ = nullptr;
    void* tls_ = nullptr;
    std::uint64_t rng_ = 0;
};

TEST_F(round_robin_plugin, goes_around_across_gaps_and_pages) {
    load();
    hand_made fleet;
    fleet.page(0b1010, 1024, 1);
    fleet.page(0, 1024, 1);
    fleet.page(1ull << 63 | 1, 1024, 1);
    fleet.get();
    const std::vector<std::uint32_t> order{1, 3, 128, 191};
    std::uint32_t last = pick(fleet).slot[0];
    for (int i = 0; i < 12; ++i) {
        const auto at = std::find(order.begin(), order.end(), last);
        ASSERT_NE(at, order.end());
        const sigrun_pick next = pick(fleet);
        ASSERT_EQ(next.n, 1);
        EXPECT_EQ(next.reason, SIGRUN_WHY_STRIDE);
        EXPECT_EQ(next.slot[0], at + 1 == order.end() ? order.front() : at[1]);
        last = next.slot[0];
    }
}

TEST_F(round_robin_plugin, alternates_come_next_and_do_not_move_the_walk) {
    load();
    hand_made fleet;
    fleet.page(0b11111, 1024, 1);
    fleet.get();
    const sigrun_pick first = pick(fleet, 4);
    ASSERT_EQ(first.n, 4);
    for (std::uint32_t i = 1; i < 4; ++i) EXPECT_EQ(first.slot[i], (first.slot[0] + i) % 5);
    EXPECT_EQ(pick(fleet).slot[0], (first.slot[0] + 1) % 5);
    hand_made pair;
    pair.page(0b11, 1024, 1);
    pair.get();
    EXPECT_EQ(pick(pair, 4, 0xffff, 2).n, 2);  // no slot twice
}

TEST_F(round_robin_plugin, nothing_idle_or_nothing_in_common_is_no_pick) {
    load();
    hand_made fleet;
    EXPECT_EQ((fleet.get(), pick(fleet).n), 0);
    fleet.page(0, 1024, 1);
    EXPECT_EQ((fleet.get(), pick(fleet).n), 0);
    fleet.page(0b1, 1024, 0b10);
    fleet.get();
    EXPECT_EQ(pick(fleet, 1, 0b01).n, 0);
    EXPECT_EQ(pick(fleet, 1, 0b11).slot[0], 64u);
    fleet.view.page_shift = 9;  // pages of another size are left to the host
    EXPECT_EQ(pick(fleet).n, 0);
}

TEST_F(round_robin_plugin, the_same_inputs_give_the_same_picks) {
    load();
    hand_made fleet;
    for (int p = 0; p < 5; ++p) fleet.page(0x0f0f'1234'5678'9abcu << p, static_cast<std::uint16_t>(500 + 300 * p), 1);
    fleet.get();
    std::vector<std::uint32_t> runs[2];
    for (auto& run : runs) {
        table_->thread_fini(instance_, tls_);
        tls_ = table_->thread_init(instance_, 1);
        rng_ = 7;
        for (int i = 0; i < 500; ++i)
            run.push_back(pick(fleet, 1, 0xffff, 1 + static_cast<std::uint32_t>(i) % 3).slot[0]);
    }
    EXPECT_EQ(runs[0], runs[1]);
}

TEST_F(round_robin_plugin, a_batch_is_answered_request_by_request) {
    load();
    hand_made fleet;
    fleet.page(0b111, 1024, 1);
    fleet.get();
    const std::uint64_t pages[] = {0, 1};
    sigrun_req req[3]{};
    for (auto& r : req) r.protos = 1, r.pred_id = 5, r.pred_pages_off = 1, r.want_k = 1;
    req[1].pred_pages_off = 0;  // feasible nowhere
    req[1].pred_id = 6;
    sigrun_pick out[3];
    EXPECT_EQ(table_->pick(tls_, &fleet.view, req, 3, pages, out), 2u);
    EXPECT_EQ(out[1].n, 0);
    EXPECT_NE(out[0].slot[0], out[2].slot[0]);
}

TEST_F(round_robin_plugin, wrong_weights_are_refused_by_name) {
    const std::pair<const char*, const char*> wrong[] = {
        {"valkyrie", "expected NAME=WEIGHT such as valkyrie=1.2, found \"valkyrie\""},
        {"quic=1",
         "expected valkyrie, grpc, http, websocket or a protocol id from 0 to 15 before \"=\", found "
         "\"quic=1\""},
        {"16=1",
         "expected valkyrie, grpc, http, websocket or a protocol id from 0 to 15 before \"=\", found "
         "\"16=1\""},
        {"http=", "expected a weight from 0.01 to 100, found \"http=\""},
        {"http=0", "expected a weight from 0.01 to 100, found \"http=0\""},
        {"http=nan", "expected a weight from 0.01 to 100, found \"http=nan\""},
        {"http=101", "expected a weight from 0.01 to 100, found \"http=101\""},
        {"http=1,http=2", "expected each protocol once, found \"http=2\""}};
    for (const auto& [value, text] : wrong) try {
            host_.create("round_robin", {{"protocol_weights", value}});
            FAIL() << value;
        } catch (const sdk::failure& f) {
            EXPECT_EQ(f.code(), SIGRUN_E_CONFIG);
            EXPECT_EQ(std::string(f.what()), "protocol_weights: " + std::string(text));
        }
    EXPECT_NO_THROW(host_.create("round_robin", {{"protocol_weights", "valkyrie = 1.5, 7=2"}}));
}

}  // namespace
