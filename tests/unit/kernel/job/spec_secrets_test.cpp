// The field `secrets` of a job document: what is taken, and what of it may be seen by others than the runner.
#include "kernel/job/spec_secrets.hpp"

#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace {

using namespace sigrun;
using namespace sigrun::test;

struct spec_secrets : testing::Test {
    std::string dir = [] {
        std::string t = testing::TempDir() + "specXXXXXX";
        return std::string(mkdtemp(t.data()));
    }();
    spec_defaults defaults;
    spec_secrets() { defaults.secrets = std::make_shared<secret_box>(dir + "/secrets.key"); }
    ~spec_secrets() override { std::filesystem::remove_all(dir); }

    result<spec_ptr> parse(const std::string& more) const {
        static auto select = make_selector({scripted::make("first", propose_nothing)});
        return parse_job_spec(R"({"command":["true"])" + more + "}", *select, defaults);
    }
    problem refusal(const std::string& more) const {
        const auto spec = parse(more);
        EXPECT_FALSE(spec) << more;
        return spec ? problem{} : spec.error();
    }
};

TEST_F(spec_secrets, stand_in_clear_in_nothing_but_what_the_runner_gets) {
    const auto spec = parse(R"(,"secrets":{"KEY":"hunter22","OTHER":"two\nlines"},"labels":{"a":"b"})").value();
    EXPECT_NE(spec->document.find("hunter22"), std::string::npos);
    for (const auto* text : {&spec->public_document, &spec->compared_document, &spec->sealed_secrets}) {
        EXPECT_FALSE(text->empty());
        EXPECT_EQ(text->find("hunter22"), std::string::npos) << *text;
        EXPECT_EQ(text->find("lines"), std::string::npos) << *text;
    }
    EXPECT_EQ(spec->told_document(), spec->public_document);
    EXPECT_EQ(json::parse(reveal_secrets(spec->public_document, spec->sealed_secrets, defaults.secrets.get()).value()),
              json::parse(spec->document));
}

TEST_F(spec_secrets, a_document_without_any_is_as_it_was) {
    for (const auto* more : {"", R"(,"secrets":{})"}) {
        const auto spec = parse(more).value();
        EXPECT_EQ(spec->told_document(), spec->document);
        EXPECT_TRUE(spec->sealed_secrets.empty());
    }
    EXPECT_FALSE(std::filesystem::exists(dir + "/secrets.key")) << "nobody needs it yet";
}

TEST_F(spec_secrets, are_compared_by_a_mark_that_is_the_same_for_the_same_values) {
    const auto one = parse(R"(,"secrets":{"KEY":"hunter22"})").value(),
               again = parse(R"(,"secrets":{"KEY":"hunter22"})").value(),
               other = parse(R"(,"secrets":{"KEY":"hunter23"})").value();
    EXPECT_EQ(one->compared_document, again->compared_document);
    EXPECT_NE(one->compared_document, other->compared_document);
}

TEST_F(spec_secrets, of_a_job_in_memory_are_not_sealed_as_it_never_gets_to_the_disk) {
    const auto spec = parse(R"(,"durability":"memory","secrets":{"KEY":"hunter22"})").value();
    EXPECT_TRUE(spec->sealed_secrets.empty());
    EXPECT_EQ(spec->public_document.find("hunter22"), std::string::npos);
}

TEST_F(spec_secrets, a_wrong_one_is_refused_by_its_name_and_no_value_is_shown) {
    const std::string k = "hunter22";
    struct wrong {
        std::string more, field, words;
    };
    for (const auto& [more, field, words] :
         {wrong{R"(,"secrets":"hunter22")", "secrets", "an object"},
          {R"(,"secrets":["hunter22"])", "secrets", "an object"},
          {R"(,"secrets":{"KEY":7})", "secrets.KEY", "a text"},
          {R"(,"secrets":{"KEY":["hunter22"]})", "secrets.KEY", "a text"},
          {R"(,"secrets":{"KEY":"abc"})", "secrets.KEY", "at least 4 bytes"},
          {R"(,"secrets":{"KEY":""})", "secrets.KEY", "at least 4 bytes"},
          {R"(,"secrets":{"KEY":"hunter22\u0000"})", "secrets.KEY", "NUL"},
          {R"(,"secrets":{"hunter22=":"hunter22"})", "secrets", "environment variables"},
          {R"(,"secrets":{"7KEY":"hunter22"})", "secrets", "environment variables"},
          {R"(,"secrets":{"":"hunter22"})", "secrets", "environment variables"},
          {R"(,"env":{"KEY":"x"},"secrets":{"KEY":"hunter22"})", "secrets.KEY", "not in env"},
          {R"(,"kind":"call","secrets":{"KEY":"hunter22"})", "secrets", "a call"},
          {R"(,"secrets":{"KEY":")" + std::string(16'385, 'x') + R"("})", "secrets", "16 KiB"}}) {
        const auto why = refusal(more);
        EXPECT_EQ(why.field, field) << why.text();
        EXPECT_NE(why.text().find(words), std::string::npos) << why.text();
        EXPECT_EQ(why.text().find(k), std::string::npos) << why.text();
    }
    std::string many;
    for (int i = 0; i < 65; ++i) many += (i ? "," : "") + std::string("\"K") + std::to_string(i) + "\":\"hunter22\"";
    EXPECT_EQ(refusal(",\"secrets\":{" + many + "}").code, errc::too_large);
    EXPECT_TRUE(parse(R"(,"secrets":{"KEY":"abcd"})"));
}

TEST_F(spec_secrets, are_refused_where_nothing_can_seal_them) {
    defaults.secrets = nullptr;
    EXPECT_EQ(refusal(R"(,"secrets":{"KEY":"hunter22"})").code, errc::unsupported);
    EXPECT_FALSE(reveal_secrets("{}", "1:abc", nullptr));
}

}  // namespace
