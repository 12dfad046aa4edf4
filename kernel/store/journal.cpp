#include "kernel/store/journal.hpp"

#include "kernel/base/json.hpp"
#include "kernel/log/log.hpp"
#include "kernel/store/group_commit.hpp"
#include "kernel/store/packed_records.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <future>

namespace sigrun {
namespace {

namespace asio = boost::asio;
const auto k_log = logger::get("store");
constexpr std::uint32_t k_shard = 0;
constexpr std::uint32_t k_page = 5'000;
constexpr auto k_patience = std::chrono::seconds(60);  // for one answer of the store while opening

struct meters {
    explicit meters(metrics& m)
        : commits(m.get_counter("sigrun_journal_commits_total", "Transactions the store committed.")),
          records(m.get_counter("sigrun_journal_records_total", "Records in committed transactions.")),
          failures(m.get_counter("sigrun_journal_failures_total", "Transactions the store refused.")),
          seconds(m.get_histogram("sigrun_journal_commit_seconds", "Time of one transaction.",
                                  {0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3})) {}
    counter commits, records, failures;
    histogram seconds;
};

/// Everything a batch under way needs, kept alive by it.
struct outlet_state {
    plugin_host& host;
    std::shared_ptr<instance> store;
    const sigrun_store* table;
    meters meter;
    std::atomic<std::uint64_t> epoch{0};

    sigrun_fence fence() const noexcept { return {sizeof(sigrun_fence), k_shard, epoch.load()}; }
};

void write_batch(const std::shared_ptr<outlet_state>& to, const group_commit::batch& batch, bool fsync,
                 group_commit::stored_callback stored) {
    std::vector<sigrun_record> records;
    records.reserve(batch.size());
    for (const auto* r : batch)
        records.push_back({sizeof(sigrun_record),
                           static_cast<std::uint32_t>(r->kind),
                           r->flags,
                           0,
                           {r->key.data(), r->key.size()},
                           {r->body.data(), r->body.size()}});
    const auto fence = to->fence();
    const auto begin = clock::system().now();
    auto start = [&](sigrun_op op) {
        return to->table->append(to->store->abi(), &fence, records.data(), static_cast<std::uint32_t>(records.size()),
                                 fsync ? SIGRUN_FSYNC : SIGRUN_RELAXED, op);
    };
    auto done = [to, begin, n = records.size(), stored = std::move(stored)](result<buffer_ref> answer) {
        if (!answer) {
            to->meter.failures.add();
            stored(answer.error());
            return;
        }
        to->meter.commits.add();
        to->meter.records.add(static_cast<double>(n));
        to->meter.seconds.observe(std::chrono::duration<double>(clock::system().now() - begin).count());
        stored({});
    };
    to->host.call_async(*to->store, start, done);
}

/// For opening and closing: starts one call and waits for its answer.
result<buffer_ref> ask(const outlet_state& to, const std::function<sigrun_result(sigrun_op)>& start) {
    auto promise = std::make_shared<std::promise<result<buffer_ref>>>();
    auto answer = promise->get_future();
    to.host.call_async(*to.store, start, [promise](result<buffer_ref> r) { promise->set_value(std::move(r)); });
    if (answer.wait_for(k_patience) != std::future_status::ready)
        return make_problem(errc::timeout, "the store '" + to.store->name() + "' gave no answer within 60 s");
    return answer.get();
}

result<std::uint64_t> take_shard(const outlet_state& to) {
    const auto fence = to.fence();
    SIGRUN_TRY(answer,
               ask(to, [&](sigrun_op op) { return to.table->own(to.store->abi(), SIGRUN_OWN_TAKE, &fence, 0, op); }));
    SIGRUN_TRY(object, parse_object(answer.view()));
    auto epoch = number_or<std::uint64_t>(object, "epoch", 0);
    if (!epoch) return make_problem(errc::io, "the store answered no epoch: " + std::string(answer.view()));
    return epoch;
}

}  // namespace

struct journal::impl {
    std::shared_ptr<outlet_state> state;  // null without a store
    std::shared_ptr<group_commit> commits;
    plugin_host& host;
    std::atomic<bool> closed{false};
};

journal::journal(plugin_host& host, std::shared_ptr<instance> store, metrics& metrics)
    : impl_(new impl{nullptr, nullptr, host}) {
    if (!store) return;
    const auto* table = store->table<sigrun_store>(SIGRUN_KIND_STORE);
    if (!table) throw std::invalid_argument("instance '" + store->name() + "' is no store");
    impl_->state.reset(new outlet_state{host, std::move(store), table, meters(metrics)});
    group_commit::outlet way;
    way.write = [state = impl_->state](const group_commit::batch& batch, bool fsync,
                                       group_commit::stored_callback stored) {
        write_batch(state, batch, fsync, std::move(stored));
    };
    way.later = [&host](nanoseconds delay, std::function<void()> task) {
        auto timer = std::make_shared<asio::steady_timer>(host.io(), delay);
        timer->async_wait([timer, task = std::move(task)](const boost::system::error_code& ec) {
            if (!ec) task();
        });
    };
    way.post = [&host](std::function<void()> task) { asio::post(host.control(), std::move(task)); };
    impl_->commits = std::make_shared<group_commit>(std::move(way));
}

journal::~journal() { close(); }

result<std::uint64_t> journal::open(const std::function<void(record_kind, std::string_view, std::string_view)>& each) {
    if (!impl_->state) return std::uint64_t{0};
    auto& state = *impl_->state;
    SIGRUN_TRY(epoch, take_shard(state));
    state.epoch = epoch;
    std::uint64_t position = 0;
    std::size_t count = 0;
    do {
        SIGRUN_TRY(answer, ask(state, [&](sigrun_op op) {
                       return state.table->scan(state.store->abi(), k_shard, position, k_page, op);
                   }));
        SIGRUN_TRY(page, unpack_records(answer.view()));
        for (const auto& r : page.records) each(static_cast<record_kind>(r.kind), r.key, r.body);
        count += page.records.size();
        position = page.next;
    } while (position);
    SIGRUN_LOG(k_log, info, "store '", state.store->name(), "': epoch ", epoch, ", ", count, " records read");
    return epoch;
}

void journal::append(std::vector<journal_record> records, bool fsync, std::function<void(result<void>)> stored) {
    if (impl_->commits) {
        impl_->commits->append(std::move(records), fsync, std::move(stored));
    } else if (stored) {
        asio::post(impl_->host.control(), [stored = std::move(stored)] { stored({}); });
    }
}

std::string journal::failed() const { return impl_->commits ? impl_->commits->failed() : std::string(); }

void journal::flush() {
    if (impl_->commits) impl_->commits->flush();
}

void journal::close() {
    if (!impl_->commits || impl_->closed.exchange(true)) return;
    impl_->commits->close();
    impl_->commits->flush();
    auto& state = *impl_->state;
    if (state.epoch && impl_->commits->failed().empty()) {
        const auto fence = state.fence();
        auto released = ask(state, [&](sigrun_op op) {
            return state.table->own(state.store->abi(), SIGRUN_OWN_RELEASE, &fence, 0, op);
        });
        if (!released) SIGRUN_LOG(k_log, warning, "giving the shard back failed: ", released.error().text());
    }
    state.store.reset();  // nothing is written any more, and the plugin host waits for the last holder
}

}  // namespace sigrun
