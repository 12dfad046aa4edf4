#include "kernel/base/clock.hpp"
#include "unit/kernel/select/machine.hpp"

#include <gtest/gtest.h>

#include <ostream>

namespace sigrun {
void PrintTo(truth t, std::ostream* out) { *out << (t == truth::yes ? "yes" : t == truth::no ? "no" : "unknown"); }
}  // namespace sigrun

namespace {

using namespace sigrun;
using test::compiled;
using test::machine;

machine typical() {
    machine m;
    m.set("cpu.effective_cores", 8)
        .set("cpu.base_hz", 2.5e9)
        .set("cpu.features", json::array{"avx2", "sse4_2"})
        .set("memory.effective_bytes", 17179869184)
        .set("host.arch", "x86_64")
        .set("kernel.release", "6.1.0-18-amd64")
        .set("kernel.kvm", true)
        .set("kernel.fuse", false)
        .set("net.controller_rtt_us", 1500)
        .set("huge", 18446744073709551615ull)
        .set("negative", -5)
        .set("gpu", json::array{{{"model", "A"}, {"memory_bytes", 85899345920}, {"links", {1, 2}}},
                                {{"model", "B"}, {"memory_bytes", 17179869184}},
                                {{"model", "C"}}})
        .set("runtime", json::array{{{"name", "docker"}, {"version", "24.0.7"}}})
        .set("nothing", json::array{})
        .status("tpm", fact_status::absent)
        .status("sgx", fact_status::unsupported)
        .status("secret", fact_status::denied)
        .status("slow", fact_status::timeout)
        .status("broken", fact_status::error)
        .label("zone", "eu")
        .label("cost/center", "42")
        .label("cache-size", "big")
        .label("a.b", "dotted");
    return m;
}

struct expectation {
    const char* text;
    truth want;
};
constexpr auto yes = truth::yes, no = truth::no, unknown = truth::unknown;

void check(const machine& m, std::initializer_list<expectation> table) {
    for (const auto& row : table) {
        auto r = requirement::compile(row.text);
        ASSERT_TRUE(r) << row.text << "\n" << r.error().text();
        EXPECT_EQ(m.judge(row.text), row.want) << row.text;
    }
}

TEST(requirement, empty_text_matches_every_machine) {
    for (const char* text : {"", "  \t\n"}) {
        EXPECT_EQ(machine().judge(text), yes);
        EXPECT_EQ(compiled(text)->canonical(), "");
        EXPECT_TRUE(compiled(text)->terms().empty());
    }
}

TEST(requirement, comparisons_of_every_type) {
    check(typical(), {{"cpu.effective_cores == 8", yes},
                      {"cpu.effective_cores != 8", no},
                      {"cpu.effective_cores > 8", no},
                      {"cpu.effective_cores >= 8", yes},
                      {"cpu.effective_cores < 8.5", yes},
                      {"cpu.effective_cores <= 7.99", no},
                      {"8 <= cpu.effective_cores", yes},
                      {"cpu.base_hz >= 2500M", yes},
                      {"cpu.base_hz == 2.5e9", yes},
                      {"memory.effective_bytes >= 16GiB", yes},
                      {"memory.effective_bytes > 16GiB", no},
                      {"memory.effective_bytes == 16384Mi", yes},
                      {"memory.effective_bytes >= 1.5TiB", no},
                      {"memory.effective_bytes > 17G", yes},
                      {"memory.effective_bytes == 17179869184B", yes},
                      {"os.arch == \"x86_64\"", yes},
                      {"host.arch != \"aarch64\"", yes},
                      {"host.arch < \"y\"", yes},
                      {"kernel.kvm", yes},
                      {"kernel.kvm == true", yes},
                      {"kernel.fuse", no},
                      {"kernel.fuse == false", yes},
                      {"!kernel.fuse", yes},
                      {"huge == 18446744073709551615", yes},
                      {"huge > 9223372036854775807", yes},
                      {"huge > 1.8446744073709552e19", no},
                      {"negative < 0", yes},
                      {"negative == -5", yes},
                      {"negative > huge", no},
                      {"net.controller_rtt_us < 2ms", yes},
                      {"net.controller_rtt_us <= 1ms", no},
                      {"net.controller_rtt_us == 1ms500us", yes},
                      {"net.controller_rtt_us > 500ns", yes},
                      {"true", yes},
                      {"false", no},
                      {"1 < 2", yes},
                      {"\"a\" == \"b\"", no},
                      {"5ms < 1s", yes},
                      {"true == true", yes}});
}

TEST(requirement, versions_compare_number_by_number) {
    check(typical(), {{"kernel.release >= v\"6.1\"", yes},
                      {"kernel.release > v\"6.1\"", no},
                      {"kernel.release == v\"6.1.0\"", yes},
                      {"kernel.release < v\"6.10\"", yes},
                      {"kernel.release >= v\"5.99.99\"", yes},
                      {"host.arch >= v\"1\"", no},
                      {"cpu.effective_cores >= v\"7.9\"", yes},
                      {"kernel.kvm >= v\"1\"", no},
                      {"any(r in runtime, r.name == \"docker\" && r.version >= v\"24\")", yes},
                      {"any(r in runtime, r.version >= v\"24.1\")", no},
                      {"v\"1.2\" < v\"1.10\"", yes},
                      {"v\"1.0\" == \"1\"", yes}});
}

TEST(requirement, lists_and_sets) {
    check(typical(), {{"host.arch in [\"aarch64\", \"x86_64\"]", yes},
                      {"host.arch in []", no},
                      {"cpu.effective_cores in [4, 8.0]", yes},
                      {"\"avx2\" in cpu.features", yes},
                      {"\"avx512f\" in cpu.features", no},
                      {"1 in cpu.features", no},
                      {"net.controller_rtt_us in [1ms, 1ms500us]", yes},
                      {"kernel.kvm in [true]", yes},
                      {"kernel.release in [v\"6.1\"]", yes},
                      {"\"x\" in host.arch", no},
                      {"secret in [1]", unknown},
                      {"secret in []", no},
                      {"\"x\" in secret", unknown},
                      {"\"x\" in tpm", no},
                      {"secret in cpu.features", unknown},
                      {"tpm in [1]", no},
                      {"secret in nothing", no},
                      {"label.zone in [\"eu\",\"us\"]", yes}});
}

TEST(requirement, records_of_lists) {
    check(typical(), {{"gpu[0].memory_bytes >= 40GiB", yes},
                      {"gpu[1].memory_bytes >= 40GiB", no},
                      {"gpu[2].memory_bytes >= 1", unknown},
                      {"gpu[9].memory_bytes >= 1", no},
                      {"!(gpu[9].memory_bytes >= 1)", yes},
                      {"gpu[0].links[1] == 2", yes},
                      {"present(gpu[0])", yes},
                      {"present(gpu[3])", no},
                      {"known(gpu[3])", yes},
                      {"known(gpu[2].memory_bytes)", no},
                      {"any(g in gpu, g.memory_bytes >= 40GiB)", yes},
                      {"all(g in gpu, g.memory_bytes >= 40GiB)", no},
                      {"all(g in gpu, g.memory_bytes >= 1)", unknown},
                      {"any(g in gpu, g.memory_bytes >= 1TiB)", unknown},
                      {"any(g in gpu, g.model == \"C\")", yes},
                      {"all(g in gpu, g.model in [\"A\",\"B\",\"C\"])", yes},
                      {"any(f in cpu.features, f == \"avx2\")", yes},
                      {"any(x in nothing, x == 1)", no},
                      {"all(x in nothing, x == 1)", yes},
                      {"any(g in gpu, any(l in g.links, l == 2))", yes},
                      {"count(gpu) == 3", yes},
                      {"count(gpu) in [2,3]", yes},
                      {"count(nothing) == 0", yes},
                      {"count(host.arch) == 0", no},
                      {"any(x in host.arch, true)", no},
                      {"all(x in host.arch, true)", no},
                      {"any(x in label.zone, true)", no}});
}

TEST(requirement, counts_over_unknown_elements_are_ranges) {
    // One of three cards has 40 GiB, one has less, one is unknown: 1 or 2.
    check(typical(), {{"count(g in gpu, g.memory_bytes >= 40GiB) >= 1", yes},
                      {"count(g in gpu, g.memory_bytes >= 40GiB) >= 2", unknown},
                      {"count(g in gpu, g.memory_bytes >= 40GiB) >= 3", no},
                      {"count(g in gpu, g.memory_bytes >= 40GiB) == 0", no},
                      {"count(g in gpu, g.memory_bytes >= 40GiB) == 1", unknown},
                      {"count(g in gpu, g.memory_bytes >= 40GiB) != 5", yes},
                      {"count(g in gpu, g.memory_bytes >= 40GiB) < 3", yes},
                      {"count(g in gpu, g.memory_bytes >= 40GiB) <= 1", unknown},
                      {"3 > count(g in gpu, g.memory_bytes >= 40GiB)", yes},
                      {"1 > count(g in gpu, g.memory_bytes >= 40GiB)", no},
                      {"count(g in gpu, g.memory_bytes >= 40GiB) in [7]", no},
                      {"count(g in gpu, g.model == \"A\") == 1", yes},
                      {"count(g in gpu, g.memory_bytes >= 40GiB) <= count(gpu)", yes},
                      {"count(x in secret, true) >= 0", unknown},
                      {"count(x in tpm, true) == 0", yes},
                      {"count(x in host.arch, true) == 0", no}});
}

TEST(requirement, lists_given_as_indexed_keys) {
    machine m;
    m.set("gpu[0].model", "A")
        .set("gpu[0].memory_bytes", 8)
        .set("gpu[1].model", "B")
        .status("gpu[1].memory_bytes", fact_status::denied);
    m.set("usb.count", 0).status("rdma.count", fact_status::absent).set("pci.count", 2).set("nic.count", 0u);
    check(m, {{"count(gpu) == 2", yes},
              {"any(g in gpu, g.memory_bytes == 8)", yes},
              {"all(g in gpu, g.memory_bytes == 8)", unknown},
              {"count(g in gpu, g.model == \"B\") == 1", yes},
              {"any(g in gpu, g.memory_bytes == 9)", unknown},
              {"gpu[1].model == \"B\"", yes},
              {"known(gpu)", yes},
              {"present(gpu)", yes},
              {"count(usb) == 0", yes},
              {"any(u in usb, true)", no},
              {"all(u in usb, false)", yes},
              {"count(rdma) == 0", yes},
              {"count(nic) == 0", yes},
              {"count(pci) == 0", unknown},
              {"present(usb)", no},
              {"known(usb)", yes},
              {"count(block) == 0", unknown}});
}

TEST(requirement, status_decides_between_false_and_unknown) {
    const machine m = typical();
    for (const char* key : {"tpm", "sgx"}) {
        const std::string k = key;
        for (const char* op : {"==", "!=", "<", "<=", ">", ">="}) EXPECT_EQ(m.judge(k + op + "1"), no) << k << op;
        EXPECT_EQ(m.judge(k), no);
        EXPECT_EQ(m.judge("!" + k), yes);
        EXPECT_EQ(m.judge("known(" + k + ")"), yes);
        EXPECT_EQ(m.judge("present(" + k + ")"), no);
        EXPECT_EQ(m.judge("any(x in " + k + ", true)"), no);
        EXPECT_EQ(m.judge("all(x in " + k + ", false)"), yes);
        EXPECT_EQ(m.judge("count(" + k + ") == 0"), yes);
    }
    for (const char* key : {"secret", "slow", "broken", "never.probed"}) {
        const std::string k = key;
        for (const char* op : {"==", "!=", "<", "<=", ">", ">="}) EXPECT_EQ(m.judge(k + op + "1"), unknown) << k << op;
        EXPECT_EQ(m.judge(k), unknown);
        EXPECT_EQ(m.judge("!" + k), unknown);
        EXPECT_EQ(m.judge("known(" + k + ")"), no);
        EXPECT_EQ(m.judge("present(" + k + ")"), no);
        EXPECT_EQ(m.judge("any(x in " + k + ", true)"), unknown);
        EXPECT_EQ(m.judge("all(x in " + k + ", false)"), unknown);
        EXPECT_EQ(m.judge("count(" + k + ") == 0"), unknown);
    }
    // An absent value settles a comparison even beside an unknown one.
    EXPECT_EQ(m.judge("tpm == secret"), no);
    EXPECT_EQ(m.judge("secret == tpm"), no);
}

TEST(requirement, a_value_of_another_type_does_not_match) {
    check(typical(), {{"host.arch > 5", no},
                      {"cpu.effective_cores == \"8\"", no},
                      {"cpu.effective_cores != \"8\"", no},
                      {"cpu.features == \"avx2\"", no},
                      {"gpu == 1", no},
                      {"host.arch", no},
                      {"cpu.effective_cores", no},
                      {"label.zone > 3", no},
                      {"kernel.kvm == 1", no},
                      {"label.zone", no},
                      {"host.arch[0] == \"x\"", no},
                      {"cpu.effective_cores.deep == 1", unknown}});
}

TEST(requirement, three_valued_truth_tables) {
    const machine m = typical();
    const std::pair<const char*, truth> atoms[] = {{"kernel.kvm", yes}, {"kernel.fuse", no}, {"secret == 1", unknown}};
    // Rows and columns: yes, no, unknown.
    constexpr truth both[3][3] = {{yes, no, unknown}, {no, no, no}, {unknown, no, unknown}};
    constexpr truth either[3][3] = {{yes, yes, yes}, {yes, no, unknown}, {yes, unknown, unknown}};
    for (int a = 0; a < 3; ++a)
        for (int b = 0; b < 3; ++b) {
            const std::string left = atoms[a].first, right = atoms[b].first;
            EXPECT_EQ(m.judge(left + " && " + right), both[a][b]) << left << right;
            EXPECT_EQ(m.judge(left + " || " + right), either[a][b]) << left << right;
            // De Morgan holds in Kleene logic.
            EXPECT_EQ(m.judge("!(" + left + " && " + right + ")"), m.judge("!(" + left + ") || !(" + right + ")"));
        }
    EXPECT_EQ(m.judge("!kernel.kvm"), no);
    EXPECT_EQ(m.judge("!!kernel.kvm"), yes);
    EXPECT_EQ(m.judge("!(secret == 1)"), unknown);
}

TEST(requirement, age_decides_about_fast_facts_only) {
    const std::int64_t now = clock::system().wall_ns(), minute = 60'000'000'000;
    machine m;
    m.set("fresh", 1, {.volatility = fact_volatility::fast, .ttl_s = 60, .observed_ns = now});
    m.set("old", 1, {.volatility = fact_volatility::fast, .ttl_s = 60, .observed_ns = now - 2 * minute});
    m.set("slow_old", 1, {.volatility = fact_volatility::slow, .ttl_s = 60, .observed_ns = now - 2 * minute});
    m.set("stale_fast", 1, {.status = fact_status::stale, .volatility = fact_volatility::fast});
    m.set("stale_slow", 1, {.status = fact_status::stale, .volatility = fact_volatility::slow});
    m.set("stale_boot", 1, {.status = fact_status::stale});
    m.set("guess", 1, {.method = "assumed"});
    m.set("said", 1, {.method = "declared"});
    check(m, {{"fresh == 1", yes},
              {"old == 1", unknown},
              {"!(old == 1)", unknown},
              {"known(old)", no},
              {"present(old)", no},
              {"slow_old == 1", yes},
              {"stale_fast == 1", unknown},
              {"stale_slow == 1", yes},
              {"stale_boot == 1", yes},
              {"guess == 1", unknown},
              {"guess != 1", unknown},
              {"present(guess)", no},
              {"said == 1", yes}});

    match_scope scope;
    const auto facts = m.facts();
    EXPECT_EQ(compiled("fresh == 1 && stale_boot == 1")->matches({facts.get(), nullptr}, scope), yes);
    EXPECT_EQ(scope.expires_ns, now + minute);
}

TEST(requirement, class_scope_hides_what_runners_of_a_class_do_not_share) {
    machine m;
    m.set("cores", 4).set("id", "a", {.unique = true}).set("free", 5, {.volatility = fact_volatility::fast});
    m.label("zone", "eu").label("name", "r1");
    const auto facts = m.facts();
    const auto labels = m.labels();
    const std::vector<std::string> open{"name"};
    auto judge = [&](const char* text, bool hidden) {
        match_scope scope;
        scope.class_only = true;
        scope.open_labels = &open;
        const truth t = compiled(text)->matches({facts.get(), labels.get()}, scope);
        EXPECT_EQ(scope.hidden, hidden) << text;
        return t;
    };
    EXPECT_EQ(judge("cores == 4 && label.zone == \"eu\"", false), yes);
    EXPECT_EQ(judge("id == \"a\"", true), unknown);
    EXPECT_EQ(judge("cores == 5 && free > 1", false), no);
    EXPECT_EQ(judge("cores == 4 && free > 1", true), unknown);
    EXPECT_EQ(judge("label.name == \"r1\"", true), unknown);
    EXPECT_EQ(judge("present(id)", true), unknown);
    EXPECT_EQ(judge("!known(free)", true), unknown);
    EXPECT_EQ(judge("missing == 1", false), unknown);
}

TEST(requirement, labels_by_plain_and_quoted_names) {
    check(typical(), {{"label.zone == \"eu\"", yes},
                      {"label[\"zone\"] == \"eu\"", yes},
                      {"label[\"cost/center\"] == \"42\"", yes},
                      {"label.cache-size == \"big\"", yes},
                      {"label[\"a.b\"] == \"dotted\"", yes},
                      {"label.a.b == \"dotted\"", yes},
                      {"label.none == \"x\"", no},
                      {"!(label.none == \"x\")", yes},
                      {"present(label.zone)", yes},
                      {"present(label.none)", no},
                      {"known(label.none)", yes},
                      {"label[\"cost/center\"] >= v\"41.9\"", yes}});
}

TEST(requirement, canonical_form_ignores_spacing_and_redundant_parentheses) {
    const char* same[][2] = {{"a==1&&b<2", " ( a == 1 ) &&\n(( b ) < 2)"},
                             {"(a && b) && c", "a && (b && c)"},
                             {"a || (b && c)", "a||b&&c"},
                             {"label[\"zone\"]==\"x\"", "label.zone == \"x\""},
                             {"m >= 8GiB", "m >= 8192Mi"},
                             {"t_ms < 1s", "t_ms < 1000"},
                             {"any( g in gpu , g.x==1 )", "any(g in gpu, (g.x == 1))"},
                             {"x in [1,2]", "x in [ 1 , 2 ]"},
                             {"!(!a)", "!!a"}};
    for (const auto& pair : same) {
        EXPECT_EQ(compiled(pair[0])->canonical(), compiled(pair[1])->canonical());
        EXPECT_EQ(compiled(pair[0])->key(), compiled(pair[1])->key());
    }
    const char* different[][2] = {
        {"a || b && c", "(a || b) && c"}, {"!a && b", "!(a && b)"},      {"a == 1", "a == 2"},
        {"a == \"1\"", "a == 1"},         {"a == v\"1\"", "a == \"1\""}, {"any(x in l, x.a)", "all(x in l, x.a)"}};
    for (const auto& pair : different) {
        EXPECT_NE(compiled(pair[0])->canonical(), compiled(pair[1])->canonical());
        EXPECT_NE(compiled(pair[0])->key(), compiled(pair[1])->key());
    }
    EXPECT_EQ(compiled("a==1&&(b||c)&&!(d<2)")->canonical(), "a == 1 && (b || c) && !(d < 2)");
}

TEST(requirement, terms_are_the_top_level_conjunction_with_columns) {
    const auto r = compiled("cpu.cores >= 4 && (a || b) && !(label.x == \"y\") && any(g in gpu, g.m > 1 && g.n > 2)");
    ASSERT_EQ(r->terms().size(), 4u);
    EXPECT_EQ(r->terms()[0].text, "cpu.cores >= 4");
    EXPECT_EQ(r->terms()[0].column, 1u);
    EXPECT_EQ(r->terms()[1].text, "a || b");
    EXPECT_EQ(r->terms()[1].column, 20u);
    EXPECT_EQ(r->terms()[2].text, "!(label.x == \"y\")");
    EXPECT_EQ(r->terms()[3].text, "any(g in gpu, g.m > 1 && g.n > 2)");
    EXPECT_EQ(r->keys(), (std::vector<std::string>{"a", "b", "cpu.cores", "gpu"}));
    EXPECT_EQ(r->term_keys(1), (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(r->term_keys(2).empty());
    machine m;
    m.set("cpu.cores", 2).set("a", true);
    const auto facts = m.facts();
    EXPECT_EQ(r->term_matches(0, {facts.get(), nullptr}), no);
    EXPECT_EQ(r->term_matches(1, {facts.get(), nullptr}), yes);
    EXPECT_EQ(r->term_matches(2, {facts.get(), nullptr}), yes);
    EXPECT_EQ(r->term_matches(3, {facts.get(), nullptr}), unknown);
    EXPECT_EQ(r->term_matches(9, {facts.get(), nullptr}), unknown);
}

TEST(requirement, work_of_one_match_is_bounded) {
    json::array numbers;
    for (int i = 0; i < 3000; ++i) numbers.push_back(i);
    machine m;
    m.set("list", std::move(numbers));
    // Nine million pairs: given up as unknown instead of holding a thread for a second.
    EXPECT_EQ(m.judge("any(a in list, any(b in list, a == 5000 && b == 1))"), unknown);
    EXPECT_EQ(m.judge("any(a in list, any(b in list, a == 3 && b == 1))"), yes);
}

}  // namespace
