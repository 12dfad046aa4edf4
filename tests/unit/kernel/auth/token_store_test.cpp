#include "kernel/auth/token_store.hpp"

#include "kernel/guard/ed25519.hpp"

#include <gtest/gtest.h>

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace sigrun {
namespace {

struct store_in_a_folder : ::testing::Test {
    store_in_a_folder() {
        std::string made = (std::filesystem::temp_directory_path() / "sigrun-tokens-XXXXXX").string();
        folder = ::mkdtemp(made.data());
        path = folder + "/tokens.json";
        EXPECT_TRUE(sut.open(path));
    }
    ~store_in_a_folder() override { std::filesystem::remove_all(folder); }
    std::string file() const {
        std::ifstream in(path);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    std::string join_token(token_request r = {}) {
        r.join = true;
        r.name = "join";
        if (!r.life.count()) r.life = std::chrono::hours(1);
        return sut.create(r)->text;
    }

    std::string folder, path;
    manual_clock time;
    token_store sut{time};
    const std::string key_hash = sha256_hex("the key of the runner");
};

TEST_F(store_in_a_folder, a_rotated_token_has_a_new_text_and_the_old_one_is_good_for_the_overlap) {
    token_request r;
    r.name = "ci";
    r.grants = role::submitter;
    r.tenant = "web";
    const auto first = sut.create(r)->text;
    const auto before = sut.revision();
    const auto second = sut.rotate("ci", std::chrono::minutes(10));
    ASSERT_TRUE(second) << second.error().text();
    EXPECT_GT(sut.revision(), before);
    EXPECT_NE(second->text, first);
    ASSERT_TRUE(sut.find(first) && sut.find(second->text));
    EXPECT_EQ(sut.find(second->text)->tenant, "web");
    EXPECT_EQ(sut.find(second->text)->expires_ns, 0);
    // Who keeps the record of the old text sees it expire.
    const auto old = *sut.find(first);
    EXPECT_FALSE(sut.expired(old));
    token_store again(time);
    ASSERT_TRUE(again.open(path));
    EXPECT_TRUE(again.find(first) && again.find(second->text));
    time.advance(std::chrono::minutes(10));
    EXPECT_TRUE(sut.expired(old));
    for (auto* store : {&sut, &again}) {
        EXPECT_FALSE(store->find(first));
        EXPECT_TRUE(store->find(second->text));
    }
    const auto third = sut.rotate(second->record.id, nanoseconds(0));
    ASSERT_TRUE(third);
    EXPECT_FALSE(sut.find(second->text));
    EXPECT_TRUE(sut.find(third->text));
    EXPECT_EQ(sut.list().size(), 1u);
    EXPECT_FALSE(third->record.to_json().contains("old_secret_until"));
}

TEST_F(store_in_a_folder, what_is_no_valid_token_is_not_rotated) {
    EXPECT_EQ(sut.rotate("none", nanoseconds(0)).error().code, errc::not_found);
    (void)join_token();
    EXPECT_EQ(sut.rotate("join", nanoseconds(0)).error().field, "token");
    token_request r;
    r.name = "short";
    r.life = std::chrono::seconds(1);
    (void)sut.create(r);
    time.advance(std::chrono::seconds(1));
    EXPECT_EQ(sut.rotate("short", nanoseconds(0)).error().code, errc::not_found);
}

TEST_F(store_in_a_folder, a_token_is_found_by_its_text_alone_and_only_its_hash_is_kept) {
    token_request r;
    r.name = "ci";
    r.grants = role::submitter;
    const auto made = sut.create(r);
    ASSERT_TRUE(made) << made.error().text();
    const auto found = sut.find(made->text);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->name, "ci");
    EXPECT_EQ(found->grants, role::submitter);
    const auto secret = made->text.substr(made->text.rfind('_') + 1);
    EXPECT_EQ(secret.size(), 64u);
    EXPECT_EQ(file().find(secret), std::string::npos);
    struct stat about {};
    ASSERT_EQ(::stat(path.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777, 0600u);
    EXPECT_EQ(json::serialize(made->record.to_json()).find(found->sha256), std::string::npos);
    for (auto wrong : {std::string(), made->text + "0", made->text.substr(1), made->text.substr(0, 20),
                       made->text.substr(0, made->text.size() - 1) + (made->text.back() == '0' ? "1" : "0")})
        EXPECT_FALSE(sut.find(wrong)) << wrong;
}

TEST_F(store_in_a_folder, what_was_made_is_there_after_a_restart) {
    token_request r;
    r.name = "ci";
    r.grants = role::admin;
    r.labels = {{"zone", "eu"}};
    const auto text = sut.create(r)->text;
    ASSERT_TRUE(sut.join(join_token(), "build-7", key_hash, {}));
    token_store again(time);
    ASSERT_TRUE(again.open(path));
    ASSERT_TRUE(again.find(text));
    EXPECT_EQ(again.find(text)->labels.at("zone"), "eu");
    EXPECT_TRUE(again.is_runner("build-7", key_hash));
    EXPECT_EQ(again.list().size(), 2u);
}

TEST_F(store_in_a_folder, tokens_end_and_can_be_taken_back) {
    token_request r;
    r.name = "short";
    r.life = std::chrono::seconds(10);
    const auto text = sut.create(r)->text;
    EXPECT_TRUE(sut.find(text));
    time.advance(std::chrono::seconds(11));
    EXPECT_FALSE(sut.find(text));
    r.life = {};
    r.name = "twice";
    const auto first = *sut.create(r), second = *sut.create(r);
    EXPECT_EQ(sut.remove("twice").error().code, errc::conflict);
    EXPECT_TRUE(sut.remove(first.record.id));
    EXPECT_FALSE(sut.find(first.text));
    EXPECT_TRUE(sut.find(second.text));
    EXPECT_TRUE(sut.remove("twice"));
    EXPECT_EQ(sut.remove("twice").error().code, errc::not_found);
}

TEST_F(store_in_a_folder, a_join_token_works_once_for_the_runner_it_is_for) {
    token_request r;
    r.runners = "build-*";
    r.labels = {{"zone", "eu"}};
    const auto text = join_token(r);
    EXPECT_EQ(sut.join(text, "gpu-1", key_hash, {{"zone", "eu"}}).error().code, errc::forbidden);
    EXPECT_EQ(sut.join(text, "build-7", key_hash, {}).error().field, "labels.zone");
    EXPECT_EQ(sut.join(text, "build-7", key_hash, {{"zone", "us"}}).error().code, errc::forbidden);
    EXPECT_FALSE(sut.is_runner("build-7", key_hash));
    const auto joined = sut.join(text, "build-7", key_hash, {{"zone", "eu"}, {"more", "x"}});
    EXPECT_TRUE(joined) << joined.error().text();
    EXPECT_TRUE(sut.is_runner("build-7", key_hash));
    EXPECT_FALSE(sut.is_runner("build-8", key_hash));
    EXPECT_FALSE(sut.is_runner("build-7", sha256_hex("another key")));
    EXPECT_EQ(sut.join(text, "build-8", key_hash, {{"zone", "eu"}}).error().code, errc::unauthenticated);
}

TEST_F(store_in_a_folder, nobody_takes_the_place_of_a_runner_that_has_joined) {
    ASSERT_TRUE(sut.join(join_token(), "build-7", key_hash, {}));
    EXPECT_EQ(sut.join(join_token(), "build-7", sha256_hex("thief"), {}).error().code, errc::conflict);
    EXPECT_TRUE(sut.is_runner("build-7", key_hash));
    EXPECT_TRUE(sut.remove("build-7"));
    EXPECT_FALSE(sut.is_runner("build-7", key_hash));
}

TEST_F(store_in_a_folder, of_two_runners_with_one_join_token_one_joins) {
    for (int round = 0; round < 20; ++round) {
        const auto text = join_token();
        std::atomic<int> joined{0};
        std::vector<std::thread> all;
        for (int i = 0; i < 4; ++i)
            all.emplace_back([&, i] {
                const auto name = "r" + std::to_string(round) + "-" + std::to_string(i);
                joined += sut.join(text, name, key_hash, {}).has_value();
            });
        for (auto& t : all) t.join();
        EXPECT_EQ(joined, 1);
    }
}

TEST_F(store_in_a_folder, a_file_that_others_can_read_or_that_is_damaged_is_refused) {
    token_request r;
    r.name = "ci";
    (void)sut.create(r);
    ::chmod(path.c_str(), 0644);
    EXPECT_EQ(token_store(time).open(path).error().code, errc::forbidden);
    ::chmod(path.c_str(), 0600);
    for (auto damaged : {"", "nonsense", "{}", R"({"tokens":[1]})", R"({"tokens":[{"id":"a"}]})",
                         R"({"tokens":[{"id":"a","kind":"token","role":"king","sha256":""}]})"}) {
        std::ofstream(path) << damaged;
        EXPECT_FALSE(token_store(time).open(path)) << damaged;
    }
}

TEST_F(store_in_a_folder, what_cannot_be_stored_does_not_happen) {
    const auto text = join_token();
    std::filesystem::remove_all(folder);
    token_request r;
    r.name = "x";
    EXPECT_FALSE(sut.create(r));
    EXPECT_FALSE(sut.join(text, "build-7", key_hash, {}));
    EXPECT_FALSE(sut.is_runner("build-7", key_hash));
    EXPECT_TRUE(sut.find(text)) << "it is not used up";
}

}  // namespace
}  // namespace sigrun
