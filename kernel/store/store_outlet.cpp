#include "kernel/store/store_outlet.hpp"

#include "kernel/base/json.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/text.hpp>

#include <future>

namespace sigrun {
namespace {

constexpr std::uint32_t k_shard = 0;
constexpr auto k_patience = std::chrono::seconds(60);  // for one answer of the store while opening or closing

const sigrun_store* table_of(const instance& store) { return store.table<sigrun_store>(SIGRUN_KIND_STORE); }

result<std::uint64_t> epoch_in(const buffer_ref& answer) {
    SIGRUN_TRY(object, parse_object(answer.view()));
    auto epoch = number_or<std::uint64_t>(object, "epoch", 0);
    if (!epoch) return make_problem(errc::io, "the store answered no epoch: " + std::string(answer.view()));
    return epoch;
}

}  // namespace

store_outlet::meters::meters(metrics& m)
    : commits(m.get_counter("sigrun_journal_commits_total", "Transactions the store committed.")),
      records(m.get_counter("sigrun_journal_records_total", "Records in committed transactions.")),
      failures(m.get_counter("sigrun_journal_failures_total", "Transactions the store refused.")),
      seconds(m.get_histogram("sigrun_journal_commit_seconds", "Time of one transaction.",
                              {0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3})) {}

store_outlet::store_outlet(plugin_host& host, std::shared_ptr<instance> store, metrics& numbers)
    : host_(host), name_(store->name()), meter_(numbers) {
    const auto* table = table_of(*store);
    if (!table) throw std::invalid_argument("instance '" + store->name() + "' is no store");
    target_ = {std::move(store), table};
}

store_outlet::target store_outlet::present() const {
    std::lock_guard lock(mutex_);
    return target_;
}

sigrun_fence store_outlet::fence() const noexcept { return {sizeof(sigrun_fence), k_shard, epoch_.load()}; }

void store_outlet::write(const group_commit::batch& batch, bool fsync, group_commit::stored_callback stored) {
    const target to = present();
    if (!to.store) return stored(make_problem(errc::cancelled, "the journal is closed"));
    std::vector<sigrun_record> records;
    records.reserve(batch.size());
    for (const auto* r : batch)
        records.push_back({sizeof(sigrun_record),
                           static_cast<std::uint32_t>(r->kind),
                           r->flags,
                           0,
                           {r->key.data(), r->key.size()},
                           {r->body.data(), r->body.size()}});
    const auto mine = fence();
    const auto begin = clock::system().now();
    auto start = [&](sigrun_op op) {
        return to.table->append(to.store->abi(), &mine, records.data(), static_cast<std::uint32_t>(records.size()),
                                fsync ? SIGRUN_FSYNC : SIGRUN_RELAXED, op);
    };
    // Holds nothing of the instance: its open op keeps it, and a thread of the store must not be the last one to let go.
    auto done = [self = shared_from_this(), begin, n = records.size(),
                 stored = std::move(stored)](result<buffer_ref> answer) {
        auto& meter = self->meter_;
        if (!answer) {
            meter.failures.add();
            stored(answer.error());
            return;
        }
        meter.commits.add();
        meter.records.add(static_cast<double>(n));
        meter.seconds.observe(std::chrono::duration<double>(clock::system().now() - begin).count());
        stored({});
    };
    host_.call_async(*to.store, start, done);
}

void store_outlet::compact() {
    const target to = present();
    if (!to.store || !epoch_ || !SIGRUN_HAS(to.table, compact)) return;
    const auto mine = fence();
    host_.call_async(
        *to.store, [&](sigrun_op op) { return to.table->compact(to.store->abi(), &mine, ~std::uint64_t{0}, op); },
        [](const result<buffer_ref>& answer) {
            // A full disk, or another owner: the next batch tells.
            if (!answer) SIGRUN_LOG(logs::store, debug, "the store was not compacted: ", answer.error().text());
        });
}

void store_outlet::copy(const std::string& file, std::function<void(result<buffer_ref>)> done) {
    const auto to = present();
    if (!to.store) return done(make_problem(errc::cancelled, "the journal is closed"));
    if (!SIGRUN_HAS(to.table, copy))
        return done(make_problem(errc::unsupported,
                                 "the store '" + to.store->name() + "' cannot be copied while it is in use"));
    host_.call_async(
        *to.store, [&](sigrun_op op) { return to.table->copy(to.store->abi(), sdk::str(file), op); },
        std::move(done));
}

std::pair<std::uint64_t, std::uint64_t> store_outlet::copy_progress() const {
    std::uint64_t done = 0, total = 0;
    if (const auto to = present(); to.store && SIGRUN_HAS(to.table, copy_progress))
        to.table->copy_progress(to.store->abi(), &done, &total);
    return {done, total};
}

result<buffer_ref> store_outlet::ask(const target& to, nanoseconds limit,
                                     const std::function<sigrun_result(const target&, sigrun_op)>& start) {
    if (!to.store) return make_problem(errc::cancelled, "the journal is closed");
    auto promise = std::make_shared<std::promise<result<buffer_ref>>>();
    auto answer = promise->get_future();
    host_.call_async(
        *to.store, [&](sigrun_op op) { return start(to, op); },
        [promise](result<buffer_ref> r) { promise->set_value(std::move(r)); });
    if (answer.wait_for(limit) != std::future_status::ready)
        return make_problem(errc::timeout, "the store '" + to.store->name() + "' gave no answer within " +
                                               std::to_string(limit / std::chrono::seconds(1)) + " s");
    return answer.get();
}

result<std::uint64_t> store_outlet::take() {
    const auto mine = fence();
    SIGRUN_TRY(answer, ask(present(), k_patience, [&](const target& to, sigrun_op op) {
                   return to.table->own(to.store->abi(), SIGRUN_OWN_TAKE, &mine, 0, op);
               }));
    SIGRUN_TRY(epoch, epoch_in(answer));
    epoch_ = epoch;
    return epoch;
}

result<buffer_ref> store_outlet::scan(std::uint64_t position, std::uint32_t max) {
    return ask(present(), k_patience, [&](const target& to, sigrun_op op) {
        return to.table->scan(to.store->abi(), k_shard, position, max, op);
    });
}

void store_outlet::release() {
    if (!epoch_) return;
    const auto mine = fence();
    auto released = ask(present(), k_patience, [&](const target& to, sigrun_op op) {
        return to.table->own(to.store->abi(), SIGRUN_OWN_RELEASE, &mine, 0, op);
    });
    if (!released) SIGRUN_LOG(logs::store, warning, "giving the shard back failed: ", released.error().text());
}

// Renewing changes nothing in the store, so an answer that comes too late, or never, does no harm.
result<void> store_outlet::confirm(const std::shared_ptr<instance>& standby, nanoseconds limit) {
    const auto* table = table_of(*standby);
    if (!SIGRUN_HAS(table, own) || !SIGRUN_HAS(table, append))
        return bad_value("store", "a table with the slots own and append", "none");
    if (!epoch_) return make_problem(errc::unavailable, "the journal is not open yet");
    const auto mine = fence();
    SIGRUN_TRY(answer, ask({standby, table}, limit, [&](const target& to, sigrun_op op) {
                   return to.table->own(to.store->abi(), SIGRUN_OWN_RENEW, &mine, 0, op);
               }));
    SIGRUN_TRY(epoch, epoch_in(answer));
    if (epoch != mine.epoch)
        return bad_value("epoch", std::to_string(mine.epoch) + ", that of the running store", std::to_string(epoch));
    return {};
}

bool store_outlet::uses(const std::shared_ptr<instance>& which) const { return present().store == which; }

void store_outlet::exchange(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now) {
    std::lock_guard lock(mutex_);
    if (target_.store == old) target_ = {now, table_of(*now)};
}

void store_outlet::close() {
    target before;
    std::lock_guard lock(mutex_);
    std::swap(before, target_);
}

}  // namespace sigrun
