#include "kernel/config/settings.hpp"

#include <sigrun/cpp/options.hpp>

#include <gtest/gtest.h>

#include <array>

namespace sigrun {
namespace {

using sdk::option;

constexpr std::array k_table{
    option("flag", SIGRUN_OPT_BOOL, {.def = "no", .doc = "A switch"}),
    option("threads", SIGRUN_OPT_INT, {.def = "4", .doc = "Threads", .unit = "threads", .min = 1, .max = 64}),
    option("ratio", SIGRUN_OPT_FLOAT, {.def = "0.5", .doc = "A share", .min = 0, .max = 1}),
    option("memory", SIGRUN_OPT_SIZE, {.def = "64KiB", .doc = "Memory", .min = 1024, .max = 1048576}),
    option("wait", SIGRUN_OPT_DURATION, {.def = "5s", .doc = "Patience", .min = 1e9, .max = 3600e9}),
    option("name", SIGRUN_OPT_STRING, {.doc = "A name"}),
    option("mode", SIGRUN_OPT_CHOICE, {.def = "fast", .doc = "How", .choices = "fast, safe"}),
    option("hosts", SIGRUN_OPT_LIST, {.def = "a, b", .doc = "Where"}),
    option("target", SIGRUN_OPT_URI, {.doc = "Whom"}),
    option("folder", SIGRUN_OPT_PATH, {.doc = "Where on disk"}),
    option("token", SIGRUN_OPT_SECRET, {.def = "", .doc = "A secret"}),
    option("ports", SIGRUN_OPT_INT, {.doc = "Ports", .min = 1, .max = 65535, .flags = SIGRUN_OPT_REPEATABLE}),
};
constexpr std::array k_needy{option("id", SIGRUN_OPT_STRING, {.doc = "Needed", .flags = SIGRUN_OPT_REQUIRED})};

result<std::shared_ptr<const bound_section>> bound(std::string_view keys, std::span<const sigrun_opt> table = k_table) {
    static std::vector<settings> alive;
    alive.push_back(settings::parse("[s]\n" + std::string(keys), "f.ini").value());
    static constexpr std::string_view reserved[] = {"component"};
    return bound_section::bind(alive.back().find("s"), table, reserved);
}
std::string error_of(std::string_view keys) {
    auto found = bound(keys);
    return found ? "no error" : found.error().text();
}

TEST(bound_section, has_the_defaults_when_nothing_is_set) {
    auto b = bound_section::bind(nullptr, k_table).value();
    EXPECT_FALSE(b->boolean("flag"));
    EXPECT_EQ(b->integer("threads"), 4);
    EXPECT_DOUBLE_EQ(b->real("ratio"), 0.5);
    EXPECT_EQ(b->integer("memory"), 65536);
    EXPECT_EQ(b->integer("wait"), 5'000'000'000);
    EXPECT_EQ(b->text("mode"), "fast");
    EXPECT_EQ(b->list("hosts"), (std::vector<std::string>{"a", "b"}));
    EXPECT_FALSE(b->has("name"));
    EXPECT_EQ(b->text("name"), "");
    EXPECT_TRUE(b->has("threads"));
    EXPECT_TRUE(b->list("ports").empty());
}

TEST(bound_section, reads_every_type) {
    auto b = bound(
                 "flag=on\nthreads=64\nratio=1\nmemory=1MiB\nwait=1h\nname=a b\nmode=safe\nhosts=x\n"
                 "target=valkyrie://h:1\nfolder=/x\ntoken=abc\nports=1, 65535\ncomponent=skipped\n")
                 .value();
    EXPECT_TRUE(b->boolean("flag"));
    EXPECT_EQ(b->integer("threads"), 64);
    EXPECT_DOUBLE_EQ(b->real("ratio"), 1);
    EXPECT_EQ(b->integer("memory"), 1 << 20);
    EXPECT_EQ(b->integer("wait"), 3'600'000'000'000);
    EXPECT_EQ(b->text("name"), "a b");
    EXPECT_EQ(b->text("target"), "valkyrie://h:1");
    EXPECT_EQ(b->text("token"), "abc");
    EXPECT_EQ(b->list("ports"), (std::vector<std::string>{"1", "65535"}));
}

TEST(bound_section, an_item_of_a_list_may_hold_an_escaped_comma) {
    EXPECT_EQ(bound("hosts=a\\,b, c\\d\\,\n").value()->list("hosts"), (std::vector<std::string>{"a,b", "c\\d,"}));
    EXPECT_NE(error_of("hosts=a,,b\n").find("separated by single commas"), std::string::npos);
}

TEST(bound_section, names_field_expected_found_and_place) {
    EXPECT_EQ(error_of("threads=0\n"), "s.threads: expected 1 .. 64 threads, found \"0\" (f.ini:2)");
    EXPECT_EQ(error_of("threads=65\n"), "s.threads: expected 1 .. 64 threads, found \"65\" (f.ini:2)");
    EXPECT_EQ(error_of("threads=x\n"), "s.threads: expected a whole number, found \"x\" (f.ini:2)");
    EXPECT_EQ(error_of("threads=4.5\n"), "s.threads: expected a whole number, found \"4.5\" (f.ini:2)");
    EXPECT_EQ(error_of("threads=99999999999999999999\n"),
              "s.threads: expected a whole number, found \"99999999999999999999\" (f.ini:2)");
    EXPECT_EQ(error_of("flag=maybe\n"), "s.flag: expected yes or no, found \"maybe\" (f.ini:2)");
    EXPECT_EQ(error_of("ratio=1.1\n"), "s.ratio: expected 0 .. 1, found \"1.1\" (f.ini:2)");
    EXPECT_EQ(error_of("ratio=nan\n"), "s.ratio: expected a number, found \"nan\" (f.ini:2)");
    EXPECT_EQ(error_of("memory=1\n"), "s.memory: expected 1.0 KiB .. 1.0 MiB, found \"1\" (f.ini:2)");
    EXPECT_EQ(error_of("memory=4X\n"), "s.memory: expected a size such as 64k, 512MiB or 4GiB, found \"4X\" (f.ini:2)");
    EXPECT_EQ(error_of("wait=500ms\n"), "s.wait: expected 1s .. 1h, found \"500ms\" (f.ini:2)");
    EXPECT_EQ(error_of("mode=slow\n"), "s.mode: expected one of fast, safe, found \"slow\" (f.ini:2)");
    EXPECT_EQ(error_of("hosts=a,,b\n"), "s.hosts: expected items separated by single commas, found \"a,,b\" (f.ini:2)");
    EXPECT_EQ(error_of("ports=1,70000\n"), "s.ports: expected 1 .. 65535, found \"70000\" (f.ini:2)");
    for (auto uri : {"host", ":x", "1a:x", "a:", "http://a b"})
        EXPECT_NE(error_of("target=" + std::string(uri) + "\n").find("expected a URI"), std::string::npos) << uri;
}

TEST(bound_section, an_unknown_key_names_the_nearest_or_all) {
    EXPECT_EQ(error_of("thread=1\n"), "s.thread: expected \"threads\", found \"thread\" (f.ini:2)");
    EXPECT_NE(error_of("something=1\n").find("expected one of its keys: flag, threads,"), std::string::npos);
    EXPECT_EQ(bound("thread=1\n").error().code, errc::unknown_field);
    EXPECT_EQ(bound("x=1\n", {}).error().text(), "s.x: expected no key (it has no options), found \"x\" (f.ini:2)");
}

TEST(bound_section, a_required_key_must_have_a_value) {
    EXPECT_EQ(bound("", k_needy).error().text(), "s.id: expected a value (it is required), found nothing (f.ini:1)");
    EXPECT_EQ(bound("id =\n", k_needy).error().text(),
              "s.id: expected a value (it is required), found nothing (f.ini:2)");
    EXPECT_FALSE(bound_section::bind(nullptr, k_needy));
    EXPECT_TRUE(bound("id = x\n", k_needy));
}

TEST(bound_section, an_empty_value_unsets_the_default) {
    auto b = bound("threads =\nhosts =\n").value();
    EXPECT_FALSE(b->has("threads"));
    EXPECT_TRUE(b->list("hosts").empty());
    EXPECT_THROW(b->integer("threads"), std::logic_error);
}

TEST(bound_section, asking_for_an_undeclared_key_is_a_mistake_of_the_program) {
    auto b = bound_section::bind(nullptr, k_table).value();
    EXPECT_THROW(b->text("undeclared"), std::logic_error);
    EXPECT_THROW(b->has("undeclared"), std::logic_error);
}

TEST(bound_section, a_wrong_default_in_the_table_is_found) {
    constexpr std::array table{option("n", SIGRUN_OPT_INT, {.def = "ten", .doc = ""})};
    EXPECT_EQ(bound_section::bind(nullptr, table).error().text(),
              "n: expected a whole number, found \"ten\" (default)");
}

TEST(bound_section, secrets_are_in_no_dump_and_no_message) {
    auto b = bound("token = hunter2\n").value();
    auto dump = b->dump();
    EXPECT_EQ(dump.at("token"), "***");
    EXPECT_EQ(dump.at("threads"), "4");
    EXPECT_EQ(dump.at("name"), "");
    EXPECT_EQ(bound_section::bind(nullptr, k_table).value()->dump().at("token"), "");
    for (const auto& [key, value] : dump) EXPECT_EQ(value.find("hunter2"), std::string::npos) << key;
}

TEST(bound_section, a_plugin_reads_it_through_the_abi) {
    auto b = bound("hosts = x, y, z\nports = 5,6\n").value();
    sdk::config_reader config(b->abi());
    EXPECT_EQ(config.integer("threads"), 4);
    EXPECT_EQ(config.duration("wait"), std::chrono::seconds(5));
    EXPECT_EQ(config.list("hosts"), (std::vector<std::string>{"x", "y", "z"}));
    EXPECT_EQ(config.text("mode"), "fast");
    EXPECT_EQ(config.text_or("name", "none"), "none");
    EXPECT_THROW(config.integer("undeclared"), sdk::failure);
    std::int64_t port = 0;
    EXPECT_EQ(b->abi()->get_i64(b->abi(), sdk::str("ports"), 1, &port), SIGRUN_OK);
    EXPECT_EQ(port, 6);
    EXPECT_EQ(b->abi()->get_i64(b->abi(), sdk::str("ports"), 2, &port), SIGRUN_E_NOT_FOUND);
    double ratio = 0;
    EXPECT_EQ(b->abi()->get_f64(b->abi(), sdk::str("ratio"), 0, &ratio), SIGRUN_OK);
    EXPECT_DOUBLE_EQ(ratio, 0.5);
    EXPECT_EQ(b->abi()->revision, 1u);
}

TEST(option_docs, the_example_has_every_option_and_reads_back_as_the_defaults) {
    const documented_section sections[] = {{"[server]", "The server", k_table},
                                           {"[instance web]  component = http:http", "HTTP", k_needy}};
    auto text = example_ini(sections);
    EXPECT_NE(text.find("; Threads (integer, 1 .. 64 threads)\nthreads = 4\n"), std::string::npos) << text;
    EXPECT_NE(text.find("; How (choice, fast|safe)\nmode = fast\n"), std::string::npos) << text;
    EXPECT_NE(text.find("; A name (text)\n;name =\n"), std::string::npos) << text;
    EXPECT_NE(text.find(";[instance web]\n;component = http:http\n; Needed (text, required)\n;id =\n"),
              std::string::npos)
        << text << "a section that needs a value is off until somebody fills it in";
    auto parsed = settings::parse(text, "example.ini");
    ASSERT_TRUE(parsed) << parsed.error().text();
    auto bound = bound_section::bind(parsed->find("server"), k_table);
    ASSERT_TRUE(bound) << bound.error().text();
    EXPECT_EQ((*bound)->dump(), bound_section::bind(nullptr, k_table).value()->dump());
}

TEST(option_docs, the_table_lines_up_and_tells_when_there_is_nothing) {
    const documented_section sections[] = {{"[server]", "", k_needy}, {"[empty]", "", {}}};
    EXPECT_EQ(options_table(sections),
              "[server]\n"
              "  key  type            default  meaning\n"
              "  id   text, required           Needed\n"
              "\n"
              "[empty]\n"
              "  (no options)\n");
}

}  // namespace
}  // namespace sigrun
