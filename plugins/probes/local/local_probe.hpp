// Facts that the operator declares in files of one folder.
#pragma once

#include "declaration.hpp"

#include <sigrun/cpp/probe.hpp>

#include <functional>
#include <map>

namespace sigrun::local {

class declared_facts {
public:
    static constexpr std::size_t k_max_files = 256, k_max_facts = 2048;

    /// `say` is told of each refused file once, until its reason changes.
    declared_facts(std::string folder, std::function<void(const std::string&)> say)
        : folder_(std::move(folder)), say_(std::move(say)) {}

    void collect(const sdk::sysroot& root, std::int64_t now_s, sdk::probe_run& run);

private:
    struct found {
        std::string value, source;
        std::uint32_t ttl_s;
    };
    void take(const sdk::sysroot& root, const std::string& name, std::int64_t now_s, sdk::fact_writer& facts);
    void refuse(const std::string& name, std::string_view status, const std::string& why, sdk::fact_writer& facts);

    const std::string folder_;
    const std::function<void(const std::string&)> say_;
    std::map<std::string, found> found_;
    std::map<std::string, std::string> told_, telling_;
};

}  // namespace sigrun::local
