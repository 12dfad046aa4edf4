// The component "sqlite": copies each request into a bounded queue; one thread of its own owns the
// connection.
#include "copier.hpp"
#include "schema.hpp"
#include "shards.hpp"

#include <sigrun/cpp/plugin.hpp>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace sigrun::sqlite {
namespace {

using sdk::concat;
using sdk::failure;

constexpr sigrun_opt k_options[] = {
    sdk::option("path", SIGRUN_OPT_PATH,
                {.def = "sigrun.db", .doc = "The database file; its folder must exist. A new one gets mode 0600."}),
    sdk::option("busy_timeout", SIGRUN_OPT_DURATION,
                {.def = "5s", .doc = "How long to wait for a lock that another process holds.", .min = 0, .max = 60e9}),
    sdk::option("cache_size", SIGRUN_OPT_SIZE,
                {.def = "16MiB", .doc = "Memory for the page cache.", .min = 64.0 * 1024, .max = 4.0 * (1ull << 30)}),
    sdk::option("max_size", SIGRUN_OPT_SIZE,
                {.def = "0", .doc = "The database file grows no larger; 0 = as large as the disk lets it."}),
    sdk::option("check", SIGRUN_OPT_BOOL,
                {.def = "yes",
                 .doc = "Look for damage in the whole file at each start, which takes time in proportion to it."}),
};

constexpr std::size_t k_max_waiting = 1024;                     // requests
constexpr std::size_t k_max_waiting_bytes = 256 * 1024 * 1024;  // of records
constexpr std::uint32_t k_max_records = 100'000;
constexpr std::uint64_t k_max_key = 4096;
constexpr std::uint64_t k_max_body = 64 * 1024 * 1024;

/// One request; `run` computes the answer on the thread.
struct request {
    sdk::op op;
    std::size_t bytes = 0;
    std::function<std::string(shards&)> run;
};

/// The caller's records copied into one block, with views into it.
struct batch {
    std::string text;
    std::vector<record> records;
};

std::shared_ptr<const batch> copy_records(const sigrun_record* first, std::uint32_t n) {
    auto out = std::make_shared<batch>();
    std::uint64_t total = 0;
    auto at = [&](std::uint32_t i) -> const sigrun_record& {
        return *reinterpret_cast<const sigrun_record*>(reinterpret_cast<const char*>(first) +
                                                       std::size_t{i} * first->struct_size);
    };
    for (std::uint32_t i = 0; i < n; ++i) {
        const auto& r = at(i);
        const bool removes = r.flags & SIGRUN_RECORD_DELETE;
        if (r.flags & ~3u || r.flags == 3u || !r.key.len || r.key.len > k_max_key || r.body.len > k_max_body ||
            (removes && r.body.len))
            throw failure(SIGRUN_E_INVALID, "a record has wrong flags, key or body");
        total += r.key.len + r.body.len;
        if (total > k_max_waiting_bytes) throw failure(SIGRUN_E_INVALID, "the batch is too large");
    }
    out->text.reserve(static_cast<std::size_t>(total));
    out->records.reserve(n);
    for (std::uint32_t i = 0; i < n; ++i) {
        const auto& r = at(i);
        auto begin = out->text.size();
        out->text += sdk::view(r.key);
        out->text += sdk::view(r.body);
        std::string_view both = std::string_view(out->text).substr(begin);
        auto key = both.substr(0, static_cast<std::size_t>(r.key.len));
        out->records.push_back({r.kind, r.flags, key, both.substr(key.size())});
    }
    return out;
}

class sqlite_store {
public:
    sqlite_store(sdk::host host, const sdk::config_reader& config) : host_(host) {
        settings_.path = config.text("path");
        settings_.busy_timeout_ms = config.integer("busy_timeout") / 1'000'000;
        settings_.cache_bytes = config.integer("cache_size");
        settings_.max_bytes = config.integer("max_size");
        settings_.check = config.boolean("check");
    }

    ~sqlite_store() {
        {
            std::lock_guard lock(mutex_);
            accepting_ = false;
            ending_ = true;
        }
        if (copies_) copies_->give_up();
        changed_.notify_all();
        if (db_) db_->stop_waiting();
        if (thread_.joinable()) thread_.join();
        for (auto& r : queue_) r.op.fail(SIGRUN_E_CANCELLED, "the store is closing");
    }

    void start() {
        // Opened here, so that a wrong file stops the start with its reason; used by the thread from then on.
        auto db = std::make_unique<database>(settings_.path, settings_.busy_timeout_ms);
        prepare(*db, settings_);
        auto tables = std::make_unique<shards>(*db);
        db_ = std::move(db);
        shards_ = std::move(tables);
        copies_ = std::make_unique<copier>(host_, settings_.path);
        host_.log(SIGRUN_LOG_INFO, "store ", settings_.path, " is open");
        std::lock_guard lock(mutex_);
        thread_ = std::thread([this] { work(); });
        accepting_ = true;
    }

    /// What is queued is finished; nothing new is taken. A copy is given up: it may take minutes.
    void drain(std::uint64_t, sdk::op done) {
        if (copies_) copies_->give_up();
        std::unique_lock lock(mutex_);
        accepting_ = false;
        if (!thread_.joinable()) {
            lock.unlock();
            done.ok();
            return;
        }
        queue_.push_back({std::move(done), 0, [](shards&) { return std::string(); }});
        lock.unlock();
        changed_.notify_one();
    }

    const void* interface(std::string_view id) noexcept;
    copier* copies() noexcept { return copies_.get(); }

    sigrun_result enqueue(sigrun_op op, std::size_t bytes, std::function<std::string(shards&)> run) {
        std::lock_guard lock(mutex_);
        if (!accepting_) return SIGRUN_E_CANCELLED;
        if (queue_.size() >= k_max_waiting || (bytes && waiting_bytes_ + bytes > k_max_waiting_bytes))
            return SIGRUN_E_BUSY;
        queue_.push_back({{}, bytes, std::move(run)});
        queue_.back().op = sdk::op(host_, op);
        waiting_bytes_ += bytes;
        changed_.notify_one();
        return SIGRUN_PENDING;
    }

private:
    void work() {
        sdk::thread_scope scope(host_, "sqlite");
        std::unique_lock lock(mutex_);
        for (;;) {
            changed_.wait(lock, [&] { return ending_ || !queue_.empty(); });
            if (ending_) return;
            request next = std::move(queue_.front());
            queue_.pop_front();
            waiting_bytes_ -= next.bytes;
            lock.unlock();
            answer(next);
            next = {};
            lock.lock();
        }
    }
    void answer(request& next) noexcept {
        try {
            next.op.ok(next.run(*shards_));
        } catch (const failure& f) {
            next.op.fail(f.code(), f.what());
        } catch (const std::exception& e) {
            next.op.fail(SIGRUN_E_INTERNAL, e.what());
        }
    }

    sdk::host host_;
    settings settings_;
    std::unique_ptr<database> db_;
    std::unique_ptr<shards> shards_;  // after db_: its statements go first
    std::unique_ptr<copier> copies_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<request> queue_;
    std::size_t waiting_bytes_ = 0;
    bool accepting_ = false;
    bool ending_ = false;
    std::thread thread_;
};

sqlite_store& self(sigrun_instance* instance) noexcept { return sdk::self<sqlite_store>(instance); }

constexpr sigrun_store k_store{
    sizeof(sigrun_store), 0,
    // A shard has no time to live here: who takes it last has it, and the former owner is told by its next
    // append.
    [](sigrun_instance* i, std::uint32_t verb, const sigrun_fence* fence, std::uint64_t, sigrun_op op) noexcept {
        return sdk::guarded(nullptr, [&]() -> sigrun_result {
            if (!fence || verb < SIGRUN_OWN_TAKE || verb > SIGRUN_OWN_RELEASE) return SIGRUN_E_INVALID;
            auto run = [verb, shard = fence->shard, epoch = fence->epoch](shards& s) {
                return s.own(verb, shard, epoch);
            };
            return self(i).enqueue(op, 0, run);
        });
    },
    [](sigrun_instance* i, const sigrun_fence* fence, const sigrun_record* records, std::uint32_t n,
       std::uint32_t durability, sigrun_op op) noexcept {
        return sdk::guarded(nullptr, [&]() -> sigrun_result {
            if (!fence || !records || !n || n > k_max_records ||
                (durability != SIGRUN_FSYNC && durability != SIGRUN_RELAXED))
                return SIGRUN_E_INVALID;
            auto copy = copy_records(records, n);
            auto bytes = copy->text.size() + n * sizeof(record);
            return self(i).enqueue(op, bytes,
                                   [copy, shard = fence->shard, epoch = fence->epoch, durability](shards& s) {
                                       return s.append(shard, epoch, copy->records, durability);
                                   });
        });
    },
    [](sigrun_instance* i, std::uint32_t shard, std::uint64_t position, std::uint32_t max, sigrun_op op) noexcept {
        return sdk::guarded(nullptr, [&]() -> sigrun_result {
            if (!max) return SIGRUN_E_INVALID;
            return self(i).enqueue(op, 0, [=](shards& s) { return s.scan(shard, position, max); });
        });
    },
    [](sigrun_instance* i, const sigrun_fence* fence, std::uint64_t, sigrun_op op) noexcept {
        return sdk::guarded(nullptr, [&]() -> sigrun_result {
            if (!fence) return SIGRUN_E_INVALID;
            return self(i).enqueue(op, 0, [shard = fence->shard, epoch = fence->epoch](shards& s) {
                s.compact(shard, epoch);
                return std::string("{}");
            });
        });
    },
    nullptr,
    [](sigrun_instance* i, sigrun_str target, sigrun_op op) noexcept {
        return sdk::guarded(nullptr, [&]() -> sigrun_result {
            if (!target.len || !self(i).copies()) return SIGRUN_E_INVALID;
            return self(i).copies()->begin(op, std::string(sdk::view(target)));
        });
    },
    [](sigrun_instance* i, uint64_t* done, uint64_t* total) noexcept {
        *done = *total = 0;
        if (self(i).copies()) self(i).copies()->progress(*done, *total);
    }};

const void* sqlite_store::interface(std::string_view id) noexcept {
    return id == SIGRUN_KIND_STORE ? &k_store : nullptr;
}

}  // namespace
}  // namespace sigrun::sqlite

SIGRUN_PLUGIN("sigrun.sqlite", "0.1.0", "Keeps jobs and runners in one SQLite file", SIGRUN_PLUGIN_OWN_THREADS,
              sigrun::sdk::component<sigrun::sqlite::sqlite_store>("sqlite", SIGRUN_KIND_STORE,
                                                                   "One SQLite file in WAL mode",
                                                                   sigrun::sqlite::k_options))
