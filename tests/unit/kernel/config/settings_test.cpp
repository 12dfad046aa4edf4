// Layers: files, drop-ins, environment, overrides.
#include "kernel/config/settings.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace sigrun {
namespace {

namespace fs = std::filesystem;

std::string parse_error_of(std::string_view text) {
    auto parsed = settings::parse(text, "f.ini");
    return parsed ? "no error" : parsed.error().text();
}
std::string value_of(const settings& s, std::string_view section, std::string_view key) {
    const auto* found = s.find(section);
    if (!found || !found->values.contains(key)) return "(none)";
    return found->values.find(key)->second.value;
}
std::string origin_of(const settings& s, std::string_view section, std::string_view key) {
    return s.find(section)->values.find(key)->second.origin;
}

TEST(ini, sections_keys_comments_and_origins) {
    auto s = settings::parse(
                 "\xEF\xBB\xBF; comment\n# another\n\n[server]\r\n listen = 127.0.0.1:7070 ; after a blank\r\n"
                 "url=http://x;y\nempty =\n[ instance   http-main ]   ; why\nthreads=2\n",
                 "f.ini")
                 .value();
    ASSERT_EQ(s.sections().size(), 2u);
    EXPECT_EQ(value_of(s, "server", "listen"), "127.0.0.1:7070");
    EXPECT_EQ(origin_of(s, "server", "listen"), "f.ini:5");
    EXPECT_EQ(value_of(s, "server", "url"), "http://x;y");
    EXPECT_EQ(value_of(s, "server", "empty"), "");
    EXPECT_EQ(value_of(s, "instance http-main", "threads"), "2");
    EXPECT_EQ(s.find("instance http-main")->origin, "f.ini:8");
    EXPECT_EQ(s.find("nothing"), nullptr);
    ASSERT_EQ(s.of_kind("instance").size(), 1u);
    EXPECT_EQ(s.of_kind("instance")[0]->name, "instance http-main");
    EXPECT_TRUE(s.of_kind("inst").empty());
    EXPECT_TRUE(s.of_kind("server").empty());
}

TEST(ini, a_section_name_with_dots_stays_whole) {
    auto s = settings::parse("[runner build-7.lan]\nuri = valkyrie://build-7.lan:7070\n", "f.ini").value();
    EXPECT_EQ(value_of(s, "runner build-7.lan", "uri"), "valkyrie://build-7.lan:7070");
}

TEST(ini, what_poco_would_let_pass_is_an_error_with_its_line) {
    EXPECT_EQ(parse_error_of("[a]\nx=1\nx=2\n"), "f.ini:3: expected each key once per section, found x again in [a]");
    EXPECT_EQ(parse_error_of("[a]\nx=1\n[b]\n[a]\n"), "f.ini:4: expected each section once per file, found [a] again");
    EXPECT_EQ(parse_error_of("[runner A]\n[runner a]\n"),
              "f.ini:2: expected each section once per file, found [runner a] again");
    EXPECT_EQ(parse_error_of("[a]\njust text\n"), "f.ini:2: expected [section] or key = value, found \"just text\"");
    EXPECT_EQ(parse_error_of("x = 1\n"), "f.ini:1: expected a [section] before the first key, found \"x = 1\"");
    EXPECT_EQ(parse_error_of("[a\n"), "f.ini:1: expected a section such as [server] alone on its line, found \"[a\"");
    EXPECT_EQ(parse_error_of("[a] x = 1\n"),
              "f.ini:1: expected a section such as [server] alone on its line, found \"[a] x = 1\"");
}

TEST(ini, wrong_names_and_values_are_errors) {
    for (auto section : {"[]", "[A]", "[a b c]", "[a.b]", "[a \x01]", "[a b\"c]"})
        EXPECT_NE(parse_error_of(std::string(section) + "\n").find("f.ini:1: expected a section such as"),
                  std::string::npos)
            << section;
    for (auto key : {"=1", "Key = 1", "a b = 1", "a.b = 1", "k\xc3\xa9y = 1"})
        EXPECT_NE(parse_error_of("[a]\n" + std::string(key) + "\n").find("f.ini:2: expected a key of"),
                  std::string::npos)
            << key;
    EXPECT_NE(parse_error_of("[a]\nx = \x01\n").find("without control characters"), std::string::npos);
    EXPECT_NE(parse_error_of(std::string("[a]\nx = a\0b\n", 11)).find("without control characters"), std::string::npos);
    EXPECT_NE(parse_error_of("[a]\nx = " + std::string(70'000, 'y')).find("at most 64 KiB"), std::string::npos);
    EXPECT_NE(parse_error_of(std::string(1024 * 1024 + 1, '\n')).find("at most 1 MiB"), std::string::npos);
    EXPECT_EQ(parse_error_of(std::string(1024 * 1024, '\n')), "no error");
    EXPECT_EQ(parse_error_of(""), "no error");
}

TEST(ini, references_are_replaced) {
    auto s = settings::parse(
                 "[paths]\nroot = /srv\nstate = ${paths.root}/state\n[a]\nb = x${paths.state}y${paths.root}\n", "f.ini")
                 .value();
    EXPECT_EQ(value_of(s, "a", "b"), "x/srv/statey/srv");
}

TEST(ini, references_that_lead_nowhere_or_on_and_on_are_errors) {
    EXPECT_EQ(parse_error_of("[a]\nx = ${b.c}\n"),
              "f.ini:2: expected ${section.key} of a value that is set, found ${b.c}");
    EXPECT_NE(parse_error_of("[a]\nx = ${HOME}\n").find("found ${HOME}"), std::string::npos);
    EXPECT_NE(parse_error_of("[a]\nx = ${}\n").find("found ${}"), std::string::npos);
    EXPECT_NE(parse_error_of("[a]\nx = ${a.y\ny = 1\n").find("expected ${section.key}"), std::string::npos);
    EXPECT_NE(parse_error_of("[a]\nx = ${a.x}\n").find("leads on and on"), std::string::npos);
    EXPECT_NE(parse_error_of("[a]\nx = ${a.y}\ny = ${a.x}\n").find("leads on and on"), std::string::npos);
    std::string bomb = "[a]\nv0 = \n";
    for (int i = 1; i < 8; ++i) {
        bomb += "v" + std::to_string(i) + " = ";
        for (int j = 0; j < 100; ++j) bomb += "${a.v" + std::to_string(i - 1) + "}";
        bomb += "\n";
    }
    EXPECT_NE(parse_error_of(bomb).find("leads on and on"), std::string::npos);
}

class layers : public ::testing::Test {
protected:
    layers() {
        std::string path = (fs::temp_directory_path() / "sigrun-config-XXXXXX").string();
        if (!mkdtemp(path.data())) throw std::runtime_error("mkdtemp failed");
        folder_ = path;
        fs::create_directory(folder_ / "d");
        sources_.file = write("sigrun.ini", "[server]\nlisten = file\nlog = file\n[instance http-main]\nthreads = 1\n");
        sources_.drop_in_dir = (folder_ / "d").string();
    }
    ~layers() override {
        for (const auto& name : variables_) unsetenv(name.c_str());
        fs::remove_all(folder_);
    }
    std::string write(const std::string& name, std::string_view text) {
        std::ofstream(folder_ / name) << text;
        return (folder_ / name).string();
    }
    void variable(const std::string& name, const std::string& value) {
        setenv(name.c_str(), value.c_str(), 1);
        variables_.push_back(name);
    }

    fs::path folder_;
    config_sources sources_;
    std::vector<std::string> variables_;
};

TEST_F(layers, the_later_one_wins_and_is_named_as_origin) {
    write("d/20.ini", "[server]\nlisten = second\n");
    write("d/10.ini", "[server]\nlisten = first\nextra = first\n");
    write("d/30.txt", "not an ini");
    auto s = settings::load(sources_).value();
    EXPECT_EQ(value_of(s, "server", "listen"), "second");
    EXPECT_NE(origin_of(s, "server", "listen").find("20.ini:2"), std::string::npos);
    EXPECT_EQ(value_of(s, "server", "extra"), "first");
    EXPECT_EQ(value_of(s, "server", "log"), "file");

    variable("SIGRUN_SERVER__LISTEN", "environment");
    s = settings::load(sources_).value();
    EXPECT_EQ(value_of(s, "server", "listen"), "environment");
    EXPECT_EQ(origin_of(s, "server", "listen"), "environment SIGRUN_SERVER__LISTEN");

    sources_.overrides = {"server.listen=set"};
    s = settings::load(sources_).value();
    EXPECT_EQ(value_of(s, "server", "listen"), "set");
    EXPECT_EQ(origin_of(s, "server", "listen"), "--set");

    sources_.overrides.clear();
    sources_.environment = false;
    EXPECT_EQ(value_of(settings::load(sources_).value(), "server", "listen"), "second");
}

TEST_F(layers, a_variable_finds_the_named_section_it_stands_for) {
    variable("SIGRUN_INSTANCE_HTTP_MAIN__THREADS", "7");
    variable("SIGRUN_RUNNER_NEW_ONE__URI", "http://x");
    variable("SIGRUN_FRESH__KEY", "v");
    variable("SIGRUN_URL", "not ours");
    auto s = settings::load(sources_).value();
    EXPECT_EQ(value_of(s, "instance http-main", "threads"), "7");
    EXPECT_EQ(value_of(s, "runner new_one", "uri"), "http://x");
    EXPECT_EQ(value_of(s, "fresh", "key"), "v");
    EXPECT_EQ(s.sections().size(), 4u);
}

TEST_F(layers, a_variable_that_fits_two_sections_is_an_error) {
    write("d/10.ini", "[instance http.main]\n");
    variable("SIGRUN_INSTANCE_HTTP_MAIN__THREADS", "7");
    auto s = settings::load(sources_);
    ASSERT_FALSE(s);
    EXPECT_EQ(s.error().text(),
              "SIGRUN_INSTANCE_HTTP_MAIN__THREADS: expected a name that fits one section, found [instance "
              "http-main] and "
              "[instance http.main]");
}

TEST_F(layers, wrong_variables_are_errors) {
    variable("SIGRUN_SERVER__", "x");
    EXPECT_FALSE(settings::load(sources_));
}

TEST_F(layers, overrides_may_have_dots_and_equals_signs) {
    sources_.overrides = {"runner build-7.lan.uri=http://x/?a=b.c", "server.text= spaced "};
    auto s = settings::load(sources_).value();
    EXPECT_EQ(value_of(s, "runner build-7.lan", "uri"), "http://x/?a=b.c");
    EXPECT_EQ(value_of(s, "server", "text"), "spaced");
}

TEST_F(layers, wrong_overrides_are_errors) {
    for (auto text : {"", "x", "x=1", ".x=1", "a.=1", "a.X=1", "A.x=1", "a=b.c"}) {
        sources_.overrides = {text};
        auto s = settings::load(sources_);
        ASSERT_FALSE(s) << text;
        EXPECT_EQ(s.error().field.rfind("--set", 0), 0u) << text;
    }
}

TEST_F(layers, references_see_the_winning_layer) {
    write("d/10.ini", "[log]\nname = ${server.listen}.log\n");
    sources_.overrides = {"server.listen=top"};
    EXPECT_EQ(value_of(settings::load(sources_).value(), "log", "name"), "top.log");
}

TEST_F(layers, a_file_that_is_missing_or_a_folder_is_an_error_but_a_missing_drop_in_folder_is_not) {
    sources_.drop_in_dir = (folder_ / "nowhere").string();
    EXPECT_TRUE(settings::load(sources_));
    sources_.file = (folder_ / "nothing.ini").string();
    EXPECT_EQ(settings::load(sources_).error().code, errc::not_found);
    sources_.file = folder_.string();
    EXPECT_EQ(settings::load(sources_).error().found, "a folder");
}

TEST_F(layers, an_error_in_a_drop_in_names_that_file) {
    write("d/10.ini", "[server]\noops\n");
    EXPECT_NE(settings::load(sources_).error().text().find("10.ini:2"), std::string::npos);
}

TEST(nearest, finds_small_mistakes_only) {
    const std::vector<std::string> names{"threads", "listen", "log_level", "x"};
    EXPECT_EQ(nearest_name("thread", names), "threads");
    EXPECT_EQ(nearest_name("lsiten", names), "listen");
    EXPECT_EQ(nearest_name("loglevel", names), "log_level");
    EXPECT_EQ(nearest_name("something", names), "");
    EXPECT_EQ(nearest_name("y", names), "");
    EXPECT_EQ(nearest_name("", names), "");
    EXPECT_EQ(nearest_name(std::string(100'000, 'a'), names), "");
    EXPECT_EQ(nearest_name("threads", {}), "");
}

}  // namespace
}  // namespace sigrun
