// What every test gets: the file under test, what it says of itself, the configuration to use, and where to report.
#pragma once

#include "kernel/config/settings.hpp"
#include "kernel/plugin/descriptor.hpp"
#include "kernel/plugin/elf_gate.hpp"
#include "report.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sigrun::check {

struct arguments {
    std::string file;
    std::vector<std::string> groups;  // empty = all
    std::string config;               // an INI with [instance] sections for components that need values
    std::vector<std::string> corpus;  // files with the first bytes of a connection, for protocols
    std::string waive_file;           // empty = sigrun-plugin-check.ini beside the file
    std::string verdict;              // where to write the verdict; empty = nowhere
    std::uint64_t seed = 1;
    std::chrono::milliseconds fuzz{0};
    std::chrono::milliseconds timeout{20'000};
    std::chrono::milliseconds patience{5000};  // for what must happen soon, such as the end of an op
    bool in_process = false, json = false, junit = false;
    unsigned cycles = 30, reloads = 25;
};

/// The file under test. Read once; every load works on a private copy of these bytes.
struct subject {
    std::string path, name, bytes, sha256;
    plugin_identity note;  // empty id: the file has no readable note
    settings config;
};

struct session {
    const arguments& args;
    const subject& file;
    reporter& report;
    std::string scratch;  // a folder of this test alone; also its working directory
};

/// One test, run in a child. It reports on `rules`; those it says nothing about are shown as not reached.
struct test {
    std::string_view name;
    std::vector<std::string_view> rules;
    void (*run)(session&);
    std::string_view kind{};  // only for plugins that have a component of this kind; empty = all
    int weight = 1;           // multiplies the time limit
    bool fuzzes = false;      // its limit grows by --fuzz
};

// One function per group.
std::vector<test> static_tests();
std::vector<test> entry_tests();
std::vector<test> life_tests();
std::vector<test> thread_tests();
std::vector<test> config_tests();
std::vector<test> unload_tests();
std::vector<test> side_by_side_tests();
std::vector<test> reload_tests();
std::vector<test> hostile_tests();
std::vector<test> protocol_tests();
std::vector<test> balancer_tests();
std::vector<test> decider_tests();
std::vector<test> probe_tests();
std::vector<test> executor_tests();
std::vector<test> store_tests();

}  // namespace sigrun::check
