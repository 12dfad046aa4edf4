// Many runners in one process: real sessions over a real protocol plugin, each with its own connection, identity and beats. They
// take no jobs. One that loses its connection comes back as an agent does.
#include "kernel/app/sigrun/loaded_plugins.hpp"
#include "kernel/base/id.hpp"
#include "kernel/base/json.hpp"
#include "kernel/link/link.hpp"

#include <sigrun/cpp/text.hpp>

#include <CLI/CLI.hpp>

#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>

namespace {

using namespace sigrun;
using std::chrono::steady_clock;

struct choice {
    std::string url = "valkyrie://127.0.0.1:7070", plugin_dir = "build/release/plugins", prefix = "fleet-";
    unsigned first = 0, count = 1000, connecting = 64;
    double beat = 3;
};

class fleet_load : public link_handler, public std::enable_shared_from_this<fleet_load> {
public:
    fleet_load(plugin_host& host, std::shared_ptr<instance> protocol, choice what)
        : host_(host), protocol_(std::move(protocol)), what_(std::move(what)), runners_(what_.count) {
        for (unsigned i = 0; i < what_.count; ++i) {
            runners_[i].name = what_.prefix + std::to_string(what_.first + i);
            runners_[i].key = random_secret(16);
            runners_[i].session = id::make().text();
        }
    }

    /// Connects whoever is due, a few at a time, and sends the beats that are due. Returns how many are connected.
    unsigned turn() {
        const auto now = steady_clock::now();
        unsigned connected = 0;
        std::vector<link_ptr> beats;
        std::vector<unsigned> due;
        {
            std::lock_guard lock(mutex_);
            for (unsigned i = 0; i < runners_.size(); ++i) {
                auto& r = runners_[i];
                if (r.registered) {
                    ++connected;
                    if (now < r.next) continue;
                    r.next = now + period();
                    beats.push_back(r.via);
                } else if (!r.trying && now >= r.next && connecting_ < what_.connecting) {
                    r.trying = true;
                    ++connecting_;
                    due.push_back(i);
                }
            }
        }
        for (const auto& via : beats) beat(via);
        for (auto i : due) connect(i);
        return connected;
    }
    void close() {
        std::vector<link_ptr> all;
        {
            std::lock_guard lock(mutex_);
            closing_ = true;
            for (auto& r : runners_)
                if (r.via) all.push_back(r.via);
        }
        for (const auto& via : all) via->close();
    }
    std::string last_problem() const {
        std::lock_guard lock(mutex_);
        return problem_;
    }

    sigrun_result on_frame(const link_ptr&, const sigrun_frame&) override { return SIGRUN_OK; }
    void on_lost(const link_ptr& which, const std::string& reason) override {
        std::lock_guard lock(mutex_);
        for (auto& r : runners_)
            if (r.via == which) failed(r, reason);
    }

private:
    struct runner {
        std::string name, key, session;
        std::uint64_t generation = 0;
        link_ptr via;
        bool trying = false, registered = false;
        steady_clock::time_point next{};  // of its next beat or try
    };

    nanoseconds period() const { return nanoseconds(static_cast<std::int64_t>(what_.beat * 1e9)); }

    void failed(runner& r, const std::string& why) {
        if (std::exchange(r.trying, false)) --connecting_;
        r.registered = false;
        r.via.reset();
        r.next = steady_clock::now() + nanoseconds(random_u64() % 1'000'000'000ull);
        problem_ = why;
    }

    void connect(unsigned i) {
        dial(host_, protocol_, {what_.url, "", ""}, weak_from_this(),
             [self = shared_from_this(), i](result<link_ptr> r) {
                 if (r) return self->greet(i, *r);
                 std::lock_guard lock(self->mutex_);
                 self->failed(self->runners_[i], r.error().text());
             });
    }
    void greet(unsigned i, const link_ptr& via) {
        std::string hello;
        {
            std::lock_guard lock(mutex_);
            auto& r = runners_[i];
            r.via = via;
            json::object o{
                {"name", r.name},          {"key", r.key}, {"session", r.session},   {"generation", ++r.generation},
                {"process", "fleet_load"}, {"slots", 2},   {"kinds", json::array{}}, {"inventory", json::array{}},
                {"facts", json::array{}}};
            hello = json::serialize(o);
        }
        via->call_once("runners.register", "", hello, [self = shared_from_this(), i, via](result<std::string> welcome) {
            bool over = false;
            {
                std::lock_guard lock(self->mutex_);
                auto& r = self->runners_[i];
                if (r.via != via) return;
                if (welcome && !self->closing_) {
                    r.trying = false;
                    --self->connecting_;
                    r.registered = true;
                    // Spread, so that beats do not come in waves.
                    r.next = steady_clock::now() +
                             nanoseconds(random_u64() % static_cast<std::uint64_t>(self->period().count()));
                    return;
                }
                self->failed(r, welcome ? "closing" : welcome.error().text());
                over = true;
            }
            if (over) via->close();
        });
    }
    static void beat(const link_ptr& via) {
        static constexpr std::string_view text = R"({"free":2,"live":0})";
        sigrun_frame frame{};
        frame.struct_size = sizeof frame;
        frame.kind = SIGRUN_BEAT;
        frame.json = sdk::str(text);
        via->send(frame);
    }

    plugin_host& host_;
    const std::shared_ptr<instance> protocol_;
    const choice what_;
    mutable std::mutex mutex_;
    std::vector<runner> runners_;
    unsigned connecting_ = 0;
    bool closing_ = false;
    std::string problem_;
};

volatile std::sig_atomic_t ended = 0;

void run(const choice& what) {
    cli::loaded_plugins plugins(what.plugin_dir, {SIGRUN_KIND_PROTOCOL}, cli::no_settings());
    plugins.load();
    plugins.start();
    auto protocol = protocol_for_uri(plugins.host(), what.url);
    if (!protocol) throw std::runtime_error(protocol.error().text());
    auto load = std::make_shared<fleet_load>(plugins.host(), *protocol, what);
    const auto began = steady_clock::now();
    bool complete = false;
    unsigned told = 0;
    while (!ended) {
        const unsigned connected = load->turn();
        if (!complete && connected == what.count) {
            complete = true;
            std::printf("connected %u in %.2f s\n", connected,
                        std::chrono::duration<double>(steady_clock::now() - began).count());
        } else if (connected != told && complete) {
            std::printf("now %u connected (%s)\n", connected, load->last_problem().c_str());
        }
        if (complete) told = connected;
        std::fflush(stdout);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    load->close();
}

}  // namespace

int main(int argc, char** argv) {
    choice what;
    CLI::App app{"Many runners with real sessions, for bench/fleet/fleet.py"};
    app.add_option("--url", what.url, "The daemon")->capture_default_str();
    app.add_option("--plugin-dir", what.plugin_dir)->capture_default_str();
    app.add_option("--prefix", what.prefix, "Of the runners' names")->capture_default_str();
    app.add_option("--first", what.first, "Number of the first runner")->capture_default_str();
    app.add_option("--count", what.count)->check(CLI::Range(1, 100000))->capture_default_str();
    app.add_option("--connecting", what.connecting, "Connections that are being made at a time")->capture_default_str();
    app.add_option("--beat", what.beat, "Seconds between beats")->check(CLI::Range(0.1, 60.0))->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    std::signal(SIGTERM, [](int) { ended = 1; });
    std::signal(SIGINT, [](int) { ended = 1; });
    try {
        run(what);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "fleet_load: %s\n", e.what());
        return 1;
    }
    return 0;
}
