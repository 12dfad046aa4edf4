// A store under test in a folder of its own, and readers of what it answers.
#pragma once

#include <sigrun/cpp/mock_host.hpp>
#include <sigrun/store.h>

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace sigrun::test {

struct folder {
    std::string path;
    folder() {
        char name[] = "/tmp/sigrun-sqlite-XXXXXX";
        if (!mkdtemp(name)) throw std::runtime_error("mkdtemp failed");
        path = name;
    }
    ~folder() { std::filesystem::remove_all(path); }
    std::string file() const { return path + "/sigrun.db"; }
};

struct stored {
    std::uint32_t kind;
    std::uint64_t position;
    std::string key, body;
    friend bool operator==(const stored&, const stored&) = default;
};
struct page {
    std::vector<stored> records;
    std::uint64_t next = 0;
};

inline page unpack(std::string_view packed) {
    auto take = [&](auto& value) {
        if (packed.size() < sizeof value) throw std::runtime_error("packed records end early");
        std::memcpy(&value, packed.data(), sizeof value);
        packed.remove_prefix(sizeof value);
    };
    auto text = [&](std::uint32_t n) {
        if (packed.size() < n) throw std::runtime_error("packed records end early");
        std::string out(packed.substr(0, n));
        packed.remove_prefix(n);
        return out;
    };
    page out;
    std::uint32_t count = 0;
    take(count);
    take(out.next);
    for (std::uint32_t i = 0; i < count; ++i) {
        std::uint32_t kind = 0, key = 0, body = 0;
        std::uint64_t position = 0;
        take(kind);
        take(key);
        take(body);
        take(position);
        auto k = text(key);
        out.records.push_back({kind, position, k, text(body)});
    }
    if (!packed.empty()) throw std::runtime_error("bytes after the last record");
    return out;
}

struct put {
    std::uint32_t kind;
    std::string key, body;
    std::uint32_t flags = 0;
};

/// One instance on one file.
class store {
public:
    explicit store(const std::string& file, std::map<std::string, std::string> options = {}) {
        options["path"] = file;
        instance_ = host.create("sqlite", options);
        host.start(instance_);
        table_ = static_cast<const sigrun_store*>(instance_->get_interface(instance_, sdk::str(SIGRUN_KIND_STORE)));
    }
    sdk::mock_host::outcome own(std::uint32_t verb, std::uint64_t epoch = 0, std::uint32_t shard = 0) {
        sigrun_fence fence{sizeof fence, shard, epoch};
        return answer([&](sigrun_op op) { return table_->own(instance_, verb, &fence, 0, op); });
    }
    std::uint64_t take(std::uint32_t shard = 0) {
        auto o = own(SIGRUN_OWN_TAKE, 0, shard);
        if (o.result) throw std::runtime_error(o.text);
        return number(o.text);
    }
    sigrun_op append_async(std::uint64_t epoch, const std::vector<put>& puts, std::uint32_t durability = SIGRUN_FSYNC,
                           std::uint32_t shard = 0) {
        sigrun_fence fence{sizeof fence, shard, epoch};
        std::vector<sigrun_record> records;
        for (const auto& p : puts)
            records.push_back({sizeof(sigrun_record), p.kind, p.flags, 0, sdk::str(p.key), sdk::bytes(p.body)});
        auto op = host.mint();
        started = table_->append(instance_, &fence, records.data(), static_cast<std::uint32_t>(records.size()),
                                 durability, op);
        if (started < 0) host.forget(op);
        return op;
    }
    sdk::mock_host::outcome append(std::uint64_t epoch, const std::vector<put>& puts,
                                   std::uint32_t durability = SIGRUN_FSYNC, std::uint32_t shard = 0) {
        auto op = append_async(epoch, puts, durability, shard);
        if (started < 0) return {started, "refused at once"};
        return host.wait(op, std::chrono::seconds(60));
    }
    page scan(std::uint64_t position = 0, std::uint32_t max = 1000, std::uint32_t shard = 0) {
        auto o = answer([&](sigrun_op op) { return table_->scan(instance_, shard, position, max, op); });
        if (o.result) throw std::runtime_error(o.text);
        return unpack(o.text);
    }
    sdk::mock_host::outcome compact(std::uint64_t epoch) {
        sigrun_fence fence{sizeof fence, 0, epoch};
        return answer([&](sigrun_op op) { return table_->compact(instance_, &fence, 0, op); });
    }
    sigrun_instance* instance() { return instance_; }
    const sigrun_store* table() { return table_; }

    static std::uint64_t number(const std::string& json) { return std::stoull(json.substr(json.find(':') + 1)); }

    sdk::mock_host host;
    sigrun_result started = SIGRUN_OK;  // what the last append_async returned

private:
    template <class Start>
    sdk::mock_host::outcome answer(const Start& start) {
        auto op = host.mint();
        if (auto r = start(op); r < 0) {
            host.forget(op);
            return {r, "refused at once"};
        }
        return host.wait(op, std::chrono::seconds(60));
    }
    sigrun_instance* instance_;
    const sigrun_store* table_;
};

}  // namespace sigrun::test
