// The executors of a runner change while offers are read.
#include "kernel/agent/executor_set.hpp"

#include "kernel/base/read_section.hpp"
#include "scratch_dir.hpp"

#include <sigrun/cpp/text.hpp>

#include <gtest/gtest.h>

#include <thread>

namespace sigrun::agent_test {
namespace {

/// An instance with a table of the test's own.
struct made_up {
    sigrun_instance abi{};
    sigrun_executor table{};
    std::shared_ptr<instance> here;
    std::atomic<int> inside{0};
    std::atomic<bool> destroyed{false};
    std::atomic<int> after_its_end{0};

    explicit made_up(std::string_view kinds, bool can_run = true) {
        abi.struct_size = sizeof abi;
        abi.self = this;
        abi.get_interface = [](sigrun_instance* i, sigrun_str) -> const void* { return &of(i).table; };
        abi.destroy = [](sigrun_instance* i) { of(i).destroyed = true; };
        table.struct_size = sizeof table;
        table.flags = SIGRUN_EXECUTOR_INLINE;
        table.kinds = sdk::str(kinds);
        if (can_run)
            table.run = [](sigrun_instance* i, const sigrun_task*, const sigrun_sink*, sigrun_op) -> sigrun_result {
                auto& me = of(i);
                ++me.inside;
                if (me.destroyed) ++me.after_its_end;
                --me.inside;
                return SIGRUN_OK;
            };
        here = std::make_shared<instance>(nullptr, "made-up", "test.made_up", "made_up", SIGRUN_KIND_EXECUTOR, &abi);
    }
    static made_up& of(sigrun_instance* i) { return *static_cast<made_up*>(i->self); }
};

// Made after the instances it is given, since it lets go of them at its end.
struct without_plugins {
    scratch_dir dir;
    metrics numbers;
    plugin_host host{{dir.path(), dir.path(), "test"}, settings{}, numbers};
    executor_set set{host};

    const executor_entry* found(std::string_view document) const {
        const read_section reading;
        return set.read(document).executor;
    }
};

constexpr std::string_view k_document = R"({"kind":"call","command":["x"]})";

TEST(executor_set, a_remembered_document_never_leads_to_a_replaced_executor) {
    made_up first("call"), second("call");
    without_plugins r;
    EXPECT_EQ(r.found(k_document), nullptr);
    EXPECT_TRUE(r.set.replace(nullptr, first.here));
    EXPECT_EQ(r.found(k_document)->owner, first.here);
    EXPECT_EQ(r.found(k_document)->owner, first.here);
    EXPECT_TRUE(r.set.replace(first.here, second.here));
    EXPECT_EQ(r.found(k_document)->owner, second.here);
    EXPECT_EQ(first.here.use_count(), 1) << "nothing holds the old one";
    EXPECT_TRUE(r.set.replace(second.here, first.here));
    EXPECT_EQ(r.found(k_document)->owner, first.here);
}

TEST(executor_set, kinds_change_with_the_executor) {
    made_up first("call,old"), second("call,new,newer");
    without_plugins r;
    r.set.replace(nullptr, first.here);
    EXPECT_EQ(r.set.kinds(), (std::vector<std::string>{"call", "old"}));
    r.set.replace(first.here, second.here);
    EXPECT_EQ(r.set.kinds(), (std::vector<std::string>{"call", "new", "newer"}));
    EXPECT_EQ(r.found(R"({"kind":"old"})"), nullptr);
    EXPECT_EQ(r.found(R"({"kind":"newer"})")->owner, second.here);
}

TEST(executor_set, one_that_can_run_nothing_cannot_take_over) {
    made_up no_run("call", false), no_kinds(""), good("call");
    EXPECT_NE(executor_set::usable(no_run.here).error().text().find("slot run"), std::string::npos);
    EXPECT_NE(executor_set::usable(no_kinds.here).error().text().find("kind"), std::string::npos);
    EXPECT_TRUE(executor_set::usable(good.here));
}

TEST(executor_set, executors_come_and_go_but_the_last_one_stays) {
    made_up first("call"), second("call,new");
    without_plugins r;
    r.set.add(first.here);
    r.set.add(second.here);
    EXPECT_EQ(r.found(k_document)->owner, first.here) << "who was there first keeps its kinds";
    EXPECT_TRUE(r.set.remove(first.here));
    EXPECT_EQ(first.here.use_count(), 1);
    EXPECT_EQ(r.found(k_document)->owner, second.here);
    EXPECT_TRUE(r.set.remove(first.here)) << "it is not there";
    auto refused = r.set.remove(second.here);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::conflict);
    EXPECT_EQ(r.found(k_document)->owner, second.here);
}

TEST(executor_set, an_entry_that_is_held_outlives_its_replacement) {
    made_up first("call"), second("call");
    without_plugins r;
    r.set.replace(nullptr, first.here);
    executor_ptr held;
    {
        const read_section reading;
        held = r.set.read(k_document).executor->shared_from_this();
    }
    r.set.replace(first.here, second.here);
    EXPECT_EQ(held->owner, first.here);
    EXPECT_EQ(first.here.use_count(), 2);
    held.reset();
    EXPECT_EQ(first.here.use_count(), 1);
}

TEST(executor_set, nobody_is_inside_an_executor_once_it_is_replaced) {
    std::vector<std::unique_ptr<made_up>> all;
    without_plugins r;
    all.push_back(std::make_unique<made_up>("call"));
    r.set.replace(nullptr, all[0]->here);
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> runs{0};
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; ++i)
        readers.emplace_back([&] {
            while (!stop) {
                const read_section reading;
                const auto* e = r.set.read(k_document).executor;
                e->table->run(e->owner->abi(), nullptr, nullptr, 0);
                ++runs;
            }
        });
    for (int turn = 1; turn <= 50; ++turn) {
        all.push_back(std::make_unique<made_up>("call"));
        auto& old = *all[all.size() - 2];
        ASSERT_TRUE(r.set.replace(old.here, all.back()->here));
        EXPECT_EQ(old.inside, 0);
        EXPECT_EQ(old.here.use_count(), 1);
        old.here.reset();  // destroys it
        EXPECT_TRUE(old.destroyed);
        const auto before = runs.load();
        while (runs == before) std::this_thread::yield();
    }
    stop = true;
    for (auto& t : readers) t.join();
    for (const auto& each : all) EXPECT_EQ(each->after_its_end, 0);
}

}  // namespace
}  // namespace sigrun::agent_test
