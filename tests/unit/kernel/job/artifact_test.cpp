// The field `artifacts` of a job document, and the list that a runner tells.
#include "kernel/job/artifact.hpp"

#include <gtest/gtest.h>

namespace {

using namespace sigrun;

result<std::vector<artifact_wish>> wishes(const std::string& text) { return parse_artifact_wishes(json::parse(text)); }

TEST(artifact_wishes, are_paths_or_objects) {
    const auto read =
        wishes(R"(["build/*.bin","a b/c",{"path":"out/report.json","name":"report","optional":true}])").value();
    ASSERT_EQ(read.size(), 3u);
    EXPECT_EQ(read[0].path, "build/*.bin");
    EXPECT_TRUE(read[0].has_wildcards());
    EXPECT_FALSE(read[0].optional);
    EXPECT_FALSE(read[1].has_wildcards());
    EXPECT_EQ(read[2].name, "report");
    EXPECT_TRUE(read[2].optional);
}

TEST(artifact_wishes, wrong_ones_are_refused_with_field_expected_and_found) {
    struct wrong {
        std::string text, field, words;
    };
    for (const auto& [text, field, words] :
         {wrong{R"("build")", "artifacts", "array"},
          {R"([7])", "artifacts[0]", "a path"},
          {R"(["/etc/passwd"])", "artifacts[0]", "below the working directory"},
          {R"(["a","../b"])", "artifacts[1]", "below the working directory"},
          {R"(["a//b"])", "artifacts[0]", "below the working directory"},
          {R"(["a/"])", "artifacts[0]", "below the working directory"},
          {R"([""])", "artifacts[0]", "below the working directory"},
          {R"(["a\nb"])", "artifacts[0]", "below the working directory"},
          {R"([{"name":"a"}])", "artifacts[0].path", "a path"},
          {R"([{"path":"a","name":"../x"}])", "artifacts[0].name", "255 bytes"},
          {R"([{"path":"*.bin","name":"x"}])", "artifacts[0].name", "wildcards"},
          {R"([{"path":"a","optional":1}])", "artifacts[0].optional", "true or false"},
          {R"([{"path":"a","when":"x"}])", "artifacts[0].when", "optional"}}) {
        const auto read = wishes(text);
        ASSERT_FALSE(read) << text;
        EXPECT_EQ(read.error().field, field) << read.error().text();
        EXPECT_NE(read.error().text().find(words), std::string::npos) << read.error().text();
    }
    json::array many(k_most_artifacts + 1, json::value("a"));
    EXPECT_EQ(parse_artifact_wishes(many).error().code, errc::too_large);
}

TEST(artifact_lists, are_read_as_they_were_written) {
    const artifact_list all{{"a/b", 7, std::string(64, 'a')}, {"c", 0, std::string(64, '0')}};
    EXPECT_EQ(parse_artifacts(to_json(all)).value(), all);
    EXPECT_EQ(size_of(all), 7u);
    EXPECT_EQ(size_of({{"a", ~0ull, ""}, {"b", 2, ""}}), ~0ull) << "no sum wraps around";
}

TEST(artifact_lists, of_another_form_are_refused) {
    const std::string hash(64, 'a');
    for (const auto& text :
         {std::string(R"([7])"), R"([{"name":"../a","size":1,"sha256":")" + hash + R"("}])",
          R"([{"name":"a","sha256":")" + hash + R"("}])", std::string(R"([{"name":"a","size":1,"sha256":"../../x"}])"),
          R"([{"name":"a","size":1,"sha256":")" + std::string(64, 'A') + R"("}])",
          R"([{"name":"a","size":1,"sha256":")" + hash + R"("},{"name":"a","size":1,"sha256":")" + hash + R"("}])"})
        EXPECT_FALSE(parse_artifacts(json::parse(text).as_array())) << text;
}

}  // namespace
