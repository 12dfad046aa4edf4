// Sources that change are told once, what a build makes of them never.
#include "kernel/app/sigrun/source_watch.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace {

namespace fs = std::filesystem;
using sigrun::cli::source_watch;

struct source_watch_test : testing::Test {
    fs::path dir = [] {
        std::string name = testing::TempDir() + "sourcesXXXXXX";
        return fs::path(mkdtemp(name.data()));
    }();
    ~source_watch_test() override { fs::remove_all(dir); }

    void write(const std::string& name, const std::string& text) const {
        fs::create_directories((dir / name).parent_path());
        std::ofstream(dir / name) << text;
    }
    /// As often as it takes for a change to be still.
    static bool told(source_watch& watch) {
        const bool first = watch.changed();
        return watch.changed() || first;
    }
};

}  // namespace

TEST_F(source_watch_test, a_change_is_told_once_when_the_writer_has_finished) {
    write("a.cpp", "1");
    source_watch watch({dir.string()});
    EXPECT_FALSE(told(watch));
    write("a.cpp", "12");
    EXPECT_FALSE(watch.changed()) << "it may still be written";
    EXPECT_TRUE(watch.changed());
    EXPECT_FALSE(told(watch));
    write("deep/er/b.hpp", "x");
    EXPECT_TRUE(told(watch));
    fs::remove(dir / "a.cpp");
    EXPECT_TRUE(told(watch));
}

TEST_F(source_watch_test, what_a_build_makes_is_no_change) {
    write("a.cpp", "1");
    source_watch watch({dir.string()});
    for (const char* made :
         {"a.o", "a.so", "deep/liba.a", "a.d", ".hidden", "a.cpp~", "target/x.rs", "out/CMakeCache.txt"})
        write(made, "made");
    write("out/generated.cpp", "made");
    EXPECT_FALSE(told(watch));
}

TEST_F(source_watch_test, a_file_that_is_named_is_watched_whatever_it_is) {
    write("a.so", "1");
    source_watch watch({(dir / "a.so").string()});
    EXPECT_FALSE(told(watch));
    write("a.so", "12");
    EXPECT_TRUE(told(watch));
    fs::remove(dir / "a.so");
    EXPECT_TRUE(told(watch));
}
