// Recorded trees are read as they are, whatever else happens on the machine.
#include <sigrun/cpp/sysroot.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace {

namespace fs = std::filesystem;
using namespace sigrun;

// The kernel follows ".." below a folder only if nothing is renamed meanwhile, and says EAGAIN otherwise.
TEST(sysroot, a_link_upwards_is_followed_while_others_rename) {
    std::string folder = (fs::temp_directory_path() / "sigrun-sysroot-XXXXXX").string();
    if (!::mkdtemp(folder.data())) throw std::runtime_error("mkdtemp");
    fs::create_directories(folder + "/devices/one");
    fs::create_directories(folder + "/bus/list");
    std::ofstream(folder + "/devices/one/class") << "0x020000\n";
    fs::create_symlink("../../devices/one", folder + "/bus/list/first");
    std::atomic<bool> enough{false};
    std::thread renaming([&] {
        fs::create_directory(folder + "/here");
        while (!enough) {
            fs::rename(folder + "/here", folder + "/there");
            fs::rename(folder + "/there", folder + "/here");
        }
    });
    const sdk::sysroot root(folder);
    int failed = 0;
    std::string why;
    for (int i = 0; i < 20'000; ++i) {
        const auto found = root.read("/bus/list/first/class");
        if (found && found.trim() == "0x020000") continue;
        ++failed;
        why = std::strerror(found.error);
    }
    enough = true;
    renaming.join();
    EXPECT_EQ(failed, 0) << why;
    fs::remove_all(folder);
}

}  // namespace
