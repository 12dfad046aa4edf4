// Random expressions: the canonical form must compile to the same canonical form, the same key and the same
// judgement.
#include "unit/kernel/select/machine.hpp"

#include <gtest/gtest.h>

#include <random>

namespace {

using namespace sigrun;

class writer {
public:
    explicit writer(std::uint64_t seed) : random_(seed) {}

    std::string condition(int depth) {
        switch (depth > 0 ? pick(9) : 3 + pick(4)) {
            case 0: return spaced(condition(depth - 1), "&&", condition(depth - 1));
            case 1: return spaced(condition(depth - 1), "||", condition(depth - 1));
            case 2: return "!(" + condition(depth - 1) + ")";
            case 3: return key();
            case 4: return spaced(key(), relation(), literal());
            case 5: return spaced(key(), " in ", "[" + std::to_string(pick(9)) + blank() + "," + "\"x\"" + "]");
            case 6: return (pick(2) ? "known(" : "present(") + key() + ")";
            case 7: return "(" + condition(depth - 1) + ")";
            default:
                if (!in_list_) {
                    in_list_ = true;
                    std::string body = condition(depth - 1);
                    in_list_ = false;
                    const char* words[] = {"any", "all", "count"};
                    const unsigned w = pick(3);
                    return std::string(words[w]) + "(e in gpu, " + body + ")" + (w == 2 ? " >= 1" : "");
                }
                return "count(gpu) == 2";
        }
    }

private:
    unsigned pick(unsigned n) { return static_cast<unsigned>(random_() % n); }
    std::string blank() { return std::string(pick(3), ' '); }
    std::string spaced(const std::string& a, const std::string& op, const std::string& b) {
        return a + blank() + op + blank() + b;
    }
    std::string key() {
        static const char* keys[] = {"cores", "memory_bytes", "arch",           "rtt_us",       "denied",      "absent",
                                     "flag",  "label.zone",   "label[\"a/b\"]", "gpu[0].model", "gpu[7].model"};
        if (in_list_ && pick(2)) return pick(2) ? "e.model" : "e.memory_bytes";
        return keys[pick(std::size(keys))];
    }
    std::string relation() {
        static const char* relations[] = {"==", "!=", "<", "<=", ">", ">="};
        return relations[pick(6)];
    }
    std::string literal() {
        static const char* literals[] = {"4",
                                         "-3",
                                         "2.5",
                                         "8GiB",
                                         "64k",
                                         "\"eu\"",
                                         "\"a\\\"b\\\\c\\n\"",
                                         "v\"1.2\"",
                                         "1e3",
                                         "18446744073709551615",
                                         "0.001",
                                         "2.0"};
        return literals[pick(std::size(literals))];
    }

    std::mt19937_64 random_;
    bool in_list_ = false;
};

TEST(requirement_random, canonical_form_compiles_to_itself_and_judges_alike) {
    test::machine m;
    m.set("cores", 4).set("memory_bytes", 8589934592).set("arch", "x86").set("rtt_us", 2.5).set("flag", true);
    m.status("denied", fact_status::denied).status("absent", fact_status::absent).label("zone", "eu");
    m.set("gpu", json::array{{{"model", "eu"}, {"memory_bytes", 4}}, {{"model", "y"}}});
    const auto facts = m.facts();
    const auto labels = m.labels();
    const match_subject subject{facts.get(), labels.get()};
    int compiled = 0, counts[3] = {};
    for (std::uint64_t seed = 1; seed <= 5000; ++seed) {
        const std::string text = writer(seed).condition(5);
        auto first = requirement::compile(text);
        if (!first) {
            // The writer knows no types and no limit of length; nothing else may be refused.
            const std::string& why = first.error().message;
            ASSERT_TRUE(why.starts_with("cannot compare") || why.starts_with("more than 256") ||
                        first.error().code == errc::too_large)
                << text << "\n"
                << why;
            continue;
        }
        ++compiled;
        auto second = requirement::compile((*first)->canonical());
        ASSERT_TRUE(second) << text << "\n" << (*first)->canonical() << "\n" << second.error().text();
        ASSERT_EQ((*second)->canonical(), (*first)->canonical()) << text;
        ASSERT_EQ((*second)->key(), (*first)->key());
        ASSERT_EQ((*second)->keys(), (*first)->keys());
        const truth t = (*first)->matches(subject);
        ASSERT_EQ((*second)->matches(subject), t) << text;
        ++counts[static_cast<int>(t)];
        // Terms together are the whole.
        bool any_no = false, any_unknown = false;
        for (std::size_t i = 0; i < (*first)->terms().size(); ++i) {
            any_no |= (*first)->term_matches(i, subject) == truth::no;
            any_unknown |= (*first)->term_matches(i, subject) == truth::unknown;
        }
        ASSERT_EQ(t, any_no ? truth::no : any_unknown ? truth::unknown : truth::yes) << text;
    }
    EXPECT_GT(compiled, 4000);
    for (int c : counts) EXPECT_GT(c, 100);  // all three answers are exercised
}

TEST(requirement_random, garbage_is_refused_or_compiled_but_never_crashes) {
    static constexpr char k_letters[] = "ab.019[]()\"\\!&|=<>-, \nvegxKiBms_\x80\xc3";
    std::mt19937_64 random(7);
    int refused = 0;
    for (int i = 0; i < 50'000; ++i) {
        std::string text;
        for (auto n = random() % 24; n; --n) text += k_letters[random() % (sizeof k_letters - 1)];
        auto r = requirement::compile(text);
        if (r) {
            ASSERT_TRUE(requirement::compile((*r)->canonical())) << text;
        } else {
            ++refused;
            ASSERT_FALSE(r.error().text().empty());
        }
    }
    EXPECT_GT(refused, 10'000);
}

}  // namespace
