// Real small programs, run as the probe runs them.
#include "fixtures/machines/rig.hpp"
#include "verification.hpp"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>

namespace sigrun::software {
namespace {

using std::chrono::milliseconds;
using clock = std::chrono::steady_clock;

std::size_t open_descriptors() {
    std::size_t n = 0;
    if (DIR* dir = ::opendir("/proc/self/fd")) {
        while (::readdir(dir)) ++n;
        ::closedir(dir);
    }
    return n;
}

/// A folder of scripts that only their owner can change.
struct scripts : machines::scratch_tree {
    std::string add(const std::string& name, std::string_view body) {
        write(name, "#!/bin/sh\n" + std::string(body) + "\n");
        std::filesystem::permissions(path() + "/" + name, std::filesystem::perms(0755));
        return path() + "/" + name;
    }
};

struct run_of_one {
    answer said;
    milliseconds took{};
    bool complete = false;
};
run_of_one run_one(const std::string& path, std::vector<std::string> arguments = {},
                   milliseconds deadline = milliseconds(5000)) {
    run_of_one out;
    const auto begin = clock::now();
    out.complete = run_all(
        {{path, std::move(arguments)}}, {deadline, 8, 4096}, [&](std::size_t, answer a) { out.said = std::move(a); },
        [] { return true; });
    out.took = std::chrono::duration_cast<milliseconds>(clock::now() - begin);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
    return out;
}

bool alive(const std::string& pid_file) {
    const auto pid = std::atoi(machines::slurp(pid_file).c_str());
    EXPECT_GT(pid, 0);
    for (int i = 0; i < 200; ++i) {  // what was killed may take a moment to be reaped by init
        const auto stat = machines::slurp("/proc/" + std::to_string(pid) + "/stat");
        if (stat.empty() || stat.find(") Z") != stat.npos) return false;
        ::poll(nullptr, 0, 10);
    }
    return true;
}

TEST(execution, hears_what_a_program_says_on_both_outputs) {
    scripts s;
    const auto r = run_one(s.add("x", "echo one 1.2.3; echo two >&2"));
    EXPECT_TRUE(r.complete);
    EXPECT_EQ(r.said.how, ending::exited);
    EXPECT_EQ(r.said.code, 0);
    EXPECT_EQ(r.said.output, "one 1.2.3\ntwo\n");
}

TEST(execution, nothing_is_inherited_but_three_variables) {
    ::setenv("SIGRUN_TEST_SECRET", "x", 1);
    const auto r = run_one("/usr/bin/env");
    std::vector<std::string> lines;
    std::istringstream in(r.said.output);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    std::sort(lines.begin(), lines.end());
    EXPECT_EQ(lines, (std::vector<std::string>{"HOME=/dev/null", "LC_ALL=C", "PATH=/usr/local/bin:/usr/bin:/bin"}));
    scripts s;
    const auto around = run_one(s.add("x", "pwd; cat; ls /proc/self/fd | wc -l; ulimit -c; ulimit -t"), {});
    // ls: 0, 1, 2 and the folder itself; no input, no core, two seconds at most... of a deadline of five.
    EXPECT_EQ(around.said.output, "/\n4\n0\n6\n");
}

TEST(execution, a_program_that_hangs_is_killed_with_its_children_at_the_deadline) {
    scripts s;
    const auto file = s.path() + "/pid";
    const auto r = run_one(s.add("x", "sleep 1000 & echo $! > " + file + "; echo 1.0; wait"), {}, milliseconds(300));
    EXPECT_EQ(r.said.how, ending::late);
    EXPECT_GE(r.took, milliseconds(300));
    EXPECT_LT(r.took, milliseconds(5000));
    EXPECT_FALSE(alive(file));
}

TEST(execution, a_child_that_outlives_its_parent_holds_nothing_up) {
    scripts s;
    const auto file = s.path() + "/pid";
    const auto r = run_one(s.add("x", "echo 1.0; sleep 1000 & echo $! > " + file), {}, milliseconds(30'000));
    EXPECT_EQ(r.said.how, ending::exited);
    EXPECT_EQ(r.said.output, "1.0\n");
    EXPECT_LT(r.took, milliseconds(10'000));
    EXPECT_FALSE(alive(file));
}

TEST(execution, a_flood_is_cut) {
    scripts s;
    const auto r = run_one(s.add("x", "echo version 7.1; head -c 1048576 /dev/zero | tr '\\0' x; sleep 1000"));
    EXPECT_EQ(r.said.how, ending::cut);
    EXPECT_EQ(r.said.output.size(), 4096u);
    EXPECT_EQ(version_in(r.said.output), "7.1");
}

TEST(execution, says_how_else_it_ended) {
    scripts s;
    EXPECT_EQ(run_one(s.add("one", "exit 1")).said.code, 1);
    const auto killed = run_one(s.add("killed", "kill -9 $$"));
    EXPECT_EQ(killed.said.how, ending::signalled);
    EXPECT_EQ(killed.said.code, SIGKILL);
    s.write("text", "no program");
    const auto refused = run_one(s.path() + "/text");
    EXPECT_EQ(refused.said.how, ending::not_started);
    EXPECT_EQ(refused.said.code, EACCES);
    EXPECT_EQ(run_one(s.path() + "/nothing").said.code, ENOENT);
}

TEST(execution, at_most_so_many_run_at_once_and_none_is_forgotten) {
    scripts s;
    // Each notes how many are there when it begins.
    std::filesystem::create_directory(s.path() + "/here");
    const auto program = s.add(
        "x", "d=" + s.path() + "; touch $d/here/$$; ls $d/here | wc -l >> $d/seen; sleep 0.05; rm $d/here/$$; echo $1");
    std::vector<command> commands;
    for (int i = 0; i < 20; ++i) commands.push_back({program, {std::to_string(i)}});
    std::vector<std::string> heard(20);
    const auto descriptors = open_descriptors();
    EXPECT_TRUE(run_all(
        commands, {milliseconds(20'000), 4, 4096}, [&](std::size_t i, answer a) { heard.at(i) = std::move(a.output); },
        [] { return true; }));
    for (int i = 0; i < 20; ++i) EXPECT_EQ(heard[static_cast<std::size_t>(i)], std::to_string(i) + "\n");
    std::istringstream seen(machines::slurp(s.path() + "/seen"));
    for (int n; seen >> n;) EXPECT_LE(n, 4);
    EXPECT_EQ(open_descriptors(), descriptors);
}

TEST(execution, being_told_to_stop_ends_all_of_them) {
    scripts s;
    const auto program = s.add("x", "sleep 1000");
    const auto begin = clock::now();
    EXPECT_FALSE(run_all(
        {{program, {}}, {program, {}}}, {milliseconds(60'000), 8, 4096}, [](std::size_t, answer) { ADD_FAILURE(); },
        [&] { return clock::now() - begin < milliseconds(100); }));
    EXPECT_LT(clock::now() - begin, milliseconds(5000));
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(execution, a_limit_of_address_space_is_not_passed_on) {
    scripts s;
    rlimit before{}, small{1ull << 32, 1ull << 33};
    ASSERT_EQ(::getrlimit(RLIMIT_AS, &before), 0);
    if (before.rlim_max != RLIM_INFINITY) GTEST_SKIP() << "there is a limit already";
    ASSERT_EQ(::setrlimit(RLIMIT_AS, &small), 0);
    // A moment later: it is set just after the start.
    const auto r = run_one(s.add("x", "sleep 0.2; ulimit -v"));
    const rlimit back{before.rlim_cur, before.rlim_max};
    if (::setrlimit(RLIMIT_AS, &back) != 0) {
        const rlimit most{small.rlim_max, small.rlim_max};
        ::setrlimit(RLIMIT_AS, &most);
    }
    // All that may be given: a user with the right to raise limits may give more.
    EXPECT_TRUE(r.said.output == "unlimited\n" || r.said.output == "8388608\n") << r.said.output;
}
#endif

TEST(machine_calls, know_how_long_this_program_runs) {
    const auto calls = live_calls();
    const double first = calls.seconds_of_program();
    EXPECT_GT(first, 0);
    EXPECT_LT(first, 3600);
    ::poll(nullptr, 0, 50);
    EXPECT_GE(calls.seconds_of_program(), first + 0.04);
}

TEST(version_in, finds_the_version_programs_print) {
    for (const auto& [output, version] : std::vector<std::pair<std::string, std::string>>{
             {"git version 2.39.5\n", "2.39.5"},
             {"gcc (Debian 12.2.0-14+deb12u1) 12.2.0\n", "12.2.0"},
             {"go version go1.19.8 linux/amd64", "1.19.8"},
             {"OpenSSH_9.2p1 Debian-2, OpenSSL 3.0.16", "9.2p1"},
             {"\nThis is perl 5, version 36, subversion 0 (v5.36.0) built", "5.36.0"},
             {"openjdk version \"17.0.15\" 2025-04-15", "17.0.15"},
             {"GNU bash, version 5.2.15(1)-release", "5.2.15"},
             {"less 590 (x)", "590"},
             {"v20.20.2\n", "20.20.2"},
             {"", ""},
             {"usage: x", ""},
             {"1.", ""},
             {"..1..", ""},
             {std::string(100, '1') + "." + std::string(100, '2'), ""}})
        EXPECT_EQ(version_in(output), version) << output;
}

/// An inventory of one program.
inventory of(const std::string& path, const char* name = "git") {
    const sdk::sysroot live;
    inventory out;
    out.folders = 1;
    entry e;
    e.program.what = known(name);
    e.program.path = e.program.target = path;
    e.program.names = {name};
    e.program.info = live.stat(path).value();
    e.version = "0.1";
    e.found_by = "package";
    out.entries.push_back(e);
    return out;
}

TEST(verification, mission_D12_what_the_program_says_replaces_what_files_say) {
    scripts s;
    const auto path = s.add("git", "echo x >> " + s.path() + "/runs; echo git version 9.8.7");
    const sdk::sysroot live;
    verifier v({milliseconds(5000), 8, 4096});
    auto found = of(path);
    ASSERT_TRUE(v.verify(live, found, [] { return true; }));
    EXPECT_EQ(found.entries[0].version, "9.8.7");
    EXPECT_EQ(found.entries[0].found_by, "execution");
    EXPECT_TRUE(found.entries[0].verified);
    EXPECT_EQ(v.summary(), "1 of 1 said their version; not that of their package: git");
    auto again = of(path);
    ASSERT_TRUE(v.verify(live, again, [] { return true; }));
    EXPECT_TRUE(again.entries[0].verified);
    EXPECT_EQ(v.counts().executed, 0u) << "the same file is not run twice";
    EXPECT_EQ(machines::slurp(s.path() + "/runs"), "x\n");
    s.add("git", "echo git version 10.0.1 of another length");
    auto other = of(path);
    ASSERT_TRUE(v.verify(live, other, [] { return true; }));
    EXPECT_EQ(other.entries[0].version, "10.0.1") << "a new file is asked again";
}

TEST(verification, mission_D13_a_program_that_does_not_say_is_reported_and_keeps_what_files_say) {
    scripts s;
    const sdk::sysroot live;
    verifier v({milliseconds(200), 8, 4096});
    for (const char* body : {"exit 1", "echo 1.2.3; exit 1", "echo no version", "sleep 1000", "kill -SEGV $$"}) {
        auto found = of(s.add("git", std::string(body) + " # " + std::string(body).substr(0, 3)));
        ASSERT_TRUE(v.verify(live, found, [] { return true; })) << body;
        EXPECT_FALSE(found.entries[0].verified) << body;
        EXPECT_EQ(found.entries[0].version, "0.1") << body;
    }
    EXPECT_EQ(v.counts().silent, 1u);
    EXPECT_EQ(v.summary(), "0 of 1 said their version; these did not: git");
}

TEST(verification, what_others_can_change_is_not_run) {
    scripts s;
    const sdk::sysroot live;
    const auto path = s.add("git", "echo x > " + s.path() + "/ran; echo 1.2.3");
    std::filesystem::permissions(path, std::filesystem::perms(0757));
    EXPECT_EQ(reason_not_to_run(live, of(path).entries[0].program), "others may change the file");
    verifier v({milliseconds(5000), 8, 4096});
    auto found = of(path);
    ASSERT_TRUE(v.verify(live, found, [] { return true; }));
    EXPECT_EQ(v.counts().not_run, 1u);
    EXPECT_FALSE(std::filesystem::exists(s.path() + "/ran"));
    std::filesystem::permissions(path, std::filesystem::perms(0755));
    std::filesystem::permissions(s.path(), std::filesystem::perms(0777));
    EXPECT_EQ(reason_not_to_run(live, of(path).entries[0].program), "others may change the folder");
    std::filesystem::permissions(s.path(), std::filesystem::perms(0755));
    EXPECT_EQ(reason_not_to_run(live, of(path).entries[0].program), "");
    EXPECT_NE(reason_not_to_run(live, of(path, "gradle").entries[0].program), "") << "it starts a daemon";
    if (::geteuid() == 0) {
        ASSERT_EQ(::chown(path.c_str(), 65534, 65534), 0);
        EXPECT_EQ(reason_not_to_run(live, of(path).entries[0].program), "others may change the file");
    }
}

TEST(verification, stopped_early_it_goes_on_next_time) {
    scripts s;
    const sdk::sysroot live;
    inventory both = of(s.add("git", "echo 1.2.3"));
    both.entries.push_back(of(s.add("tar", "test -e " + s.path() + "/go || sleep 1000; echo 4.5.6"), "tar").entries[0]);
    verifier v({milliseconds(60'000), 8, 4096});
    auto first = both, second = both;
    const auto begin = clock::now();
    // Until the quick one was heard and the slow one has had its chance to be.
    EXPECT_FALSE(v.verify(live, first, [&] { return clock::now() - begin < milliseconds(1500); }));
    EXPECT_TRUE(first.entries[0].verified);
    EXPECT_FALSE(first.entries[1].verified);
    s.write("go", "");
    EXPECT_TRUE(v.verify(live, second, [] { return true; }));
    EXPECT_EQ(v.counts().executed, 1u);
    EXPECT_EQ(second.entries[1].version, "4.5.6");
}

TEST(verification, agrees_with_this_machines_own_programs) {
    const sdk::sysroot live;
    auto found = take_inventory(live, package_database::read(live), program_folders(live, {}, {}));
    verifier v({milliseconds(20'000), 4, 4096});
    ASSERT_TRUE(v.verify(live, found, [] { return true; }));
    int compared = 0;
    for (const auto& e : found.entries) {
        if (!e.verified || e.program.what->arguments != "--version" || compared >= 12) continue;
        FILE* pipe = ::popen((e.program.path + " --version 2>&1 </dev/null").c_str(), "r");
        ASSERT_NE(pipe, nullptr);
        std::string text;
        char room[1024];
        for (std::size_t n; (n = std::fread(room, 1, sizeof room, pipe)) > 0;) text.append(room, n);
        ::pclose(pipe);
        EXPECT_NE(text.find(e.version), text.npos)
            << e.program.path << ": " << e.version << " is not in " << text.substr(0, 200);
        ++compared;
    }
    EXPECT_GT(compared, 2);
    EXPECT_EQ(v.counts().known + v.counts().silent + v.counts().not_run, v.counts().programs);
}

}  // namespace
}  // namespace sigrun::software
