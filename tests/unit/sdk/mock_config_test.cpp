#include <sigrun/cpp/mock_config.hpp>
#include <sigrun/cpp/options.hpp>
#include <sigrun/probe.h>

#include <gtest/gtest.h>

namespace sdk = sigrun::sdk;

namespace {

constexpr sigrun_opt k_mock_options[] = {
    sdk::option("count", SIGRUN_OPT_INT, {.def = "3", .min = 1, .max = 9}),
    sdk::option("wait", SIGRUN_OPT_DURATION, {.def = "1h30m"}),
    sdk::option("room", SIGRUN_OPT_SIZE, {.def = "4KiB"}),
    sdk::option("ratio", SIGRUN_OPT_FLOAT, {.def = "0.5"}),
    sdk::option("on", SIGRUN_OPT_BOOL, {.def = "yes"}),
    sdk::option("mode", SIGRUN_OPT_CHOICE, {.def = "fast", .choices = "fast,slow"}),
    sdk::option("names", SIGRUN_OPT_LIST, {.def = "a, b"}),
    sdk::option("path", SIGRUN_OPT_PATH, {.flags = SIGRUN_OPT_REQUIRED}),
    sdk::option("note", SIGRUN_OPT_STRING, {}),
};
constexpr sigrun_component k_component{sizeof(sigrun_component),    std::size(k_mock_options), sdk::str("thing"),
                                       sdk::str(SIGRUN_KIND_PROBE), sdk::str("doc"),           k_mock_options};

std::string refusal(std::map<std::string, std::string> options) {
    options.try_emplace("path", "/x");
    try {
        sdk::mock::config config(k_component, options);
    } catch (const sdk::failure& f) {
        return f.what();
    }
    return {};
}

}  // namespace

TEST(mock_config, defaults_are_typed) {
    sdk::mock::config config(k_component, {{"path", "/x"}});
    sdk::config_reader reader(config.abi());
    EXPECT_EQ(reader.integer("count"), 3);
    EXPECT_EQ(reader.duration("wait"), std::chrono::minutes(90));
    EXPECT_EQ(reader.integer("room"), 4096);
    EXPECT_DOUBLE_EQ(reader.real("ratio"), 0.5);
    EXPECT_TRUE(reader.boolean("on"));
    EXPECT_EQ(reader.text("mode"), "fast");
    EXPECT_EQ(reader.list("names"), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(reader.text_or("note", "none"), "none");
}

TEST(mock_config, wrong_values_are_refused_by_name) {
    EXPECT_EQ(refusal({}), "");
    EXPECT_EQ(refusal({{"count", "ten"}}), "count: expected a whole number, found \"ten\"");
    EXPECT_EQ(refusal({{"count", "10"}}), "count: expected a value from 1 to 9, found \"10\"");
    EXPECT_EQ(refusal({{"count", "1.5"}}), "count: expected a whole number, found \"1.5\"");
    EXPECT_EQ(refusal({{"wait", "5"}}), "wait: expected a duration such as 250ms, found \"5\"");
    EXPECT_EQ(refusal({{"room", "4x"}}), "room: expected a size such as 64KiB, found \"4x\"");
    EXPECT_EQ(refusal({{"on", "maybe"}}), "on: expected yes or no, found \"maybe\"");
    EXPECT_EQ(refusal({{"mode", "mid"}}), "mode: expected one of fast,slow, found \"mid\"");
    EXPECT_EQ(refusal({{"colour", "red"}}), "component 'thing' has no option 'colour'");
    EXPECT_THROW(sdk::mock::config(k_component, {}), sdk::failure);
}
