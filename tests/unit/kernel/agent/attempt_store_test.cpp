// What an agent leaves for the next one: whole records, in folders that are used again.
#include "kernel/agent/attempt_store.hpp"

#include "scratch_dir.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace sigrun::agent_test {
namespace {

namespace fs = std::filesystem;

attempt_record record_of(const std::string& job, std::uint32_t number = 1) {
    attempt_record what;
    what.names = {job, "token-of-" + job, number};
    what.kind = "process";
    what.document = R"({"command":["true"],"name":"a \"b\""})";
    what.workspace = "/somewhere/attempt-" + job;
    what.deadline_ns = 12'345'678'901'234;
    return what;
}

class attempt_store_test : public ::testing::Test {
protected:
    std::string folder() const { return dir_ / "attempts"; }
    std::vector<restored_attempt> after_a_crash() const { return attempt_store(folder()).restore(); }
    static std::size_t entries(const std::string& path) {
        std::error_code ec;
        return static_cast<std::size_t>(std::distance(fs::directory_iterator(path, ec), fs::directory_iterator()));
    }
    scratch_dir dir_;
};

TEST_F(attempt_store_test, what_was_taken_is_restored_as_it_was) {
    attempt_store store(folder());
    auto what = record_of("j1", 3);
    what.in_memory = true;
    what.signature = R"({"key":"0123456789abcdef","verified":true})";
    what.payload = buffer_ref::copy_of(std::string_view("a\0b", 3));
    const auto place = store.take(what).value();
    const auto found = after_a_crash();
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].place, place);
    const auto& got = found[0].what;
    EXPECT_EQ(got.names.job, "j1");
    EXPECT_EQ(got.names.token, "token-of-j1");
    EXPECT_EQ(got.names.number, 3u);
    EXPECT_EQ(got.kind, "process");
    EXPECT_EQ(got.document, what.document);
    EXPECT_EQ(got.workspace, what.workspace);
    EXPECT_EQ(got.payload.view(), std::string_view("a\0b", 3));
    EXPECT_TRUE(got.in_memory);
    EXPECT_EQ(got.signature, what.signature);
    EXPECT_EQ(got.deadline_ns, what.deadline_ns);
    EXPECT_EQ(got.cause, end_cause::none);
}

TEST_F(attempt_store_test, a_document_with_secrets_is_sealed_and_opened_again) {
    attempt_store store(folder());
    auto what = record_of("j1");
    what.document = R"({"command":["true"],"secrets":{"KEY":"hunter22 of the test"}})";
    const auto place = store.take(what).value();
    for (const auto& entry : fs::recursive_directory_iterator(dir_ / "")) {
        if (!entry.is_regular_file()) continue;
        std::ifstream in(entry.path(), std::ios::binary);
        const std::string text((std::istreambuf_iterator<char>(in)), {});
        EXPECT_EQ(text.find("hunter22"), std::string::npos) << entry.path();
    }
    const auto found = after_a_crash();
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].what.document, what.document);
    fs::remove(dir_ / "secrets.key");
    EXPECT_TRUE(after_a_crash().empty()) << "without the key nobody can go on with it";
    EXPECT_FALSE(fs::exists(place));
}

TEST_F(attempt_store_test, the_cause_of_an_end_is_noted) {
    attempt_store store(folder());
    store.note(store.take(record_of("j1")).value(), end_cause::preempted);
    ASSERT_EQ(after_a_crash().size(), 1u);
    store.note(after_a_crash()[0].place, end_cause::cancelled);
    EXPECT_EQ(after_a_crash()[0].what.cause, end_cause::cancelled);
}

TEST_F(attempt_store_test, what_was_given_back_is_not_restored_and_its_folder_is_used_again) {
    attempt_store store(folder());
    const auto first = store.take(record_of("a-long-name-that-leaves-bytes-behind")).value();
    std::ofstream(first + "/spool") << "of the executor";
    store.give_back(first);
    const auto second = store.take(record_of("j2")).value();
    EXPECT_EQ(second, first);
    EXPECT_NE(store.take(record_of("j3")).value(), first);
    const auto found = after_a_crash();
    ASSERT_EQ(found.size(), 2u);
    EXPECT_TRUE(fs::exists(first + "/spool")) << "an executor may write over it, and it is not the store's";
}

TEST_F(attempt_store_test, a_folder_of_no_attempt_is_removed_after_a_crash) {
    attempt_store store(folder());
    store.give_back(store.take(record_of("j1")).value());
    EXPECT_EQ(entries(folder()), 1u);
    EXPECT_TRUE(after_a_crash().empty());
    EXPECT_EQ(entries(folder()), 0u);
}

TEST_F(attempt_store_test, a_record_that_was_not_finished_was_no_attempt) {
    const auto place = attempt_store(folder()).take(record_of("j1")).value();
    const auto size = fs::file_size(place + "/record");
    fs::remove_all(place);
    for (auto cut : {std::uintmax_t{0}, std::uintmax_t{5}, std::uintmax_t{40}, size - 1}) {
        attempt_store store(folder());
        store.restore();
        const auto again = store.take(record_of("j1")).value();
        fs::resize_file(again + "/record", cut);
        EXPECT_TRUE(after_a_crash().empty()) << cut;
    }
}

TEST_F(attempt_store_test, one_wrong_byte_makes_a_record_void) {
    const auto place = attempt_store(folder()).take(record_of("j1")).value();
    std::fstream file(place + "/record", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(60);
    file.put('#');
    file.close();
    EXPECT_TRUE(after_a_crash().empty());
}

TEST_F(attempt_store_test, new_attempts_keep_clear_of_restored_ones) {
    const auto place = attempt_store(folder()).take(record_of("j1")).value();
    attempt_store next(folder());
    EXPECT_EQ(next.restore().size(), 1u);
    EXPECT_NE(next.take(record_of("j2")).value(), place);
    EXPECT_EQ(after_a_crash().size(), 2u);
}

TEST_F(attempt_store_test, without_a_folder_there_is_nothing) {
    attempt_store store("");
    EXPECT_FALSE(store.present());
    EXPECT_TRUE(store.restore().empty());
}

TEST_F(attempt_store_test, a_folder_that_cannot_be_made_is_a_problem_that_names_the_setting) {
    std::ofstream(dir_ / "file") << "in the way";
    auto taken = attempt_store(dir_ / "file").take(record_of("j1"));
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().field, "state_dir");
}

}  // namespace
}  // namespace sigrun::agent_test
