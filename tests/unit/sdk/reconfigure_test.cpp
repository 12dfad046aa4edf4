// What the C++ layer makes of reconfigure, commit and abort.
#include <sigrun/cpp/mock_host.hpp>
#include <sigrun/cpp/plugin.hpp>
#include <sigrun/probe.h>

#include <gtest/gtest.h>

namespace sdk = sigrun::sdk;

namespace {

struct calls {
    int asked = 0, committed = 0, aborted = 0;
    std::int64_t level = 0;
} seen;

class tunable {
public:
    tunable(sdk::host, const sdk::config_reader& config) { seen = {0, 0, 0, config.integer("level")}; }
    const void* interface(std::string_view) noexcept { return &seen; }
    bool reconfigure(const sdk::config_reader& config) {
        ++seen.asked;
        next_ = config.integer("level");
        if (next_ == 13) throw sdk::failure(SIGRUN_E_CONFIG, "level: expected another number, found 13");
        return next_ != 14;
    }
    void commit() {
        ++seen.committed;
        seen.level = next_;
    }
    void abort() { ++seen.aborted; }

private:
    std::int64_t next_ = 0;
};

class rigid {
public:
    rigid(sdk::host, const sdk::config_reader&) {}
    const void* interface(std::string_view) noexcept { return &seen; }
};

constexpr sigrun_opt k_options[] = {
    sdk::option("level", SIGRUN_OPT_INT, {.def = "1", .max = 100, .flags = SIGRUN_OPT_HOT}),
    sdk::option("names", SIGRUN_OPT_LIST, {.def = "a, b"}),
    sdk::option("note", SIGRUN_OPT_STRING, {}),
};

constexpr auto k_tables = sdk::make_tables(sdk::component<tunable>("tunable", SIGRUN_KIND_PROBE, "", k_options),
                                           sdk::component<rigid>("rigid", SIGRUN_KIND_PROBE, "", k_options));

const sigrun_entry& entry() {
    static constexpr sigrun_entry made = {
        sizeof(sigrun_entry),
        SIGRUN_ABI_MAJOR,
        SIGRUN_ABI_MINOR,
        0,
        sdk::str("test.tunable"),
        sdk::str("1.0.0"),
        {},
        {},
        {},
        static_cast<std::uint32_t>(k_tables.components.size()),
        0,
        k_tables.components.data(),
        nullptr,
        [](const sigrun_host* h, sigrun_str c, const sigrun_config* config, sigrun_instance** out,
           sigrun_error* error) noexcept -> sigrun_result { return k_tables.create(h, c, config, out, error); },
        nullptr};
    return made;
}

struct running {
    sdk::mock_host host;
    sigrun_instance* instance = host.create_from(entry(), "tunable");
    std::uint32_t change(const std::map<std::string, std::string>& options) {
        return host.reconfigure(instance, entry(), "tunable", options);
    }
    ~running() { host.destroy(instance); }
};

}  // namespace

TEST(cpp_reconfigure, a_hot_value_is_set_aside_and_used_at_the_commit) {
    running r;
    EXPECT_EQ(r.change({{"level", "7"}}), SIGRUN_EFFECT_APPLIED_HOT);
    EXPECT_EQ(seen.level, 7);
    EXPECT_EQ(seen.committed, 1);
    EXPECT_EQ(seen.aborted, 0);
}

TEST(cpp_reconfigure, other_values_mean_a_new_instance_and_nobody_is_asked) {
    running r;
    EXPECT_EQ(r.change({{"level", "7"}, {"names", "a"}}), SIGRUN_EFFECT_NEEDS_NEW_INSTANCE);
    EXPECT_EQ(r.change({{"names", "b, a"}}), SIGRUN_EFFECT_NEEDS_NEW_INSTANCE);
    EXPECT_EQ(r.change({{"note", "x"}}), SIGRUN_EFFECT_NEEDS_NEW_INSTANCE);
    EXPECT_EQ(seen.asked, 0);
    EXPECT_EQ(seen.committed, 0);
    EXPECT_EQ(seen.aborted, 0) << "what was not asked need not be told";
    EXPECT_EQ(seen.level, 1);
}

TEST(cpp_reconfigure, a_refusal_and_a_no_are_followed_by_abort) {
    running r;
    try {
        r.change({{"level", "13"}});
        FAIL();
    } catch (const sdk::failure& f) {
        EXPECT_STREQ(f.what(), "level: expected another number, found 13");
    }
    EXPECT_EQ(seen.aborted, 1);
    EXPECT_EQ(r.change({{"level", "14"}}), SIGRUN_EFFECT_NEEDS_NEW_INSTANCE);
    EXPECT_EQ(seen.aborted, 2);
    EXPECT_EQ(seen.committed, 0);
    EXPECT_EQ(seen.level, 1);
}

TEST(cpp_reconfigure, without_the_function_there_is_no_slot) {
    sdk::mock_host host;
    auto* instance = host.create_from(entry(), "rigid");
    EXPECT_EQ(instance->config_prepare, nullptr);
    host.destroy(instance);
}
