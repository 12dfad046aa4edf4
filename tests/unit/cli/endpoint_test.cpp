#include "kernel/app/sigrun/endpoint.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace sigrun::cli {
namespace {

struct world {
    std::map<std::string, std::string> variables;
    std::set<std::string> files;
    surroundings as_user(unsigned user) const {
        surroundings s;
        s.variable = [this](const char* name) {
            auto at = variables.find(name);
            return at == variables.end() ? std::string() : at->second;
        };
        s.exists = [this](const std::string& path) { return files.contains(path); };
        s.user = user;
        s.program = "/opt/x/bin/sigrun";
        return s;
    }
};

TEST(endpoint, the_flag_beats_the_environment_beats_the_socket_beats_the_port) {
    world w;
    w.variables["HOME"] = "/home/u";
    EXPECT_EQ(daemon_url("", w.as_user(1000)), "valkyrie://127.0.0.1:7070");
    w.files.insert("/home/u/.local/state/sigrun/sigrun.sock");
    EXPECT_EQ(daemon_url("", w.as_user(1000)), "valkyrie+unix:///home/u/.local/state/sigrun/sigrun.sock");
    w.variables["SIGRUN_URL"] = "http://10.0.0.1:80";
    EXPECT_EQ(daemon_url("", w.as_user(1000)), "http://10.0.0.1:80");
    EXPECT_EQ(daemon_url("valkyrie://a:1", w.as_user(1000)), "valkyrie://a:1");
}

TEST(endpoint, short_forms_are_completed) {
    const world w;
    EXPECT_EQ(daemon_url("/run/s.sock", w.as_user(0)), "valkyrie+unix:///run/s.sock");
    EXPECT_EQ(daemon_url("unix:/run/s.sock", w.as_user(0)), "valkyrie+unix:///run/s.sock");
    EXPECT_EQ(daemon_url("host:7070", w.as_user(0)), "valkyrie://host:7070");
}

TEST(endpoint, the_state_folder_is_that_of_the_user) {
    world w;
    EXPECT_EQ(default_state_dir(w.as_user(0)), "/var/lib/sigrun");
    EXPECT_EQ(default_state_dir(w.as_user(1000)), "");
    w.variables["HOME"] = "/home/u";
    EXPECT_EQ(default_state_dir(w.as_user(1000)), "/home/u/.local/state/sigrun");
    w.variables["XDG_STATE_HOME"] = "/s";
    EXPECT_EQ(default_state_dir(w.as_user(1000)), "/s/sigrun");
}

TEST(endpoint, plugins_are_found_in_a_build_tree_and_in_an_installation) {
    world w;
    EXPECT_EQ(plugin_dir("", w.as_user(0)), "/opt/x/bin/../plugins");
    w.files.insert("/opt/x/bin/../lib/sigrun/plugins");
    EXPECT_EQ(plugin_dir("", w.as_user(0)), "/opt/x/bin/../lib/sigrun/plugins");
    w.files.insert("/opt/x/bin/../plugins");
    EXPECT_EQ(plugin_dir("", w.as_user(0)), "/opt/x/bin/../plugins");
    w.variables["SIGRUN_PLUGIN_DIR"] = "/p";
    EXPECT_EQ(plugin_dir("", w.as_user(0)), "/p");
    EXPECT_EQ(plugin_dir("/q", w.as_user(0)), "/q");
}

}  // namespace
}  // namespace sigrun::cli
