#include "kernel/store/journal.hpp"

#include "kernel/log/loggers.hpp"
#include "kernel/plugin/work_pool.hpp"
#include "kernel/store/group_commit.hpp"
#include "kernel/store/packed_records.hpp"
#include "kernel/store/store_outlet.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>

namespace sigrun {
namespace {

namespace asio = boost::asio;
constexpr std::uint32_t k_page = 5'000;
constexpr std::chrono::milliseconds k_batch_end{50};
constexpr std::chrono::minutes k_tidy{1};
constexpr std::chrono::seconds k_takeover{2};  // while nothing is written, and the control thread waits

// Holds the outlet alone: the journal may go meanwhile.
void tidy_later(const std::shared_ptr<asio::steady_timer>& timer, const std::shared_ptr<store_outlet>& outlet) {
    timer->expires_after(k_tidy);
    timer->async_wait([timer, outlet](const boost::system::error_code& ec) {
        if (ec) return;
        outlet->compact();
        tidy_later(timer, outlet);
    });
}

}  // namespace

struct journal::impl {
    std::shared_ptr<store_outlet> outlet;  // null without a store
    std::shared_ptr<group_commit> commits;
    plugin_host& host;
    std::atomic<bool> closed{false};
    std::shared_ptr<asio::steady_timer> tidying{};  // used by the control thread alone
    std::shared_ptr<std::function<void(const std::string&)>> fenced =
        std::make_shared<std::function<void(const std::string&)>>();
    asio::thread_pool teller{1};  // last: it ends first, when everybody was told
};

journal::journal(plugin_host& host, std::shared_ptr<instance> store, metrics& metrics)
    : impl_(new impl{nullptr, nullptr, host}) {
    if (!store) return;
    impl_->outlet = std::make_shared<store_outlet>(host, std::move(store), metrics);
    group_commit::outlet way;
    way.write = [to = impl_->outlet](const group_commit::batch& batch, bool fsync,
                                     group_commit::stored_callback stored) {
        to->write(batch, fsync, std::move(stored));
    };
    way.later = [&host](nanoseconds delay, std::function<void()> task) {
        auto timer = std::make_shared<asio::steady_timer>(host.io(), delay);
        timer->async_wait([timer, task = std::move(task)](const boost::system::error_code& ec) {
            if (!ec) task();
        });
    };
    way.post = [&host](std::function<void()> task) { asio::post(host.control(), std::move(task)); };
    asio::post(impl_->teller, [] { name_thread("sigrun-journal"); });
    way.tell = [&to = impl_->teller](std::function<void()> task) { asio::post(to, std::move(task)); };
    way.fenced = [tell = impl_->fenced](const std::string& why) {
        if (*tell) (*tell)(why);
    };
    impl_->commits = std::make_shared<group_commit>(std::move(way));
}

journal::~journal() { close(); }

void journal::on_fenced(std::function<void(const std::string&)> tell) { *impl_->fenced = std::move(tell); }

result<std::uint64_t> journal::open(const std::function<void(record_kind, std::string_view, std::string_view)>& each) {
    if (!impl_->outlet) return std::uint64_t{0};
    auto& store = *impl_->outlet;
    SIGRUN_TRY(epoch, store.take());
    std::uint64_t position = 0;
    std::size_t count = 0;
    do {
        SIGRUN_TRY(answer, store.scan(position, k_page));
        SIGRUN_TRY(page, unpack_records(answer.view()));
        for (const auto& r : page.records) each(static_cast<record_kind>(r.kind), r.key, r.body);
        count += page.records.size();
        position = page.next;
    } while (position);
    impl_->tidying = std::make_shared<asio::steady_timer>(impl_->host.control());
    asio::post(impl_->host.control(), [timer = impl_->tidying, outlet = impl_->outlet] { tidy_later(timer, outlet); });
    SIGRUN_LOG(logs::store, info, "store '", store.name(), "': epoch ", epoch, ", ", count, " records read");
    return epoch;
}

void journal::append(std::vector<journal_record> records, bool fsync, std::function<void(result<void>)> stored) {
    if (impl_->commits) {
        impl_->commits->append(std::move(records), fsync, std::move(stored));
    } else if (stored) {
        asio::post(impl_->host.control(), [stored = std::move(stored)] { stored({}); });
    }
}

result<void> journal::can_replace(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now) {
    if (!impl_->outlet || !impl_->outlet->uses(old)) return {};
    // Two writers of one store wait for each other by looking again and again; with the present one at rest, the standby
    // gets its turn at once. The patience is short, because a batch may also end by way of this thread.
    const auto began = std::chrono::steady_clock::now();
    impl_->commits->hold(k_batch_end);
    auto confirmed = impl_->outlet->confirm(now, k_takeover);
    impl_->commits->resume();
    const auto paused = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began);
    SIGRUN_LOG(logs::store, info, "nothing was written for ", paused.count(), " ms while another version was asked");
    if (confirmed) return {};
    auto why = confirmed.error();
    why.message = "the new store cannot go on where the old one is: " + why.message;
    return why;
}

bool journal::replace(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now) {
    if (impl_->outlet) impl_->outlet->exchange(old, now);
    return true;
}

void journal::compact() {
    if (impl_->outlet) impl_->outlet->compact();
}

void journal::copy(const std::string& target, std::function<void(result<buffer_ref>)> done) {
    if (!impl_->outlet) return done(make_problem(errc::unsupported, "there is no store"));
    impl_->outlet->copy(target, std::move(done));
}

std::pair<std::uint64_t, std::uint64_t> journal::copy_progress() const {
    if (!impl_->outlet) return {0, 0};
    return impl_->outlet->copy_progress();
}

std::string journal::failed() const { return impl_->commits ? impl_->commits->failed() : std::string(); }

void journal::flush() {
    if (impl_->commits) impl_->commits->flush();
}

void journal::close() {
    if (!impl_->commits || impl_->closed.exchange(true)) return;
    if (impl_->tidying) asio::post(impl_->host.control(), [timer = impl_->tidying] { timer->cancel(); });
    impl_->commits->close();
    impl_->commits->flush();
    if (impl_->commits->failed().empty()) impl_->outlet->release();
    impl_->outlet->close();  // nothing is written any more, and the plugin host waits for the last holder
}

}  // namespace sigrun
