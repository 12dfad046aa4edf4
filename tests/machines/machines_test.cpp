// Each machine in tests/fixtures/machines/*.tree: exactly the facts that are true of it, and no other value.
#include "machines/all_probes.hpp"

#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>

namespace machines {
namespace {

/// Thousands of small files are made and removed: in memory, where the machine has such a place.
fs::path fast_folder() { return ::access("/dev/shm", W_OK) == 0 ? fs::path("/dev/shm") : fs::temp_directory_path(); }

/// What only its owner may read cannot be read, also where the tests run as root.
class without_privileges {
public:
    without_privileges() : before_(::setfsuid(::geteuid() == 0 ? 65'534 : ::geteuid())) {}
    ~without_privileges() { ::setfsuid(before_); }

private:
    uid_t before_;
};

bool contains(const json::value& set, const json::value& item) {
    const auto* list = set.if_array();
    return list && std::any_of(list->begin(), list->end(), [&](const json::value& v) { return same(v, item); });
}

void check(const expectation& e, const fact_map& facts) {
    const auto at = facts.find(e.key);
    ASSERT_NE(at, facts.end()) << e.key << ": no such fact";
    const auto got = value_of(facts, e.key);
    switch (e.relation) {
        case expectation::how::equals:
            EXPECT_TRUE(same(got, e.want))
                << e.key << "\n  expected " << e.want << "\n  found    " << got << "\n  " << at->second;
            break;
        case expectation::how::status: EXPECT_EQ(at->second.at("status"), e.want) << e.key << " " << at->second; break;
        case expectation::how::has:
            for (const auto& item : e.want.as_array())
                EXPECT_TRUE(contains(got, item)) << e.key << " should have " << item << "\n  " << at->second;
            break;
        case expectation::how::lacks:
            ASSERT_TRUE(got.is_array()) << e.key << " " << at->second;
            for (const auto& item : e.want.as_array())
                EXPECT_FALSE(contains(got, item)) << e.key << " should not have " << item << "\n  " << at->second;
    }
}

class machine_tree : public testing::TestWithParam<std::string> {};
TEST_P(machine_tree, mission_D10_gives_what_is_true_of_it_and_nothing_else) {
    const auto machine = load(GetParam());
    ::umask(022);  // also nobody, who reads them, shall find the folders that are made
    scratch_tree tree(fast_folder());
    fs::permissions(tree.path(), fs::perms(0755));
    unpack(machine, tree.path());
    fact_map facts;
    {
        const without_privileges as_nobody;
        facts = all_facts(tree.path(), machine.calls);
    }
    std::set<std::string> told;
    for (const auto& e : machine.facts) {
        check(e, facts);
        told.insert(e.key);
    }
    for (const auto& [key, fact] : facts) {
        if (fact.at("status") == "ok") {
            EXPECT_TRUE(told.contains(key)) << "not expected: " << key << " = " << fact.at("value");
        }
    }
}

/// What a machine shows by names, links and folders alone.
bool told_by_names(const std::string& key) {
    static const std::set<std::string> k_keys = {
        "cpu.hybrid",      "cpu.rdt",      "host.timezone",  "kernel.kvm",    "os.immutable",
        "os.libc",         "rdma",         "sec.apparmor",   "sec.fips",      "sec.sev",
        "sec.secure_boot", "sec.tdx_host", "virt.container", "virt.evidence",
    };
    return k_keys.contains(key);
}

TEST_P(machine_tree, gives_no_value_that_comes_of_files_that_may_not_be_read) {
    const auto machine = load(GetParam());
    ::umask(022);
    scratch_tree tree(fast_folder());
    fs::permissions(tree.path(), fs::perms(0755));
    unpack(machine, tree.path());
    for (const auto& e : fs::recursive_directory_iterator(tree.path()))
        if (e.is_regular_file() && !e.is_symlink()) fs::permissions(e.path(), fs::perms::none);
    fact_map facts;
    {
        const without_privileges as_nobody;
        facts = all_facts(tree.path(), {});
    }
    for (const auto& [key, fact] : facts) {
        if (fact.at("status") == "ok") {
            EXPECT_TRUE(told_by_names(key)) << key << " " << fact;
        }
    }
}
INSTANTIATE_TEST_SUITE_P(fixtures, machine_tree, testing::ValuesIn(tree_files()),
                         [](const auto& p) { return fs::path(p.param).stem().string(); });

TEST(machine_trees, are_sixty_or_more_and_each_says_what_it_is_for) {
    std::size_t folders = 0;
    for (const auto& e : fs::directory_iterator(SIGRUN_SOURCE_DIR "/tests/fixtures/machines"))
        folders += e.is_directory() ? 1 : 0;
    std::set<std::string> purposes;
    for (const auto& path : tree_files()) purposes.insert(load(path).purpose);
    EXPECT_EQ(purposes.size(), tree_files().size()) << "two trees for the same thing";
    EXPECT_GE(tree_files().size() + folders, 60u);
}

// Of processor time, because others may use the machine meanwhile.
TEST(machine_trees, all_together_take_less_than_five_seconds) {
    const auto begin = std::clock();
    for (const auto& path : tree_files()) {
        const auto machine = load(path);
        scratch_tree tree(fast_folder());
        unpack(machine, tree.path());
        all_facts(tree.path(), machine.calls);
    }
    EXPECT_LT(std::clock() - begin, 5 * CLOCKS_PER_SEC);
}

TEST(tree_file, numbers_are_computed) {
    EXPECT_EQ(evaluate("n", 7), 7);
    EXPECT_EQ(evaluate("n/2*2+1", 7), 7);
    EXPECT_EQ(evaluate("(n-1)%4", 7), 2);
    for (const char* text : {"", "m", "n+", "(n", "n/0", "1 2"})
        EXPECT_THROW(evaluate(text, 1), std::runtime_error) << text;
}

TEST(tree_file, what_is_not_of_the_format_is_refused_with_its_line) {
    scratch_tree tree;
    const auto refused = [&](const std::string& text) {
        tree.write("x.tree", text);
        try {
            unpack(load(tree.path() + "/x.tree"), tree.path() + "/out");
            return std::string();
        } catch (const std::exception& e) {
            return std::string(e.what());
        }
    };
    EXPECT_EQ(refused("for: a\n--- files\n/a: 1\n/b{n=0-1}: {n}\n/c -> a\n/d/\n/e:\n  1\n--- facts\nk: absent\n"), "");
    EXPECT_EQ(slurp(tree.path() + "/out/b1"), "1\n");
    EXPECT_EQ(slurp(tree.path() + "/out/e"), "1\n");
    EXPECT_NE(refused("what: a\n").find("x.tree:1: expected for:"), std::string::npos);
    EXPECT_NE(refused("for: a\n--- files\nx\n--- facts\nk: absent\n").find("at: x"), std::string::npos);
    EXPECT_NE(refused("for: a\n--- files\n/x\n--- facts\nk: absent\n").find("expected PATH: TEXT"), std::string::npos);
    EXPECT_NE(refused("for: a\n--- facts\nk 5\n").find("x.tree:3: expected KEY = VALUE"), std::string::npos);
    EXPECT_NE(refused("for: a\n--- files\n").find("expected facts"), std::string::npos);
}

}  // namespace
}  // namespace machines
