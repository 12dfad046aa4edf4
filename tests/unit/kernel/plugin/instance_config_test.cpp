// [instance NAME] and [plugin NAME] sections.
#include "plugin_folder.hpp"

namespace sigrun {
namespace {

using namespace testing;

class instance_config : public ::testing::Test {
protected:
    std::unique_ptr<plugin_host> with(std::string_view text) {
        auto host = std::make_unique<plugin_host>(folder_.options(), ini(text), numbers_);
        outcome_ = host->load_all();
        return host;
    }
    std::string error() const { return outcome_ ? "no error" : outcome_.error().text(); }

    plugin_folder folder_;
    metrics numbers_;
    result<void> outcome_;
};

TEST_F(instance_config, sections_replace_the_default_instance) {
    folder_.add("plain");
    auto host = with(
        "[instance one]\ncomponent = plain:plain\nthreads = 2\n[instance two]\ncomponent = "
        "test.plain:plain\n");
    ASSERT_TRUE(outcome_) << error();
    auto all = host->instances(SIGRUN_KIND_PROBE);
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0]->name(), "one");
    EXPECT_EQ(all[1]->name(), "two");
    EXPECT_EQ(host->find(SIGRUN_KIND_PROBE, "plain"), all[0]);  // by component
    EXPECT_EQ(host->plugins()[0].components[0].instances, (std::vector<std::string>{"one", "two"}));
}

TEST_F(instance_config, a_section_without_component_configures_the_default_instance) {
    folder_.add("plain");
    auto host = with("[instance plain]\nthreads = 9\n");
    ASSERT_TRUE(outcome_) << error();
    EXPECT_EQ(host->instances(SIGRUN_KIND_PROBE).size(), 1u);
}

TEST_F(instance_config, an_unknown_option_is_named_with_place_and_nearest) {
    folder_.add("plain");
    auto host = with("[instance one]\ncomponent = plain:plain\nthraeds = 2\n");
    EXPECT_EQ(error(), "instance one.thraeds: expected \"threads\", found \"thraeds\" (test.ini:3)");
    EXPECT_EQ(outcome_.error().code, errc::unknown_field);
}

TEST_F(instance_config, a_value_beyond_its_limits_is_an_error) {
    folder_.add("plain");
    auto host = with("[instance one]\ncomponent = plain:plain\nthreads = 65\n");
    EXPECT_EQ(error(), "instance one.threads: expected 1 .. 64, found \"65\" (test.ini:3)");
}

TEST_F(instance_config, an_unknown_plugin_or_component_is_an_error_with_the_nearest) {
    folder_.add("plain");
    auto host = with("[instance one]\ncomponent = plian:plain\n");
    EXPECT_EQ(error(), "instance one.component: expected \"plain\", found \"plian\" (test.ini:2)");
    host = with("[instance one]\ncomponent = plain:plan\n");
    EXPECT_EQ(error(), "instance one.component: expected \"plain:plain\", found \"plain:plan\" (test.ini:2)");
    host = with("[instance one]\ncomponent = plain\n");
    EXPECT_EQ(error(),
              "instance one.component: expected plugin:component, e.g. http:http, found \"plain\" (test.ini:2)");
    host = with("[plugin plian]\nenabled = no\n");
    EXPECT_EQ(error(), "plugin plian: expected \"plain\", found \"plian\" (test.ini:1)");
}

TEST_F(instance_config, a_plugin_that_is_switched_off_is_not_loaded) {
    folder_.add("plain");
    folder_.add("other");
    for (auto name : {"plain", "test.plain"}) {
        auto host = with("[plugin " + std::string(name) + "]\nenabled = no\n[instance x]\ncomponent = plain:plain\n");
        ASSERT_TRUE(outcome_) << error();
        auto plugins = host->plugins();
        EXPECT_FALSE(info_of(plugins, "plain")->active);
        EXPECT_EQ(info_of(plugins, "plain")->reason, "switched off in test.ini:1");
        EXPECT_EQ(host->instances(SIGRUN_KIND_PROBE).size(), 1u);
    }
}

TEST_F(instance_config, an_unknown_key_of_a_plugin_section_is_an_error) {
    folder_.add("plain");
    auto host = with("[plugin plain]\nenable = no\n");
    EXPECT_EQ(error(), "plugin plain.enable: expected \"enabled\", found \"enable\" (test.ini:2)");
}

TEST_F(instance_config, a_section_for_a_rejected_plugin_does_not_stop_the_rest) {
    folder_.add("wrong_major");
    folder_.add("other");
    auto host = with("[instance x]\ncomponent = wrong_major:plain\n");
    ASSERT_TRUE(outcome_) << error();
    EXPECT_EQ(host->instances(SIGRUN_KIND_PROBE).size(), 1u);
}

TEST_F(instance_config, a_required_option_means_no_default_instance) {
    folder_.add("needy");
    auto host = with("");
    ASSERT_TRUE(outcome_) << error();
    EXPECT_TRUE(host->plugins()[0].active);
    EXPECT_TRUE(host->instances(SIGRUN_KIND_PROBE).empty());
    host = with("[instance n]\ncomponent = needy:plain\n");
    EXPECT_EQ(error(), "instance n.name: expected a value (it is required), found nothing (test.ini:1)");
    host = with("[instance n]\ncomponent = needy:plain\nname = x\n");
    ASSERT_TRUE(outcome_) << error();
    EXPECT_EQ(host->instances(SIGRUN_KIND_PROBE).size(), 1u);
}

TEST_F(instance_config, components_of_the_same_name_get_different_default_names) {
    folder_.add("plain");
    folder_.add("twin");
    auto host = with("");
    ASSERT_TRUE(outcome_) << error();
    auto all = host->instances(SIGRUN_KIND_PROBE);
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0]->name(), "plain");
    EXPECT_EQ(all[1]->name(), "twin-plain");
}

TEST_F(instance_config, the_generated_example_loads) {
    folder_.add("plain");
    folder_.add("other");
    auto host = with("");
    ASSERT_TRUE(outcome_) << error();
    const std::string example = example_ini(host->documented());
    EXPECT_NE(example.find("[instance plain]\ncomponent = plain:plain\n"), std::string::npos) << example;
    EXPECT_NE(example.find("threads = 4"), std::string::npos) << example;
    host = with(example);
    EXPECT_TRUE(outcome_) << error();
    EXPECT_EQ(host->instances(SIGRUN_KIND_PROBE).size(), 2u);
}

}  // namespace
}  // namespace sigrun
