// A store in a folder of its own, and contents with their hashes.
#pragma once

#include "kernel/guard/sha256.hpp"
#include "kernel/job/artifact_upload.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>

namespace sigrun::job_test {

inline std::string sha256_of(std::string_view bytes) {
    sha256_stream hash;
    hash.feed(bytes);
    return hash.hex();
}
inline artifact artifact_with(const std::string& name, std::string_view bytes) {
    return {name, bytes.size(), sha256_of(bytes)};
}
/// Bytes that do not repeat.
inline std::string noise(std::size_t size, std::uint32_t seed = 1) {
    std::string out(size, '\0');
    for (auto& c : out) {
        seed = seed * 1664525u + 1013904223u;
        c = static_cast<char>(seed >> 24);
    }
    return out;
}

class artifact_folder : public testing::Test {
protected:
    artifact_folder() { open(); }
    ~artifact_folder() override {
        if (store_) store_->stop();
        std::filesystem::remove_all(dir_);
    }
    /// Another life of the daemon.
    void open() {
        if (store_) store_->stop();
        store_ = std::make_shared<artifact_store>(dir_ + "/artifacts");
        const auto opened = store_->open();
        EXPECT_TRUE(opened) << (opened ? "" : opened.error().text());
    }
    /// As an upload does.
    artifact put(const std::string& bytes, bool durable = false) {
        const auto what = artifact_with("a", bytes);
        const auto path = store_->partial("put");
        const owned_fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        EXPECT_EQ(::write(file.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
        const auto kept = store_->keep(what, path, file.get(), durable);
        EXPECT_TRUE(kept) << (kept ? "" : kept.error().text());
        return what;
    }
    std::string content(const artifact& what) const {
        const auto file = store_->read(what);
        if (!file) return "(" + file.error().text() + ")";
        return read_all(file->get(), what.name, 64u << 20).value();
    }
    void grow_old(const std::string& below) const {
        const timespec then[2] = {{1'000'000, 0}, {1'000'000, 0}};
        for (const auto& entry : std::filesystem::recursive_directory_iterator(below)) {
            if (!entry.is_regular_file()) continue;
            ASSERT_EQ(::utimensat(AT_FDCWD, entry.path().c_str(), then, 0), 0);
        }
    }
    std::size_t files() const {
        std::size_t n = 0;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_)) n += entry.is_regular_file();
        return n;
    }

    std::string dir_ = [] {
        std::string t = testing::TempDir() + "artXXXXXX";
        return std::string(::mkdtemp(t.data()));
    }();
    std::shared_ptr<artifact_store> store_;
};

}  // namespace sigrun::job_test
