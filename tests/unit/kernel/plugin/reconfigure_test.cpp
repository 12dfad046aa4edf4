// A new configuration for running plugins: everybody takes it, or nobody does.
#include "plugin_folder.hpp"

#include <future>
#include <thread>

namespace sigrun {
namespace {

using namespace testing;
using kind = section_effect::kind_t;

struct configured_host {
    plugin_folder folder;
    metrics numbers;
    std::unique_ptr<plugin_host> host;
    std::atomic<int> swaps{0}, additions{0}, removals{0};
    std::string refused_addition;  // name of an instance its users do not want
    nanoseconds limit = std::chrono::seconds(20);
    std::function<result<void>(const reconfigure_report&)> before_commit;
    std::function<void(const std::shared_ptr<instance>& now)> on_swap;
    int commits = 0;

    explicit configured_host(std::string_view config = "", bool replaceable = true,
                             const std::string& fixture = "configurable") {
        folder.add(fixture, "configurable");
        host = std::make_unique<plugin_host>(folder.options(), ini(config), numbers);
        if (replaceable)
            host->set_swapper(SIGRUN_KIND_PROBE, {[](const auto&, const auto&) { return result<void>(); },
                                                  [this](const auto&, const auto& now) {
                                                      if (on_swap) on_swap(now);
                                                      return ++swaps > 0;
                                                  },
                                                  {},
                                                  [this](const auto& now) { return listed(now); },
                                                  [this](const auto&) { return ++removals, result<void>(); }});
        host->load_all().value();
        host->start_all().value();
    }
    ~configured_host() { host->shutdown(); }

    result<void> listed(const std::shared_ptr<instance>& now) {
        if (now->name() == refused_addition) return make_problem(errc::busy, "there are too many");
        ++additions;
        return {};
    }

    result<reconfigure_report> change(std::string_view config, bool dry_run = false) {
        std::promise<result<reconfigure_report>> answer;
        reconfigure_request request;
        request.config = ini(config);
        request.dry_run = dry_run;
        request.limit = limit;
        request.before_commit = before_commit;
        request.after_commit = [this](const reconfigure_report&) { ++commits; };
        host->reconfigure(std::move(request), [&](result<reconfigure_report> r) { answer.set_value(std::move(r)); });
        auto future = answer.get_future();
        if (future.wait_for(std::chrono::seconds(60)) != std::future_status::ready)
            return make_problem(errc::timeout, "no answer");
        return future.get();
    }
    /// An operation that this instance has not completed yet.
    sigrun_op open_op(const std::shared_ptr<instance>& of) const {
        sigrun_op opened = 0;
        const auto begin = [&](sigrun_op op) {
            opened = op;
            return SIGRUN_PENDING;
        };
        host->call_async(*of, begin, [](const result<buffer_ref>&) {});
        return opened;
    }
    std::shared_ptr<instance> find(const std::string& name) const {
        for (auto& each : host->instances(SIGRUN_KIND_PROBE))
            if (each->name() == name) return each;
        return nullptr;
    }
    std::uint32_t level(const std::string& name = "tunable") const { return number_of(*find(name)); }
    std::uint32_t size(const std::string& name = "tunable") const {
        return find(name)->table<sigrun_probe>(SIGRUN_KIND_PROBE)->hard_ms;
    }
    /// How often the plugin was called, over all instances.
    int calls(const std::string& what) const {
        const std::string text = "\n" + numbers.text(), name = "\nconfigurable_" + what + "_total ";
        const auto at = text.find(name);
        return at == std::string::npos ? 0 : std::atoi(text.c_str() + at + name.size());
    }
    kind effect(const result<reconfigure_report>& r, const std::string& section) const {
        for (const auto& each : r->sections)
            if (each.section == section) return each.kind;
        return kind::none;
    }
    template <class Condition>
    bool within(Condition condition) const {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!condition()) {
            if (std::chrono::steady_clock::now() > end) return false;
            std::this_thread::yield();
        }
        return true;
    }
};

bool mapped(std::string_view part) {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);)
        if (line.find(part) != std::string::npos) return true;
    return false;
}

const std::string k_two =
    "[instance a]\ncomponent = configurable:tunable\nlevel = 5\n[instance b]\ncomponent = configurable:tunable\n";

TEST(reconfigure, a_hot_value_is_taken_over_by_the_running_instance) {
    configured_host h;
    const auto before = h.find("tunable");
    auto done = h.change("[instance tunable]\nlevel = 7\n");
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(h.find("tunable"), before);
    EXPECT_EQ(h.level(), 7u);
    ASSERT_EQ(done->sections.size(), 1u);
    EXPECT_EQ(done->sections[0].kind, kind::hot);
    EXPECT_EQ(done->sections[0].keys, std::vector<std::string>{"level"});
    EXPECT_EQ(h.calls("prepared"), 1);
    EXPECT_EQ(h.calls("committed"), 1);
    EXPECT_EQ(h.calls("aborted"), 0);
    EXPECT_EQ(h.commits, 1);
    // And back to the default, by taking the section away.
    ASSERT_TRUE(h.change(""));
    EXPECT_EQ(h.level(), 1u);
}

TEST(reconfigure, values_that_mean_the_same_are_no_change) {
    configured_host h("[instance tunable]\nlevel = 7\n");
    auto done = h.change("[instance tunable]\nlevel = 07\nsize = 2\n");
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_TRUE(done->sections.empty());
    EXPECT_EQ(h.calls("prepared"), 0);
}

TEST(reconfigure, what_cannot_change_gets_a_new_instance_of_the_same_generation) {
    configured_host h;
    const auto generation = h.find("tunable")->generation_number();
    auto done = h.change("[instance tunable]\nsize = 9\nlevel = 3\n");
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(h.effect(done, "instance tunable"), kind::new_instance);
    EXPECT_EQ(h.size(), 9u);
    EXPECT_EQ(h.level(), 3u);
    EXPECT_EQ(h.find("tunable")->generation_number(), generation);
    EXPECT_EQ(h.swaps, 1);
    EXPECT_EQ(h.calls("started"), 2);
    EXPECT_EQ(h.calls("committed"), 0) << "the old one keeps its values to its end";
    EXPECT_TRUE(h.within([&] { return h.calls("destroyed") == 1; }));
    EXPECT_TRUE(h.within([&] { return info_of(h.host->plugins(), "configurable")->retiring.empty(); }));
    EXPECT_EQ(info_of(h.host->plugins(), "configurable")->components[0].instances, std::vector<std::string>{"tunable"});
}

TEST(reconfigure, an_instance_that_is_held_is_destroyed_only_when_it_is_let_go) {
    configured_host h;
    auto held = h.find("tunable");
    ASSERT_TRUE(h.change("[instance tunable]\nsize = 9\n"));
    EXPECT_EQ(h.calls("destroyed"), 0);
    EXPECT_EQ(info_of(h.host->plugins(), "configurable")->retiring.size(), 1u);
    held.reset();
    EXPECT_TRUE(h.within([&] { return h.calls("destroyed") == 1; }));
}

TEST(reconfigure, an_instance_without_config_prepare_is_replaced) {
    configured_host h("", true, "configurable_fixed");
    auto done = h.change("[instance tunable]\nlevel = 7\n");
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(h.effect(done, "instance tunable"), kind::new_instance);
    EXPECT_EQ(h.level(), 7u);
}

TEST(reconfigure, one_refusal_aborts_all_and_says_who_what_and_where) {
    configured_host h(k_two);
    auto done = h.change(
        "[instance a]\ncomponent = configurable:tunable\nlevel = 6\n"
        "[instance b]\ncomponent = configurable:tunable\nmode = refuse\n");
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().text(), "instance b.mode: expected anything else, found refuse (test.ini:6)");
    EXPECT_EQ(h.level("a"), 5u);
    EXPECT_EQ(h.calls("prepared"), 2);
    EXPECT_EQ(h.calls("committed"), 0);
    EXPECT_EQ(h.calls("aborted"), 2) << "whoever was asked is told";
    EXPECT_EQ(h.commits, 0);
    // Nothing is left of it.
    ASSERT_TRUE(
        h.change("[instance a]\ncomponent = configurable:tunable\nlevel = 8\n"
                 "[instance b]\ncomponent = configurable:tunable\nlevel = 9\n"));
    EXPECT_EQ(h.level("a"), 8u);
    EXPECT_EQ(h.level("b"), 9u);
}

TEST(reconfigure, an_instance_that_hangs_ends_the_change_with_its_name) {
    configured_host h(k_two);
    h.limit = std::chrono::milliseconds(50);
    const auto gate = h.folder.plugins() / "gate";
    const std::string hanging = "[instance b]\ncomponent = configurable:tunable\nmode = hang\ngate = " + gate.string();
    auto done = h.change("[instance a]\ncomponent = configurable:tunable\nlevel = 6\n" + hanging + "\n");
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, errc::timeout);
    EXPECT_EQ(done.error().field, "instance b");
    EXPECT_EQ(h.level("a"), 5u);
    EXPECT_EQ(h.calls("aborted"), 1);
    h.limit = std::chrono::seconds(20);
    // It is not asked again while it hangs; the others are not held up by it.
    auto busy = h.change(k_two + "level = 4\n");
    ASSERT_FALSE(busy);
    EXPECT_EQ(busy.error().code, errc::busy);
    ASSERT_TRUE(
        h.change("[instance a]\ncomponent = configurable:tunable\nlevel = 7\n"
                 "[instance b]\ncomponent = configurable:tunable\n"));
    EXPECT_EQ(h.level("a"), 7u);
    // Once it has answered, it is told that nothing came of it, and can be asked again.
    std::ofstream(gate).put('\n');
    EXPECT_TRUE(h.within([&] { return h.calls("aborted") == 2 && !h.find("b")->stuck; }));
    ASSERT_TRUE(h.change(k_two + "level = 4\n"));
    EXPECT_EQ(h.level("b"), 4u);
}

TEST(reconfigure, a_host_with_a_hanging_instance_can_be_shut_down) {
    configured_host h;
    h.limit = std::chrono::milliseconds(20);
    ASSERT_FALSE(h.change("[instance tunable]\nmode = hang\ngate = " + (h.folder.state() / "never").string() + "\n"));
    h.host->shutdown();
    EXPECT_TRUE(h.host->instances(SIGRUN_KIND_PROBE).empty());
    EXPECT_TRUE(mapped("test.configurable-g")) << "its code stays as long as a thread is in it";
    std::ofstream(h.folder.state() / "never").put('\n');
    EXPECT_TRUE(h.within([] { return !mapped("test.configurable-g"); }));
}

TEST(reconfigure, an_effect_nobody_knows_is_a_refusal) {
    configured_host h;
    auto done = h.change("[instance tunable]\nmode = odd\n");
    ASSERT_FALSE(done);
    EXPECT_NE(done.error().text().find("99"), std::string::npos) << done.error().text();
    EXPECT_EQ(h.calls("aborted"), 1);
}

TEST(reconfigure, a_new_instance_that_cannot_be_made_or_started_changes_nothing) {
    const std::pair<const char*, const char*> cases[] = {
        {"13", "instance b.size: expected another number, found 13 (test.ini:6)"},
        {"14", "instance b: instance b cannot start: size: expected another number, found 14 (test.ini:4)"}};
    for (const auto& [size, complaint] : cases) {
        configured_host h(k_two);
        auto done = h.change(
            "[instance a]\ncomponent = configurable:tunable\nlevel = 6\n"
            "[instance b]\ncomponent = configurable:tunable\nsize = " +
            std::string(size) + "\n");
        ASSERT_FALSE(done);
        EXPECT_EQ(done.error().text(), complaint);
        EXPECT_EQ(h.level("a"), 5u);
        EXPECT_EQ(h.size("b"), 2u);
        EXPECT_EQ(h.swaps, 0);
        EXPECT_EQ(h.calls("committed"), 0);
        EXPECT_EQ(h.calls("aborted"), 2);
    }
}

TEST(reconfigure, a_new_instance_that_is_never_ready_changes_nothing) {
    configured_host h;
    h.limit = std::chrono::milliseconds(50);
    const auto gate = h.folder.plugins() / "gate";
    auto done = h.change("[instance tunable]\nsize = 15\ngate = " + gate.string() + "\n");
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, errc::timeout);
    EXPECT_EQ(h.size(), 2u);
    std::ofstream(gate).put('\n');
    // What comes too late is thrown away.
    EXPECT_TRUE(h.within([&] { return h.calls("destroyed") == 1; }));
}

TEST(reconfigure, without_a_swapper_the_rest_is_used_and_a_restart_is_told) {
    configured_host h(k_two, false);
    const std::string config =
        "[instance a]\ncomponent = configurable:tunable\nlevel = 6\n"
        "[instance b]\ncomponent = configurable:tunable\nsize = 9\n";
    auto done = h.change(config);
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(h.effect(done, "instance a"), kind::hot);
    EXPECT_EQ(h.effect(done, "instance b"), kind::restart);
    EXPECT_EQ(h.level("a"), 6u);
    EXPECT_EQ(h.size("b"), 2u);
    // It is still to be done, and told again.
    EXPECT_EQ(h.effect(h.change(config), "instance b"), kind::restart);
    EXPECT_EQ(h.effect(h.change(k_two), "instance b"), kind::none);
}

TEST(reconfigure, a_dry_run_asks_and_changes_nothing) {
    configured_host h(k_two);
    auto done = h.change(
        "[instance a]\ncomponent = configurable:tunable\nlevel = 6\n"
        "[instance b]\ncomponent = configurable:tunable\nsize = 9\n"
        "[instance c]\ncomponent = configurable:tunable\n",
        true);
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(h.effect(done, "instance a"), kind::hot);
    EXPECT_EQ(h.effect(done, "instance b"), kind::new_instance);
    EXPECT_EQ(h.effect(done, "instance c"), kind::added);
    EXPECT_EQ(h.level("a"), 5u);
    EXPECT_EQ(h.size("b"), 2u);
    EXPECT_FALSE(h.find("c"));
    EXPECT_EQ(h.calls("started"), 2);
    EXPECT_EQ(h.calls("aborted"), 2);
    EXPECT_EQ(h.commits, 0);
}

TEST(reconfigure, the_last_word_before_the_commit_can_refuse) {
    configured_host h(k_two);
    h.before_commit = [](const reconfigure_report&) -> result<void> {
        return make_problem(errc::io, "the disk is full");
    };
    auto done = h.change(
        "[instance a]\ncomponent = configurable:tunable\nlevel = 6\n"
        "[instance b]\ncomponent = configurable:tunable\nsize = 9\n");
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().text(), "the disk is full");
    EXPECT_EQ(h.level("a"), 5u);
    EXPECT_EQ(h.size("b"), 2u);
    EXPECT_EQ(h.swaps, 0);
    EXPECT_TRUE(h.within([&] { return h.calls("destroyed") == 1; })) << "the one that was started for nothing";
}

TEST(reconfigure, instances_come_and_go_with_their_sections) {
    configured_host h(k_two);
    auto done = h.change(
        "[instance a]\ncomponent = configurable:tunable\nlevel = 5\n"
        "[instance c]\ncomponent = configurable:tunable\nlevel = 3\n");
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(h.effect(done, "instance b"), kind::removed);
    EXPECT_EQ(h.effect(done, "instance c"), kind::added);
    EXPECT_FALSE(h.find("b"));
    EXPECT_EQ(h.level("c"), 3u);
    EXPECT_EQ(h.additions, 1);
    EXPECT_EQ(h.removals, 1);
    EXPECT_TRUE(h.within([&] { return h.calls("destroyed") == 1; }));
    EXPECT_EQ(info_of(h.host->plugins(), "configurable")->components[0].instances,
              (std::vector<std::string>{"a", "c"}));
    // Where their users cannot do that, a restart is told.
    configured_host fixed(k_two, false);
    done = fixed.change(
        "[instance a]\ncomponent = configurable:tunable\nlevel = 5\n"
        "[instance c]\ncomponent = configurable:tunable\n");
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(fixed.effect(done, "instance b"), kind::restart);
    EXPECT_EQ(fixed.effect(done, "instance c"), kind::restart);
    EXPECT_TRUE(fixed.find("b"));
}

TEST(reconfigure, an_instance_that_is_not_wanted_by_its_users_ends_the_change) {
    configured_host h(k_two);
    h.refused_addition = "d";
    auto done = h.change(
        "[instance a]\ncomponent = configurable:tunable\nlevel = 6\n"
        "[instance c]\ncomponent = configurable:tunable\n[instance d]\ncomponent = configurable:tunable\n");
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().text(), "instance d: there are too many");
    EXPECT_EQ(h.level("a"), 5u);
    EXPECT_TRUE(h.find("b"));
    EXPECT_FALSE(h.find("c"));
    EXPECT_FALSE(h.find("d"));
    EXPECT_EQ(h.removals, 2) << "b was gone, and c was there";
    EXPECT_EQ(h.additions, 2) << "c, and b again";
    EXPECT_EQ(info_of(h.host->plugins(), "configurable")->components[0].instances,
              (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(h.within([&] { return h.calls("destroyed") == 2; }));
}

TEST(reconfigure, an_operation_of_the_old_instance_keeps_it_and_one_of_the_new_instance_does_not) {
    configured_host h;
    const sigrun_op before = h.open_op(h.find("tunable"));
    std::vector<sigrun_op> of_the_new;
    // New work may go to it while the exchange is still under way.
    h.on_swap = [&](const auto& now) { of_the_new.push_back(h.open_op(now)); };
    ASSERT_TRUE(h.change("[instance tunable]\nsize = 9\n"));
    of_the_new.push_back(h.open_op(h.find("tunable")));
    const auto retiring = info_of(h.host->plugins(), "configurable")->retiring;
    ASSERT_EQ(retiring.size(), 1u);
    EXPECT_EQ(retiring[0].holds, std::vector<std::string>{"instance tunable: 1 open operation"});
    h.host->ops().complete(before, SIGRUN_OK, nullptr);
    EXPECT_TRUE(h.within([&] { return h.calls("destroyed") == 1; }));
    for (auto op : of_the_new) h.host->ops().complete(op, SIGRUN_OK, nullptr);
}

struct wrong_config {
    const char* text;
    const char* reason;
};
void PrintTo(const wrong_config& c, std::ostream* out) { *out << c.text; }
class wrong : public ::testing::TestWithParam<wrong_config> {};

TEST_P(wrong, is_refused_before_anybody_is_asked) {
    configured_host h;
    auto done = h.change(GetParam().text);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().text(), GetParam().reason);
    EXPECT_EQ(h.calls("prepared"), 0);
}

INSTANTIATE_TEST_SUITE_P(
    each, wrong,
    ::testing::Values(wrong_config{"[instance tunable]\nlevle = 3\n",
                                   "instance tunable.levle: expected \"level\", found \"levle\" (test.ini:2)"},
                      wrong_config{"[instance tunable]\nlevel = 101\n",
                                   "instance tunable.level: expected 1 .. 100, found \"101\" (test.ini:2)"},
                      wrong_config{
                          "[instance x]\ncomponent = configurable:tunabel\n",
                          "instance x.component: expected \"configurable:tunable\", found \"configurable:tunabel\" "
                          "(test.ini:2)"},
                      wrong_config{"[plugin confgurable]\nenabled = no\n",
                                   "plugin confgurable: expected \"configurable\", found \"confgurable\" (test.ini:1)"},
                      wrong_config{"[plugin configurable]\nenable = no\n",
                                   "plugin configurable.enable: expected \"enabled\", found \"enable\" (test.ini:2)"}));

TEST(reconfigure, switching_a_plugin_takes_a_restart) {
    configured_host h;
    auto done = h.change("[plugin configurable]\nenabled = no\n");
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(h.effect(done, "plugin configurable"), kind::restart);
    EXPECT_TRUE(h.find("tunable"));
}

TEST(reconfigure, secrets_are_named) {
    configured_host h;
    auto done = h.change("[instance tunable]\ntoken = hunter2\nlevel = 2\n");
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(done->secrets, std::vector<std::string>{"instance tunable.token"});
    EXPECT_EQ(h.host->secret_options(ini("[instance tunable]\ntoken = x\n")),
              std::vector<std::string>{"instance tunable.token"});
}

TEST(reconfigure, a_plugin_that_is_replaced_later_keeps_the_new_values) {
    configured_host h;
    ASSERT_TRUE(h.change("[instance tunable]\nlevel = 7\nsize = 8\n"));
    h.folder.add("configurable_v2", "configurable");
    std::promise<result<reload_report>> answer;
    h.host->reload("configurable", [&](result<reload_report> r) { answer.set_value(std::move(r)); });
    auto replaced = answer.get_future().get();
    ASSERT_TRUE(replaced) << replaced.error().text();
    EXPECT_EQ(replaced->new_version, "2.0.0");
    EXPECT_EQ(h.level(), 7u);
    EXPECT_EQ(h.size(), 8u);
}

TEST(reconfigure, many_changes_and_reloads_at_once_are_made_one_after_another) {
    configured_host h;
    std::vector<std::thread> threads;
    std::atomic<int> bad{0};
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 25; ++i) {
                const auto n = std::to_string(20 + t * 10 + i % 3);
                auto done = h.change("[instance tunable]\nlevel = " + n + "\nsize = " + n + "\n");
                if (!done) ++bad;
            }
        });
    for (auto& t : threads) t.join();
    EXPECT_EQ(bad, 0);
    EXPECT_EQ(h.level(), h.size()) << "never half of a configuration";
    EXPECT_TRUE(h.within([&] { return info_of(h.host->plugins(), "configurable")->retiring.empty(); }));
    EXPECT_TRUE(h.within([&] { return h.calls("started") - h.calls("destroyed") == 1; }));
}

}  // namespace
}  // namespace sigrun
