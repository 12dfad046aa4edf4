// Pins on the disk: whole, or as they were.
#include "kernel/plugin/pins.hpp"

#include "plugin_folder.hpp"

namespace sigrun {
namespace {

using namespace testing;

struct pinned {
    plugin_folder folder;
    std::string state = (folder.plugins() / "state").string(), one = state + "/one", two = state + "/two";
    std::string hash_one = std::string(64, '1'), hash_two = std::string(64, '2');
    pins what{state};

    pinned() {
        fs::create_directories(state);
        std::ofstream(one) << "first";
        std::ofstream(two) << "second";
    }
    std::size_t files() const {
        return static_cast<std::size_t>(
            std::distance(fs::directory_iterator(state + "/pinned"), fs::directory_iterator()));
    }
};

TEST(pins, a_new_one_takes_the_place_of_the_one_before_and_of_its_signature) {
    pinned p;
    ASSERT_TRUE(p.what.add("a.b", p.hash_one, p.one, "signed"));
    ASSERT_TRUE(p.what.add("a.b", p.hash_one, p.one, "signed")) << "once more";
    ASSERT_TRUE(p.what.add("a.bc", p.hash_one, p.one, "")) << "of another plugin";
    EXPECT_EQ(content_of(p.what.copy_of("a.b") + ".sig"), "signed");
    ASSERT_TRUE(p.what.add("a.b", p.hash_two, p.two, ""));
    EXPECT_EQ(pins::sha256_of(p.what.copy_of("a.b")), p.hash_two);
    EXPECT_EQ(content_of(p.what.copy_of("a.b")), "second");
    EXPECT_EQ(p.files(), 2u);
    ASSERT_TRUE(p.what.remove("a.b"));
    EXPECT_EQ(p.what.copy_of("a.b"), "");
    EXPECT_NE(p.what.copy_of("a.bc"), "");
    EXPECT_EQ(p.files(), 1u);
}

TEST(pins, one_that_cannot_be_written_leaves_the_one_before) {
    pinned p;
    ASSERT_TRUE(p.what.add("a.b", p.hash_one, p.one, "signed"));
    const auto in_the_way = p.state + "/pinned/a.b@" + p.hash_two + ".so.new";
    fs::create_directories(in_the_way + "/full");
    EXPECT_FALSE(p.what.add("a.b", p.hash_two, p.two, ""));
    EXPECT_FALSE(p.what.add("a.b", p.hash_two, p.state + "/none", ""));
    EXPECT_EQ(pins::sha256_of(p.what.copy_of("a.b")), p.hash_one);
    EXPECT_EQ(content_of(p.what.copy_of("a.b") + ".sig"), "signed");
}

TEST(pins, none_is_removed_without_a_folder) {
    pinned p;
    EXPECT_TRUE(p.what.remove("a.b"));
    EXPECT_FALSE(pins("").add("a.b", p.hash_one, p.one, ""));
}

}  // namespace
}  // namespace sigrun
