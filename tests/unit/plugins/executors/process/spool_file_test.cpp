// What the executor reads of a spool: whole records in order, none of an earlier attempt, none that is damaged.
#include "spool_file.hpp"

#include <sigrun/base.h>
#include <sigrun/cpp/error.hpp>
#include <sigrun/cpp/spool.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/file.h>

#include <filesystem>
#include <vector>

namespace sigrun::process_test {
namespace {

using namespace sigrun::process;
constexpr std::uint64_t k_capacity = 65536;

class spool_file_test : public testing::Test {
protected:
    void SetUp() override {
        char name[] = "/tmp/sigrun-spool-XXXXXX";
        ASSERT_NE(::mkdtemp(name), nullptr);
        path_ = name;
        folder_ = descriptor(::open(name, O_PATH | O_DIRECTORY | O_CLOEXEC));
    }
    void TearDown() override { std::filesystem::remove_all(path_); }
    /// As the shim does it.
    void write(const descriptor& spool, std::string_view token, std::string_view piece) {
        sigrun_spool_record record{static_cast<std::uint32_t>(piece.size()), SIGRUN_STREAM_STDOUT, offset_, 1, 0, 0};
        sdk::seal(sdk::spool_nonce(token), record, piece);
        put(spool, {reinterpret_cast<char*>(&record), sizeof record});
        put(spool, piece);
        offset_ += piece.size();
    }
    std::vector<std::string> read_all(spool_reader& reader) {
        std::vector<std::string> pieces;
        sigrun_spool_record record{};
        while (reader.peek(record)) {
            std::string piece(record.length, '\0');
            if (!reader.read(record, piece.data())) break;
            reader.step_over(record);
            pieces.push_back(std::move(piece));
        }
        return pieces;
    }
    spool_reader reader_of(const descriptor& spool, std::string_view token) {
        return {spool.get(), sdk::spool_nonce(token), k_capacity};
    }

    std::string path_;
    descriptor folder_;
    std::uint64_t position_ = 0, offset_ = 0;

private:
    void put(const descriptor& spool, std::string_view bytes) {
        for (char c : bytes) {
            auto at = static_cast<off_t>(SIGRUN_SPOOL_RING + position_++ % k_capacity);
            ASSERT_EQ(::pwrite(spool.get(), &c, 1, at), 1);
        }
    }
};

TEST_F(spool_file_test, records_come_in_order_also_around_the_end_of_the_ring) {
    auto spool = make_spool(folder_, "t", k_capacity, "");
    auto reader = reader_of(spool, "t");
    for (int round = 0; round < 5; ++round) {
        std::vector<std::string> wanted{std::string(20'000, 'a'), "b", std::string(25'000, 'c')};
        for (const auto& w : wanted) write(spool, "t", w);
        EXPECT_EQ(read_all(reader), wanted);
    }
    EXPECT_EQ(reader.offset(), 5u * 45'001u);
    EXPECT_EQ(reader.position(), position_);
}

TEST_F(spool_file_test, room_is_free_when_whole_records_are_stored) {
    auto spool = make_spool(folder_, "t", k_capacity, "");
    auto reader = reader_of(spool, "t");
    write(spool, "t", std::string(30'000, 'a'));
    write(spool, "t", std::string(100, 'b'));
    read_all(reader);
    reader.stored(29'999);
    EXPECT_EQ(reader.free_position(), 0u);
    reader.stored(30'000);
    EXPECT_EQ(reader.free_offset(), 30'000u);
    EXPECT_EQ(reader.free_position(), 30'000u + sizeof(sigrun_spool_record));
    reader.stored(30'100);
    EXPECT_EQ(reader.free_position(), reader.position());
}

TEST_F(spool_file_test, a_damaged_piece_is_not_read) {
    auto spool = make_spool(folder_, "t", k_capacity, "");
    write(spool, "t", "first");
    write(spool, "t", "second");
    auto at = static_cast<off_t>(SIGRUN_SPOOL_RING + 2 * sizeof(sigrun_spool_record) + 5 + 2);
    ASSERT_EQ(::pwrite(spool.get(), "!", 1, at), 1);
    auto reader = reader_of(spool, "t");
    EXPECT_EQ(read_all(reader), std::vector<std::string>{"first"});
}

TEST_F(spool_file_test, what_an_earlier_attempt_left_is_nothing) {
    {
        auto spool = make_spool(folder_, "earlier", k_capacity, "");
        write(spool, "earlier", "old output");
    }
    auto spool = make_spool(folder_, "later", k_capacity, "");
    auto reader = reader_of(spool, "later");
    EXPECT_TRUE(read_all(reader).empty());
    EXPECT_FALSE(find_spool(folder_, "earlier"));
    auto found = find_spool(folder_, "later");
    ASSERT_TRUE(found);
    EXPECT_FALSE(found->mark);
    EXPECT_FALSE(found->end);
}

TEST_F(spool_file_test, it_is_locked_as_long_as_somebody_holds_it_and_says_where_the_cgroup_is) {
    auto spool = make_spool(folder_, "t", k_capacity, "/sys/fs/cgroup/somewhere");
    auto found = find_spool(folder_, "t");
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->locked);
    EXPECT_EQ(found->group, "/sys/fs/cgroup/somewhere");
    EXPECT_EQ(found->capacity, k_capacity);
    spool.reset();
    EXPECT_FALSE(find_spool(folder_, "t")->locked);
}

TEST_F(spool_file_test, in_a_folder_that_is_used_again_a_writer_that_is_not_quite_gone_keeps_its_own_file) {
    auto old = make_spool(folder_, "old", k_capacity, "");
    auto spool = make_spool(folder_, "new", k_capacity, "");
    write(old, "old", "late");
    auto reader = reader_of(spool, "new");
    EXPECT_EQ(read_all(reader), std::vector<std::string>{});
    EXPECT_FALSE(find_spool(folder_, "old"));
    ASSERT_TRUE(find_spool(folder_, "new"));
    EXPECT_TRUE(find_spool(folder_, "new")->locked);
}

TEST_F(spool_file_test, an_end_counts_when_it_is_whole) {
    auto spool = make_spool(folder_, "t", k_capacity, "");
    sigrun_spool_end end{};
    end.exited.exit_code = 7;
    sdk::seal(sdk::spool_nonce("t"), end);
    ASSERT_EQ(::pwrite(spool.get(), &end, sizeof end - 8, SIGRUN_SPOOL_END), static_cast<ssize_t>(sizeof end - 8));
    EXPECT_FALSE(end_in(spool, "t"));
    ASSERT_EQ(::pwrite(spool.get(), &end, sizeof end, SIGRUN_SPOOL_END), static_cast<ssize_t>(sizeof end));
    ASSERT_TRUE(end_in(spool, "t"));
    EXPECT_EQ(end_in(spool, "t")->exit_code, 7);
    EXPECT_FALSE(end_in(spool, "another"));
}

TEST_F(spool_file_test, without_a_folder_it_is_in_memory) {
    auto spool = make_spool(descriptor(), "t", k_capacity, "");
    write(spool, "t", "x");
    auto reader = reader_of(spool, "t");
    EXPECT_EQ(read_all(reader), std::vector<std::string>{"x"});
}

}  // namespace
}  // namespace sigrun::process_test
