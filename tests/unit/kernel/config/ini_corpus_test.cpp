// Replays the seed corpus of the INI fuzz target, whole and cut and with every byte changed, under the
// ordinary compiler.
#include "fuzz/ini_fuzz.cpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace {

int feed(const std::string& text) {
    return LLVMFuzzerTestOneInput(reinterpret_cast<const unsigned char*>(text.data()), text.size());
}

TEST(ini_corpus, replays_without_a_broken_promise) {
    int files = 0;
    for (const auto& file : std::filesystem::directory_iterator(SIGRUN_SOURCE_DIR "/tests/fuzz/ini.corpus")) {
        std::ostringstream content;
        content << std::ifstream(file.path(), std::ios::binary).rdbuf();
        const std::string text = content.str();
        EXPECT_EQ(feed(text), 0);
        for (std::size_t i = 0; i < text.size(); ++i) {
            feed(text.substr(0, i));
            for (char c : {'\0', '\n', '[', '=', '$', '\xff'}) {
                std::string changed = text;
                changed[i] = c;
                feed(changed);
            }
        }
        ++files;
    }
    EXPECT_GE(files, 5);
}

}  // namespace
