#include "kernel/capability/explanation.hpp"

#include "tests/unit/kernel/capability/detector_rig.hpp"

#include <fstream>

namespace sigrun {
namespace {

fact said(const std::string& key, json::value value, std::uint8_t confidence = 100,
          const std::string& method = "read") {
    fact f;
    f.key = key;
    f.value = std::move(value);
    f.confidence = confidence;
    f.method = method;
    f.source = "test";
    return f;
}
fact silent(const std::string& key, fact_status status) {
    fact f;
    f.key = key;
    f.status = status;
    return f;
}
probe_evidence probe(const std::string& name, std::vector<fact> facts) {
    return {name, "test." + name, "", {"custom.*"}, false, 20, 100, std::move(facts)};
}
json::value parsed(std::string_view text) { return json::parse(text); }

std::vector<std::string> keys_of(const result<std::vector<explained_key>>& all) {
    std::vector<std::string> keys;
    for (const auto& one : all.value()) keys.push_back(one.key);
    return keys;
}

TEST(explanation, the_surest_answer_is_first_and_the_others_stay_visible) {
    const std::vector<probe_evidence> all{probe("a", {said("custom.x", 1, 90)}), probe("b", {said("custom.x", 2, 60)}),
                                          probe("c", {silent("custom.x", fact_status::denied)})};
    const auto found = explain(all, "custom.x");
    ASSERT_TRUE(found);
    ASSERT_EQ(found->size(), 1u);
    const auto& answers = found->front().answers;
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_EQ(answers[0].what.value, 1);
    EXPECT_NE(answers[0].why.find("90 before 60"), std::string::npos) << answers[0].why;
    EXPECT_EQ(answers[1].what.value, 2);
    EXPECT_EQ(answers[2].what.status, fact_status::denied);
    EXPECT_EQ(answers[2].why, "it has no value");
}

TEST(explanation, the_first_is_the_one_that_the_document_holds) {
    const std::string fact_a = fact_text("custom.x", "1", R"(,"confidence":80)");
    for (const auto& [name, more] : {std::pair{"b", R"(,"confidence":80)"}, std::pair{"b", R"(,"confidence":79)"},
                                     std::pair{"b", R"(,"confidence":10,"method":"declared")"}}) {
        const std::string fact_b =
            std::string(R"({"key":"custom.x","value":2,"source":"t")") +
            (std::string(more).find("method") == std::string::npos ? R"(,"method":"read")" : "") + more + "}";
        detector_rig rig({k_unruly},
                         unruly("a", "facts = [" + fact_a + "]") + unruly(name, "facts = [" + fact_b + "]"));
        const auto document = rig.detect();
        const auto evidence = rig.subject().evidence("");
        const auto found = explain(evidence, "custom.x");
        ASSERT_TRUE(found);
        ASSERT_EQ(found->front().answers.size(), 2u);
        EXPECT_EQ(found->front().answers.front().what.value, value_of(document, "custom.x")) << more;
        EXPECT_EQ(found->front().answers.front().probe->plugin, "test.unruly");
    }
}

TEST(explanation, a_field_of_a_record_has_the_source_of_its_list) {
    const std::vector<probe_evidence> all{
        probe("a", {said("nic", parsed(R"([{"name":"lo","mtu":65536},{"name":"eth0","mtu":1500}])"))})};
    const auto field = explain(all, "nic[1].mtu");
    ASSERT_TRUE(field);
    EXPECT_EQ(field->front().key, "nic[1].mtu");
    EXPECT_EQ(field->front().answers.front().what.value, 1500);
    EXPECT_EQ(field->front().answers.front().what.source, "test");
    EXPECT_EQ(explain(all, "nic[0]")->front().answers.front().what.value, parsed(R"({"name":"lo","mtu":65536})"));
    EXPECT_EQ(explain(all, "nic")->front().answers.front().what.value.as_array().size(), 2u);
    for (const char* wrong :
         {"nic[2]", "nic[0].speed", "nic[", "nic[x]", "nic[0", "nic[0].", "nic[99999999999999999999]"})
        EXPECT_EQ(explain(all, wrong).error().code, errc::not_found) << wrong;
}

TEST(explanation, a_prefix_gives_all_keys_that_begin_so) {
    const std::vector<probe_evidence> all{probe("a", {said("memory.limit_bytes", 1), said("memory.total_bytes", 2)}),
                                          probe("b", {said("cpu.cores", 2), said("memory.type", "DDR5")})};
    EXPECT_EQ(keys_of(explain(all, "memory.")),
              (std::vector<std::string>{"memory.limit_bytes", "memory.total_bytes", "memory.type"}));
    EXPECT_EQ(keys_of(explain(all, "memory.t*")), (std::vector<std::string>{"memory.total_bytes", "memory.type"}));
    EXPECT_EQ(keys_of(explain(all, "cpu.cores")), (std::vector<std::string>{"cpu.cores"}));
}

TEST(explanation, an_unknown_key_names_the_nearest_one) {
    const std::vector<probe_evidence> all{
        probe("a", {said("memory.total_bytes", 1), said("nic", parsed(R"([{"mtu":1500}])"))})};
    EXPECT_EQ(explain(all, "memory.totl_bytes").error().expected, "memory.total_bytes");
    EXPECT_EQ(explain(all, "nic[0].mtv").error().expected, "nic[0].mtu");
    EXPECT_EQ(explain(all, "memory.totl_bytes").error().code, errc::not_found);
    EXPECT_EQ(explain({}, "x").error().code, errc::not_found);
    EXPECT_EQ(explain(all, std::string(257, 'x')).error().code, errc::invalid);
}

TEST(explanation, a_probe_that_failed_explains_the_keys_it_declares) {
    const std::vector<probe_evidence> all{probe("a", {silent("gpu.*", fact_status::timeout)}),
                                          probe("b", {said("cpu.cores", 2)})};
    const auto found = explain(all, "gpu.count");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->front().key, "gpu.*");
    EXPECT_EQ(found->front().answers.front().what.status, fact_status::timeout);
}

TEST(explanation, what_is_past_its_time_is_shown_as_stale) {
    detector_rig rig({k_unruly}, unruly("a", "facts = [" + fact_text("custom.load", "1", R"(,"volatility":"fast")") +
                                                 "," + fact_text("custom.size", "2") + "]"));
    rig.detect();
    rig.clock().advance(std::chrono::seconds(5));
    const auto evidence = rig.subject().evidence("");
    EXPECT_EQ(explain(evidence, "custom.load")->front().answers.front().what.status, fact_status::stale);
    EXPECT_EQ(explain(evidence, "custom.size")->front().answers.front().what.status, fact_status::ok);
    const auto shown = to_json(explain(evidence, "custom.load")->front(), "", rig.clock().wall_ns());
    const auto& answer = shown.at("answers").at(0).as_object();
    EXPECT_DOUBLE_EQ(answer.at("age_s").to_number<double>(), 5.0);
    EXPECT_EQ(answer.at("rule").at("keys").at(0), "custom.*");
    EXPECT_EQ(answer.at("rule").at("about"), "Sends the facts it is given");
}

TEST(mission_M1, every_value_of_this_machine_is_explained_and_none_is_assumed) {
    std::vector<std::string> plugins;
    for (const auto& entry : std::filesystem::directory_iterator(SIGRUN_BUILD_DIR "/plugins/probes"))
        if (entry.path().extension() == ".so") plugins.push_back(entry.path());
    ASSERT_GE(plugins.size(), 6u);
    detector_rig rig(plugins, "", k_probe_host);
    const auto document = rig.detect();
    const auto evidence = rig.subject().evidence("");
    for (const fact& f : document->facts()) {
        const auto found = explain(evidence, f.key);
        ASSERT_TRUE(found) << f.key;
        const auto& first = found->front().answers.front();
        EXPECT_EQ(first.what.value, f.value) << f.key;
        EXPECT_EQ(first.what.source, f.source) << f.key;
        EXPECT_NE(f.method, "assumed") << f.key;
        EXPECT_FALSE(first.why.empty() || first.probe->about.empty()) << f.key;
        const auto raw = raw_text("", f.source, f.key);
        EXPECT_LE(raw.value_or("").size(), 512u + 16) << f.key;
    }
}

class raw_text_of : public ::testing::Test {
protected:
    void write(const std::string& path, const std::string& text) {
        const auto full = std::filesystem::path(folder_.path() + path);
        std::filesystem::create_directories(full.parent_path());
        std::ofstream(full) << text;
    }
    std::optional<std::string> read(std::string_view source, std::string_view key = "custom.x") {
        return raw_text(folder_.path(), source, key);
    }
    scratch_folder folder_;
};

TEST_F(raw_text_of, a_small_file_is_all_of_it) {
    write("/proc/sys/kernel/osrelease", "6.1.0\n");
    EXPECT_EQ(read("/proc/sys/kernel/osrelease"), "6.1.0");
    EXPECT_EQ(read("cgroup, /proc/sys/kernel/osrelease statvfs"), "6.1.0") << "the first path of several words";
}

TEST_F(raw_text_of, of_a_long_file_the_lines_about_the_key_and_never_more_than_512_bytes) {
    std::string meminfo;
    for (int i = 0; i < 60; ++i) meminfo += "Filler" + std::to_string(i) + ":   1 kB\n";
    write("/proc/meminfo", meminfo + "MemTotal: 24 kB\n");
    EXPECT_EQ(read("/proc/meminfo", "memory.total_bytes"), "MemTotal: 24 kB");
    const auto head = read("/proc/meminfo", "memory.nothing");
    ASSERT_TRUE(head);
    EXPECT_EQ(head->size(), 512u);
    EXPECT_TRUE(head->starts_with("Filler0:") && head->ends_with("..."));
}

TEST_F(raw_text_of, what_is_no_readable_text_is_not_shown) {
    write("/sys/table", std::string("\x01\x02\xff", 3));
    write("/proc/self/environ", std::string("TOKEN=secret"));
    write("/etc/d/b", "");
    write("/etc/d/a", "");
    EXPECT_EQ(read("/sys/table"), "(3 bytes that are no text)");
    EXPECT_EQ(read("/proc/self/environ").value_or("").find("TOKEN"), std::string::npos);
    EXPECT_EQ(read("/etc/d"), "(folder) a b");
    EXPECT_EQ(read("/etc/missing"), std::nullopt);
    EXPECT_EQ(read("/sys/cpu*/capacity"), std::nullopt);
    EXPECT_EQ(read("cpuid:7.0"), std::nullopt);
    ASSERT_EQ(::mkfifo((folder_.path() + "/pipe").c_str(), 0600), 0);
    EXPECT_EQ(read("/pipe"), std::nullopt) << "and nothing waits at a pipe";
}

}  // namespace
}  // namespace sigrun
