// Files of an operator in, declared facts out, or the reason why not.
#include "local_probe.hpp"

#include "fixtures/machines/rig.hpp"
#include "schema.hpp"

#include <sigrun/cpp/mock_host.hpp>
#include <sigrun/cpp/recording_sink.hpp>

#include <sys/stat.h>

namespace sigrun::local {
namespace {

using machines::status_of;
using machines::value_of;
using machines::json::value;

constexpr std::int64_t k_now = 1'800'000'000;  // 2027-01-15T08:00:00Z

struct folder : machines::scratch_tree {
    std::vector<std::string> said;
    declared_facts subject{"/etc/sigrun/facts.d", [this](const std::string& what) { said.push_back(what); }};

    folder& file(const std::string& name, std::string_view text) {
        write("etc/sigrun/facts.d/" + name, text);
        return *this;
    }
    std::string at(const std::string& name) const {
        return path() + "/etc/sigrun/facts.d" + (name.empty() ? "" : "/" + name);
    }
    machines::fact_map facts(std::int64_t now = k_now) {
        return machines::facts_below(path(), [&](auto& root, auto& run) { subject.collect(root, now, run); });
    }
};
std::string detail_of(const machines::fact_map& facts, const std::string& key) {
    const auto at = facts.find(key);
    return at == facts.end() || !at->second.contains("detail") ? std::string()
                                                               : std::string(at->second.at("detail").as_string());
}

TEST(local_probe, reads_ini_files) {
    folder f;
    f.file(
        "rack.ini",
        "; where it stands\ncustom.rack = r12\n# numbers and others keep their type\n[custom]\nunits = 2\nload = 0.5\n"
        "leased = true\ntext = \"42\"\nNested-1.x = a = b\n\n[ memory ]\r\ntotal_bytes = 1024\necc=yes\n[os]\nid_like "
        "= debian , \"b c\"\n"
        "[cpu]\neffective_cores = 2\n[nothing]\n");
    const auto facts = f.facts();
    EXPECT_TRUE(f.said.empty()) << f.said[0];
    for (const auto& [key, json] :
         std::vector<std::pair<const char*, const char*>>{{"custom.rack", "\"r12\""},
                                                          {"custom.units", "2"},
                                                          {"custom.load", "0.5"},
                                                          {"custom.leased", "true"},
                                                          {"custom.text", "\"42\""},
                                                          {"custom.Nested-1.x", "\"a = b\""},
                                                          {"memory.total_bytes", "1024"},
                                                          {"memory.ecc", "true"},
                                                          {"os.id_like", R"(["b c","debian"])"},
                                                          {"cpu.effective_cores", "2.0"}}) {
        EXPECT_TRUE(machines::same(value_of(facts, key), machines::json::parse(json)))
            << key << " = " << value_of(facts, key);
        ASSERT_TRUE(facts.contains(key));
        EXPECT_EQ(facts.at(key).at("method"), value("declared"));
        EXPECT_EQ(facts.at(key).at("confidence"), value(100));
        EXPECT_EQ(facts.at(key).at("source"), value("/etc/sigrun/facts.d/rack.ini"));
    }
    EXPECT_EQ(facts.size(), 10u);
}

TEST(local_probe, reads_json_files) {
    folder f;
    f.file("a.json", R"({"expires": "2027-01-15T08:00:10Z", "facts": {
        "custom.rack": {"no": 1}, "custom.x": 1}})");
    EXPECT_EQ(f.facts().size(), 1u) << "an object is no value";
    f.file("a.json", R"({"expires": "2027-01-15T08:00:10Z", "facts": {
        "custom.tags": ["a", 2, true], "memory.total_bytes": 1024, "cpu.effective_cores": 2,
        "runtime": [{"name": "docker", "version": "24", "usable": true}], "cpu.kinds": [{"name": "P", "free": 1}]}})");
    const auto facts = f.facts();
    EXPECT_EQ(facts.size(), 5u);
    EXPECT_EQ(value_of(facts, "custom.tags"), machines::json::parse(R"(["a",2,true])"));
    EXPECT_EQ(value_of(facts, "runtime"), machines::json::parse(R"([{"name":"docker","version":"24","usable":true}])"));
    EXPECT_EQ(facts.at("runtime").at("ttl_s"), value(10));
}

TEST(local_probe, the_later_file_wins) {
    folder f;
    f.file("10.ini", "custom.a = 1\ncustom.b = 1\n")
        .file("20.json", R"({"facts":{"custom.a":2}})")
        .file("notes.txt", "x");
    const auto facts = f.facts();
    EXPECT_EQ(facts.size(), 2u);
    EXPECT_EQ(value_of(facts, "custom.a"), value(2));
    EXPECT_EQ(value_of(facts, "custom.b"), value(1));
}

struct wrong_file {
    const char* name;
    std::string text;
    const char* says;
};
class local_wrong : public testing::TestWithParam<wrong_file> {};
TEST_P(local_wrong, mistakes_are_told_with_line_expected_and_found_and_nothing_of_the_file_is_used) {
    const auto& p = GetParam();
    const std::string file = std::string("f.") + (p.text.starts_with("{") || p.text.starts_with("[1") ? "json" : "ini");
    folder f;
    f.file(file, p.text).file("other.ini", "custom.other = 1\n");
    const auto facts = f.facts();
    const auto key = "custom.facts_d." + std::string(file.ends_with("json") ? "f_json" : "f_ini");
    EXPECT_EQ(status_of(facts, key), "error");
    EXPECT_EQ(facts.size(), 2u) << "the other file is used, and this one is not";
    EXPECT_NE(detail_of(facts, key).find(p.says), std::string::npos) << detail_of(facts, key);
    ASSERT_EQ(f.said.size(), 1u);
    EXPECT_TRUE(f.said[0].starts_with("/etc/sigrun/facts.d/" + file + ": ")) << f.said[0];
    EXPECT_NE(f.said[0].find(", found "), std::string::npos) << f.said[0];
    f.facts();
    EXPECT_EQ(f.said.size(), 1u) << "told once";
    f.file(file, "");
    f.facts();
    f.file(file, p.text);
    f.facts();
    EXPECT_GE(f.said.size(), 2u) << "and again when it is wrong again";
}
INSTANTIATE_TEST_SUITE_P(
    files, local_wrong,
    testing::Values(
        wrong_file{"no_line", "custom.a = 1\nsome words\n",
                   "line 2: expected key = value, [section] or a comment, found \"some words\""},
        wrong_file{"no_value", "[memory]\ntotal_bytes = lots\n",
                   "line 2: memory.total_bytes: expected a whole number, 0 or more, found \"lots\""},
        wrong_file{"negative", "memory.total_bytes = -1\n", "expected a whole number, 0 or more"},
        wrong_file{"near_name", "\nmemory.totl_bytes = 1\n",
                   "line 2: key: expected memory.total_bytes, or custom.NAME, found \"memory.totl_bytes\""},
        wrong_file{"far_name", "nothing.like.it = 1\n", "expected custom.NAME or the name of a fact"},
        wrong_file{"member_of_an_array", "lang.name = 1\n", "key: expected "},
        wrong_file{"array_in_ini", "lang = ada\n", "which only a .json file can hold"},
        wrong_file{"bool", "memory.ecc = perhaps\n", "expected true or false"},
        wrong_file{"twice", "custom.a = 1\ncustom.a = 2\n", "line 2: custom.a: expected each key once"},
        wrong_file{"section", "[\n", "line 1: section: expected [NAME]"},
        wrong_file{"bad_custom", "custom.a..b = 1\n", "words of letters, digits"},
        wrong_file{"reserved", "custom.facts_d.x = 1\n", "expected another name"},
        wrong_file{"expiry", "expires = soon\n", "line 1: expires: expected a time such as"},
        wrong_file{"bytes", std::string("\0\xff\x01\n", 4), "line 1: expected key = value"},
        wrong_file{"many",
                   [] {
                       std::string text;
                       for (int i = 0; i < 1025; ++i) text += "custom.x" + std::to_string(i) + "=1\n";
                       return text;
                   }(),
                   "line 1025: expected at most 1024 facts"},
        wrong_file{"json_syntax", "{\"facts\": {\n\"custom.a\": 1,\n}}", "line 3: expected JSON"},
        wrong_file{"json_tail", "{\"facts\": {}}\n x", "line 2: expected JSON"},
        wrong_file{"json_top", "[1]", "expected {\"facts\": {...}}, found a list of 1"},
        wrong_file{"json_member", R"({"fact": {}})", "expected the members expires and facts, found \"fact\""},
        wrong_file{"json_nothing", "{}", "facts: expected an object, found nothing"},
        wrong_file{"json_null", R"({"facts":{"custom.a":null}})", "custom.a: expected true, false, a number, a text"},
        wrong_file{"json_deep", "{" + std::string(100, '['), "line 1: expected JSON"},
        wrong_file{"json_type", R"({"facts":{"memory.total_bytes":"1"}})",
                   "memory.total_bytes: expected a whole number"},
        wrong_file{"json_record", R"({"facts":{"lang":[{"name":"ada","color":"red"}]}})",
                   "lang[0]: expected members that such a record has, found \"color\""},
        wrong_file{"json_record_type", R"({"facts":{"lang":[{"verified":1}]}})",
                   "lang[0].verified: expected true or false, found 1"},
        wrong_file{"json_expiry", R"({"expires":7,"facts":{}})", "expires: expected a time such as"}),
    [](const auto& p) { return std::string(p.param.name); });

TEST(local_probe, an_expired_file_says_nothing) {
    folder f;
    f.file("a.ini", "expires = 2027-01-16\ncustom.a = 1\n");
    EXPECT_EQ(value_of(f.facts(), "custom.a"), value(1));
    EXPECT_EQ(f.facts().at("custom.a").at("ttl_s"), value(16 * 3600));
    const auto later = f.facts(k_now + 16 * 3600);
    EXPECT_FALSE(later.contains("custom.a"));
    EXPECT_EQ(detail_of(later, "custom.facts_d.a_ini"), "it has expired");
    EXPECT_TRUE(f.said.empty()) << "that is no mistake";
}

TEST(parse_time, knows_dates_and_times) {
    EXPECT_EQ(parse_time("1970-01-01"), 0);
    EXPECT_EQ(parse_time("2027-01-15T08:00:00Z"), k_now);
    for (const char* wrong : {"", "2027", "2027-13-01", "2027-02-30", "2027-01-15T08:00:00", "2027-01-15 08:00:00Z",
                              "2027-01-15T24:00:00Z", "2027-01-15T08:00:00z", "-027-01-15", "20270115", "2027-1-015"})
        EXPECT_EQ(parse_time(wrong), std::nullopt) << wrong;
}

TEST(local_probe, a_file_that_others_may_write_is_refused) {
    folder f;
    f.file("a.ini", "custom.a = 1\n").file("b.ini", "custom.b = 1\n");
    ::chmod(f.at("a.ini").c_str(), 0666);
    const auto facts = f.facts();
    EXPECT_EQ(status_of(facts, "custom.facts_d.a_ini"), "denied");
    EXPECT_NE(detail_of(facts, "custom.facts_d.a_ini").find("chmod o-w"), std::string::npos);
    EXPECT_FALSE(facts.contains("custom.a"));
    EXPECT_TRUE(facts.contains("custom.b"));
    ASSERT_EQ(f.said.size(), 1u);
    if (::geteuid() == 0) {
        ::chmod(f.at("a.ini").c_str(), 0644);
        ASSERT_EQ(::chown(f.at("a.ini").c_str(), 65534, 65534), 0);
        EXPECT_NE(detail_of(f.facts(), "custom.facts_d.a_ini").find("found user 65534"), std::string::npos);
    }
}

TEST(local_probe, in_a_folder_that_others_may_write_nothing_is_believed) {
    folder f;
    f.file("a.ini", "custom.a = 1\n");
    ::chmod(f.at("").c_str(), 01777);
    const auto facts = f.facts();
    EXPECT_EQ(facts.size(), 1u);
    EXPECT_EQ(status_of(facts, "custom.facts_d"), "denied");
}

TEST(local_probe, sizes_and_counts_have_limits) {
    folder f;
    f.file("big.ini", "; " + std::string(65 * 1024, 'x'))
        .file("long.ini", "custom.a = " + std::string(1025, 'x') + "\n");
    auto facts = f.facts();
    EXPECT_NE(detail_of(facts, "custom.facts_d.big_ini").find("at most 64 KiB"), std::string::npos);
    EXPECT_NE(detail_of(facts, "custom.facts_d.long_ini").find("at most 1024 bytes"), std::string::npos);
    folder many;
    for (int i = 1000; i < 1300; ++i) many.file(std::to_string(i) + ".ini", "custom.x" + std::to_string(i) + " = 1\n");
    facts = many.facts();
    EXPECT_EQ(facts.size(), 257u);
    EXPECT_NE(detail_of(facts, "custom.facts_d").find("at most 256 files"), std::string::npos);
    folder full;
    for (const char* name : {"1", "2", "3"}) {
        std::string text;
        for (int i = 0; i < 1000; ++i) text += sdk::concat("custom.", name, "_", i, "=1\n");
        full.file(std::string(name) + ".ini", text);
    }
    facts = full.facts();
    EXPECT_EQ(facts.size(), 2001u);
    EXPECT_NE(detail_of(facts, "custom.facts_d.3_ini").find("at most 2048 facts in all files"), std::string::npos);
}

TEST(local_probe, what_is_no_file_is_not_read) {
    folder f;
    f.file("x/y", "");
    ASSERT_EQ(::mkfifo(f.at("pipe.ini").c_str(), 0600), 0);
    std::filesystem::create_symlink("nowhere", f.at("link.ini"));
    std::filesystem::create_directory(f.at("folder.json"));
    const auto facts = f.facts();
    EXPECT_EQ(status_of(facts, "custom.facts_d.pipe_ini"), "unsupported");
    EXPECT_EQ(status_of(facts, "custom.facts_d.link_ini"), "absent");
    EXPECT_EQ(status_of(facts, "custom.facts_d.folder_json"), "unsupported");
}

TEST(local_probe, without_a_folder_nothing_is_declared) {
    folder f;
    EXPECT_TRUE(f.facts().empty());
    f.write("etc/sigrun/facts.d", "a file");
    EXPECT_EQ(status_of(f.facts(), "custom.facts_d"), "denied");
}

TEST(local_probe, identity_stays_out_of_the_class) {
    folder f;
    f.file("a.ini", "host.hostname = a\nhost.id = b\npkg.hash = c\nos.id = d\n");
    const auto facts = f.facts();
    EXPECT_TRUE(facts.at("host.hostname").contains("unique"));
    EXPECT_TRUE(facts.at("host.id").contains("unique"));
    EXPECT_FALSE(facts.at("pkg.hash").contains("unique"));
    EXPECT_FALSE(facts.at("os.id").contains("unique"));
}

TEST(local_probe, as_a_plugin_it_reads_its_folder_and_logs_what_it_refuses) {
    sdk::mock_host host;
    machines::scratch_tree tree;
    tree.write("facts/a.ini", "custom.a = 1\n").write("facts/b.ini", "what\n");
    auto* instance = host.start(host.create("local", {{"folder", tree.path() + "/facts"}}));
    const auto* table =
        static_cast<const sigrun_probe*>(instance->get_interface(instance, sdk::str(SIGRUN_KIND_PROBE)));
    ASSERT_NE(table, nullptr);
    EXPECT_EQ(sdk::view(table->keys), key_patterns());
    machines::collecting_sink sink;
    const sigrun_probe_req req{sizeof req, 0, sdk::str("machine"), {nullptr, 0}, 0};
    const auto op = host.mint();
    ASSERT_EQ(table->run(instance, &req, &sink.abi, op), SIGRUN_PENDING);
    EXPECT_EQ(host.wait(op).result, SIGRUN_OK);
    EXPECT_EQ(value_of(sink.facts, "custom.a"), value(1));
    EXPECT_EQ(status_of(sink.facts, "custom.facts_d.b_ini"), "error");
    bool logged = false;
    for (const auto& line : host.log_lines())
        logged |= line.find("b.ini: line 1: expected key = value") != std::string::npos;
    EXPECT_TRUE(logged);
    host.destroy(instance);
}

}  // namespace
}  // namespace sigrun::local
