// A folder of its own for one test; removed at its end.
#pragma once

#include <gtest/gtest.h>

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

namespace sigrun::testing {

class scratch {
public:
    scratch() {
        std::string path = (std::filesystem::temp_directory_path() / "sigrun-guard-XXXXXX").string();
        if (!mkdtemp(path.data())) throw std::runtime_error("mkdtemp failed");
        path_ = path;
    }
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;
    ~scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    const std::string& path() const { return path_; }
    std::string at(const std::string& name) const { return path_ + "/" + name; }
    void write(const std::string& name, const std::string& bytes) const {
        std::filesystem::create_directories(std::filesystem::path(at(name)).parent_path());
        std::ofstream(at(name), std::ios::binary) << bytes;
    }
    void append(const std::string& name, const std::string& bytes) const {
        std::ofstream(at(name), std::ios::binary | std::ios::app) << bytes;
    }
    std::string content(const std::string& name) const {
        std::ifstream in(at(name), std::ios::binary);
        std::ostringstream out;
        out << in.rdbuf();
        return out.str();
    }

private:
    std::string path_;
};

}  // namespace sigrun::testing
