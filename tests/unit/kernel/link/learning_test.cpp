// Facts that a runner tells: all of them, changes, changes that do not fit.
#include "played_runner.hpp"

namespace sigrun::link_test {
namespace {

fact of(std::string key, json::value value, fact_volatility volatility = fact_volatility::boot) {
    fact f;
    f.key = std::move(key);
    f.value = std::move(value);
    f.volatility = volatility;
    f.method = "read";
    return f;
}

json::array as_json(const std::vector<fact>& facts) {
    json::array out;
    for (const auto& f : facts) out.emplace_back(to_json(f));
    return out;
}

class learning : public played_runner {
protected:
    learning() {
        watcher_ = events_->watch(0, true, [] {});
    }

    /// What the agent would say its hash is: with what the session declares.
    static std::string hash_of(std::vector<fact> facts) {
        facts.push_back(of("runner.slots", 1));
        facts.push_back(of("runner.kinds", json::array{}));
        return capability_document(std::move(facts)).inventory_hash();
    }
    static json::object whole(std::uint64_t revision, const std::vector<fact>& facts) {
        return {{"process", "one"},
                {"facts_revision", revision},
                {"inventory_hash", hash_of(facts)},
                {"facts", as_json(facts)}};
    }
    static json::object change(std::uint64_t base, std::uint64_t revision, const std::vector<fact>& news,
                               const std::vector<fact>& all) {
        auto out = whole(revision, all);
        out["facts"] = as_json(news);
        out["facts_base"] = base;
        return out;
    }
    end_ptr come(const std::vector<fact>& facts) { return adopt(1, ticket(1, whole(1, facts))); }
    fact_view find(std::string_view key) {
        kept_ = runners_->find("r").value()->facts;
        return kept_->find(key);
    }
    json::value value(std::string_view key) {
        const fact_view f = find(key);
        return f && f.value ? f.value.to_json() : json::value();
    }
    /// The keys that CapabilitiesUpdated named since the last look.
    std::vector<std::string> news() {
        std::vector<std::string> keys;
        for (const auto& e : watcher_->pull(100)) {
            if (e.type != event_type::capabilities_updated) continue;
            const auto o = parse_object("{" + e.detail + "}").value();
            EXPECT_FALSE(text_or(o, "inventory_hash").empty());
            EXPECT_FALSE(text_or(o, "class_hash").empty());
            for (const auto& key : *array_or_null(o, "changed")) keys.emplace_back(key.as_string());
        }
        return keys;
    }
    /// The revision that a question over this link says is known; 0: it is empty.
    std::uint64_t question(const end_ptr& over) {
        EXPECT_TRUE(within(std::chrono::seconds(5), [&] { return over->questions > 0; }));
        std::lock_guard lock(over->mutex);
        over->questions = 0;
        if (over->asked.empty()) return 0;
        return number_or<std::uint64_t>(parse_object(over->asked).value()["facts_known"].as_object(), "revision", 0);
    }
    std::string metric(const std::string& how) {
        const auto text = numbers_.text(), name = "sigrun_facts_told_total{how=\"" + how + "\"} ";
        const auto at = text.find(name);
        return at == text.npos ? "0" : text.substr(at + name.size(), text.find('\n', at) - at - name.size());
    }

    const fact cores_ = of("cpu.cores", 8), arch_ = of("host.arch", "x86_64");
    const fact free_ = of("memory.available_bytes", 100, fact_volatility::fast);
    sheet_ptr kept_;
    std::unique_ptr<event_log::watcher> watcher_;
};

TEST_F(learning, the_first_document_is_whole_and_then_only_what_changed_is_needed) {
    const auto link = come({cores_, arch_, free_});
    EXPECT_EQ(value("cpu.cores"), json::value(8));
    EXPECT_EQ(value("runner.slots"), json::value(1));
    EXPECT_EQ(news(), (std::vector<std::string>{"cpu.cores", "host.arch", "runner.kinds", "runner.slots"}))
        << "what changes all the time is no news";
    const auto more = of("cpu.cores", 16), model = of("cpu.model", "new");
    auto change_of = change(1, 2, {more, model}, {more, model, free_});
    change_of["facts_gone"] = json::array{"host.arch"};
    EXPECT_EQ(say(link, change_of), SIGRUN_OK);
    EXPECT_EQ(value("cpu.cores"), json::value(16));
    EXPECT_EQ(value("cpu.model"), json::value("new"));
    EXPECT_FALSE(find("host.arch"));
    EXPECT_EQ(value("memory.available_bytes"), json::value(100)) << "it was not mentioned";
    EXPECT_EQ(kept_->inventory_hash(), hash_of({more, model, free_}));
    EXPECT_EQ(news(), (std::vector<std::string>{"cpu.cores", "cpu.model", "host.arch"}));
    EXPECT_EQ(link->questions, 0);
    EXPECT_EQ(metric("all") + metric("changes") + metric("gap"), "110");
}

TEST_F(learning, a_fast_fact_changes_neither_hash_nor_makes_an_event) {
    const auto link = come({cores_, free_});
    (void)news();
    const auto hash = runners_->find("r").value()->facts->inventory_hash();
    const auto less = of("memory.available_bytes", 50, fact_volatility::fast);
    say(link, change(1, 2, {less}, {cores_, less}));
    EXPECT_EQ(value("memory.available_bytes"), json::value(50));
    EXPECT_EQ(kept_->inventory_hash(), hash);
    EXPECT_TRUE(news().empty());
}

TEST_F(learning, a_slow_fact_that_changes_is_news_although_no_hash_covers_it) {
    const auto link = come({cores_, of("custom.rack", "r1", fact_volatility::slow)});
    (void)news();
    say(link, change(1, 2, {of("custom.rack", "r2", fact_volatility::slow)}, {cores_}));
    EXPECT_EQ(news(), std::vector<std::string>{"custom.rack"});
}

TEST_F(learning, a_gap_is_noticed_and_repaired) {
    const auto link = come({cores_, arch_});
    const auto more = of("cpu.cores", 16);
    say(link, change(2, 3, {}, {more, arch_}));
    EXPECT_EQ(value("cpu.cores"), json::value(8)) << "what is missing is not guessed";
    EXPECT_EQ(question(link), 0u) << "nothing is taken as known, so that all is told";
    say(link, whole(3, {more, arch_}));
    EXPECT_EQ(value("cpu.cores"), json::value(16));
    EXPECT_EQ(metric("gap"), "1");
    say(link, change(3, 4, {cores_}, {cores_, arch_}));
    EXPECT_EQ(value("cpu.cores"), json::value(8)) << "from there on changes fit again";
    EXPECT_EQ(metric("gap"), "1");
}

TEST_F(learning, changes_that_do_not_make_the_told_hash_are_not_taken) {
    const auto link = come({cores_, arch_});
    (void)news();
    auto wrong = change(1, 2, {of("cpu.cores", 16)}, {cores_, arch_});
    say(link, wrong);
    EXPECT_EQ(value("cpu.cores"), json::value(8));
    EXPECT_TRUE(news().empty());
    (void)question(link);
    for (int i = 0; i < 50; ++i) say(link, wrong);
    EXPECT_EQ(link->questions, 0) << "who always tells nonsense is not asked each time";
}

TEST_F(learning, changes_are_taken_once_in_whatever_order_links_bring_them) {
    const auto link = come({cores_});
    const auto second = of("cpu.cores", 2), third = of("cpu.cores", 3);
    say(link, change(1, 3, {third}, {third}));
    (void)news();
    say(link, change(1, 2, {second}, {second}));
    say(link, change(2, 3, {third}, {third}));
    say(link, whole(2, {second}));
    EXPECT_EQ(value("cpu.cores"), json::value(3));
    EXPECT_TRUE(news().empty());
    EXPECT_EQ(link->questions, 0);
}

TEST_F(learning, changes_of_another_run_of_the_agent_do_not_fit) {
    const auto link = come({cores_});
    auto other = change(1, 2, {of("cpu.cores", 2)}, {of("cpu.cores", 2)});
    other["process"] = "two";
    say(link, other);
    EXPECT_EQ(value("cpu.cores"), json::value(8));
    (void)question(link);
}

TEST_F(learning, who_comes_back_is_told_what_is_known) {
    come({cores_});
    auto known = greet(2, {{"facts_revision", 1}})["facts_known"].as_object();
    EXPECT_EQ(known["process"], "one");
    EXPECT_EQ(known["revision"], 1);
    EXPECT_EQ(value("cpu.cores"), json::value(8));
    EXPECT_EQ(metric("all") + metric("nothing"), "11");
    known = greet(3, {{"facts_revision", 5}})["facts_known"].as_object();
    EXPECT_EQ(known["revision"], 1) << "the runner goes on from there";
    known = greet(4, {{"facts_revision", 1}, {"process", "two"}})["facts_known"].as_object();
    EXPECT_NE(known["process"], "two") << "of this run nothing is known";
    EXPECT_EQ(value("cpu.cores"), json::value(8)) << "until it tells, what was known holds";
    EXPECT_FALSE(greet(5).contains("facts_known")) << "an agent that numbers nothing";
}

TEST_F(learning, a_question_says_from_where_on_facts_are_asked_for) {
    const auto link = come({cores_});
    fleet_->detect(fleet_->find("r").value(), [](const result<void>&) {});
    EXPECT_EQ(question(link), 1u);
    say(link, whole(0, {cores_}));
    fleet_->detect(fleet_->find("r").value(), [](const result<void>&) {});
    EXPECT_EQ(question(link), 0u) << "an agent that numbers nothing gets the empty question it knows";
}

TEST_F(learning, without_detection_only_what_is_declared_is_kept_and_with_it_all_is_asked_for) {
    fleet_tuning off;
    off.auto_detection = false;
    fleet_->tune(off);
    auto rack = of("custom.rack", "r1", fact_volatility::slow);
    rack.method = "declared";
    const auto link = come({cores_, rack});
    EXPECT_FALSE(find("cpu.cores"));
    EXPECT_EQ(value("custom.rack"), json::value("r1"));
    rack.value = "r2";
    say(link, change(1, 2, {rack, of("cpu.cores", 9)}, {cores_, rack}));
    EXPECT_EQ(value("custom.rack"), json::value("r2"));
    EXPECT_FALSE(find("cpu.cores"));
    EXPECT_EQ(link->questions, 0);
    fleet_->tune({});
    EXPECT_EQ(question(link), 0u);
    say(link, whole(2, {cores_, rack}));
    EXPECT_EQ(value("cpu.cores"), json::value(8));
}

TEST_F(learning, what_is_no_change_of_facts_is_refused) {
    const auto link = come({cores_});
    auto good = change(1, 2, {}, {cores_});
    for (const auto& [member, value] : json::object{{"facts_base", 0},
                                                    {"facts_base", 3},
                                                    {"facts_base", "1"},
                                                    {"facts", 7},
                                                    {"facts", json::array{1}},
                                                    {"process", ""},
                                                    {"facts_gone", json::array{1}},
                                                    {"facts_gone", json::array{std::string(257, 'k')}}}) {
        auto bad = good;
        bad[member] = value;
        EXPECT_EQ(say(link, bad), SIGRUN_E_INVALID) << member << " " << value;
    }
    json::array many;
    for (int i = 0; i < 4097; ++i) many.emplace_back("k" + std::to_string(i));
    good["facts_gone"] = many;
    EXPECT_EQ(say(link, good), SIGRUN_E_INVALID);
    EXPECT_EQ(value("cpu.cores"), json::value(8));
}

}  // namespace
}  // namespace sigrun::link_test
