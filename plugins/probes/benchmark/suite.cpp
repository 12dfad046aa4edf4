#include "suite.hpp"

#include "baseline.hpp"
#include "crypto.hpp"
#include "disk.hpp"
#include "noise.hpp"
#include "result_sheet.hpp"
#include "scratch_file.hpp"
#include "spawn.hpp"
#include "work.hpp"
#include "working_memory.hpp"

namespace sigrun::benchmark {
namespace {

constexpr double k_bits = 8;  // per byte: _bps are bits per second, whatever moves
constexpr milliseconds k_cpu_round{15}, k_all_round{25};

class suite {
public:
    suite(const sdk::sysroot& root, const std::string& work_path, const limits& within, sdk::probe_run& run)
        : root_(root), work_path_(work_path), within_(within), run_(run), sheet_(run) {}

    void measure() {
        run_.facts().ok("perf.suite", k_suite, plain("sigrun.benchmark", "derived"));
        run_.facts().ok("perf.budget_ms", static_cast<std::uint64_t>(k_budget.count()),
                        plain("sigrun.benchmark", "derived"));
        const auto before = parse_processor_time(root_.read("/proc/stat").text);
        noise(before);
        one_processor();
        crypto();
        const auto allowed = numbers_in(own_mask());
        const auto quota = sdk::cgroup_view(root_).cpu_quota();
        const auto processors = chosen_processors(allowed, quota.value);
        if (run_.go_on()) {
            // The team ends before the disk is measured: its memory may be what the machine has.
            team everybody(processors);
            all_processors(everybody);
            memory(everybody, processors);
        }
        disk();
        sync();
        spawn();
        steal(before);
    }

private:
    using about = result_sheet::about;
    static sdk::fact_info plain(std::string_view source, std::string_view method = "measured") {
        return {.source = source, .method = method, .volatility = "slow", .ttl_s = 24 * 3600};
    }
    time_box box(milliseconds limit) {
        return time_box(limit, [this] { return run_.go_on(); });
    }

    void noise(const std::optional<processor_time>& before) {
        auto gauge = box(within_.gauge);
        const pinned_here here;
        const auto share = measure_noise(gauge);
        sheet_.set_noise(share);
        if (share)
            run_.facts().ok("perf.noise_ratio", *share, plain("clock_gettime"));
        else
            sheet_.cut_off("perf.noise_ratio", "clock_gettime", within_.gauge);
        steal(before);  // so far; no figure is sent without
    }
    void steal(const std::optional<processor_time>& before) {
        const auto stat = root_.read("/proc/stat");
        const auto now = parse_processor_time(stat.text);
        if (const auto share = stolen_share(before, now))
            run_.facts().ok("perf.steal_ratio", *share, plain("/proc/stat"));
        else if (!stat)
            run_.facts().missing("perf.steal_ratio", stat, plain("/proc/stat"), "");
        else
            sheet_.none("perf.steal_ratio", now ? "absent" : "error", "/proc/stat",
                        now ? "no tick of the clock passed" : "not understood");
    }
    void one_processor() {
        const pinned_here here;
        integer_work integer;
        auto time = box(within_.integer);
        auto rounds = rates(time, k_cpu_round, processor_seconds, [&] { return integer(), true; });
        keep(integer.checksum());
        if (!run_.go_on()) return;
        sheet_.median("perf.single_int", rounds, 1 / k_baseline_integer, within_.integer, {"integer work"}, false);
        float_work floating;
        auto more = box(within_.floating);
        rounds = rates(more, k_cpu_round, processor_seconds, [&] { return floating(), true; });
        keep(static_cast<std::uint64_t>(floating.energy() * 1e6));
        if (!run_.go_on()) return;
        sheet_.median("perf.single_fp", rounds, 1 / k_baseline_float, within_.floating, {"floating point work"}, false);
    }
    void crypto() {
        const pinned_here here;
        const auto report = [&](std::string_view key, milliseconds limit, auto measure_it) {
            auto time = box(limit);
            const auto result = measure_it(time);
            if (!run_.go_on()) return;
            if (result.failure) return sheet_.none(key, "unsupported", "OpenSSL", result.failure);
            sheet_.median(key, result.bytes_per_second, k_bits, limit, {"OpenSSL, 16 KiB"});
        };
        report("perf.aes_bps", within_.aes, measure_aes);
        report("perf.sha256_bps", within_.sha, measure_sha256);
    }
    void all_processors(team& everybody) {
        constexpr std::string_view k_source = "integer work";
        if (!everybody.complete())
            return sheet_.none("perf.all_int", "error", k_source,
                               "no thread for each processor: " + error_text(everybody.error()));
        auto time = box(within_.all);
        std::vector<integer_work> work(everybody.size());
        std::vector<double> rounds;
        while (rounds.size() < k_rounds && time.open()) {
            auto round = time.part(k_all_round);
            std::atomic<std::uint64_t> done{0};
            const auto begin = steady::now();
            everybody.run(round, [&](std::size_t me, const std::atomic<bool>& stop) {
                std::uint64_t mine = 0;
                for (; !stop.load(std::memory_order_relaxed); ++mine) work[me]();
                done += mine;
            });
            if (!time.open()) break;
            rounds.push_back(static_cast<double>(done) / seconds_since(begin));
        }
        for (const auto& each : work) keep(each.checksum());
        if (!run_.go_on()) return;
        sheet_.median("perf.all_int", rounds, 1 / k_baseline_integer, within_.all,
                      {.source = k_source, .detail = sdk::concat(everybody.size(), " threads")}, false);
    }
    void memory(team& everybody, const std::vector<unsigned>& processors) {
        constexpr std::string_view k_keys[] = {"perf.mem_copy_bps", "perf.mem_triad_bps", "perf.mem_latency_ns"};
        const auto cache = last_level_cache(root_, processors);
        const auto plan = plan_arrays(cache, memory_of(root_), address_space_left(root_));
        const auto nothing = [&](std::string_view why) {
            for (const auto key : k_keys) sheet_.none(key, "error", "arrays in memory", why);
        };
        if (!everybody.complete()) return nothing("no thread for each processor: " + error_text(everybody.error()));
        if (plan.bytes == 0) return nothing("not enough free memory");
        const working_memory arrays(plan.bytes, everybody.size());
        if (!arrays) return nothing("not enough memory to map");

        auto time = box(within_.bandwidth);
        const auto found = measure_bandwidth(time, everybody, arrays);
        if (!run_.go_on()) return;
        const auto describe = [&](std::uint64_t bytes, std::uint64_t wanted) {
            const bool enough = plan.cache_known && bytes >= wanted;
            about what{"arrays in memory", enough ? "measured" : "derived",
                       sdk::concat(bytes / 1024 / 1024, " MiB, ", everybody.size(), " threads")};
            if (!plan.cache_known)
                what.detail += "; the cache is of unknown size";
            else if (!enough)
                what.detail += "; less than 4 x cache";
            return what;
        };
        // A piece of each array ends with a page: that little less is no other size.
        const auto one = arrays.bytes_of_one() + everybody.size() * 4096;
        sheet_.median(k_keys[0], found.copy, k_bits, within_.bandwidth, describe(one, plan.wanted));
        sheet_.median(k_keys[1], found.triad, k_bits, within_.bandwidth, describe(one, plan.wanted));

        auto more = box(within_.latency);
        const auto bytes = latency_bytes(cache, arrays);
        const auto hops = measure_latency(more, everybody, arrays, bytes);
        if (!run_.go_on()) return;
        auto what = describe(bytes, cache ? 4 * cache->one : 0);
        what.source = "a chain of loads";
        sheet_.median(k_keys[2], hops, 1, within_.latency, what, false);
    }
    bool failed(std::initializer_list<std::string_view> keys, const std::string& folder, int error,
                const std::string& what) {
        if (error == 0) return false;
        const auto status = sdk::fact_writer::word(sdk::status_of_errno(error));
        for (const auto key : keys) sheet_.none(key, status, folder, what + ": " + error_text(error));
        return true;
    }
    void disk() {
        if (!run_.go_on()) return;
        const auto folder = existing_folder(work_path_);
        auto time = box(within_.disk);
        const auto found = measure_disk(time, folder);
        if (!run_.go_on()) return;
        const std::initializer_list<std::string_view> keys{"perf.disk_seq_write_bps", "perf.disk_seq_read_bps",
                                                           "perf.disk_rand_iops"};
        if (failed(keys, folder, found.error, found.what)) return;
        about what{folder, found.direct ? "measured" : "derived", found.direct ? "O_DIRECT" : "through the page cache"};
        sheet_.median("perf.disk_seq_write_bps", found.write, k_bits, within_.disk, what);
        sheet_.median("perf.disk_seq_read_bps", found.read, k_bits, within_.disk, what);
        what.detail += ", 4 KiB, 16 readers";
        sheet_.median("perf.disk_rand_iops", found.random, 1, within_.disk, what);
    }
    void sync() {
        if (!run_.go_on()) return;
        const auto folder = existing_folder(work_path_);
        auto time = box(within_.sync);
        const auto found = measure_sync(time, folder);
        if (!run_.go_on()) return;
        if (!found.honest) {
            for (const auto key : {"perf.fsync_p50_us", "perf.fsync_p95_us"})
                sheet_.none(key, "unsupported", folder, "btrfs does not sync a file without a name");
            return;
        }
        if (failed({"perf.fsync_p50_us", "perf.fsync_p95_us"}, folder, found.error, found.what)) return;
        const auto report = [&](std::string_view key, double share, std::size_t least) {
            const auto times = found.microseconds.size();
            if (times < least) return sheet_.cut_off(key, folder, within_.sync);
            // How much single writes differ is what the two figures say, not a doubt in them.
            sheet_.value(key, static_cast<std::uint64_t>(std::llround(percentile(found.microseconds, share))), 0,
                         {folder, "measured", sdk::concat("of ", times, " x 4 KiB and fdatasync")});
        };
        report("perf.fsync_p50_us", 0.5, 5);
        report("perf.fsync_p95_us", 0.95, 20);
    }
    void spawn() {
        if (!run_.go_on()) return;
        auto time = box(within_.spawn);
        const auto found = measure_spawn(time);
        if (!run_.go_on()) return;
        if (found.program.empty())
            return sheet_.none("perf.spawn_us", "absent", "/bin/true", "there is no such program");
        if (failed({"perf.spawn_us"}, found.program, found.error, "starting it")) return;
        if (found.microseconds.size() < k_rounds) return sheet_.cut_off("perf.spawn_us", found.program, within_.spawn);
        sheet_.value("perf.spawn_us", static_cast<std::uint64_t>(std::llround(percentile(found.microseconds, 0.5))), 0,
                     {found.program, "measured", sdk::concat("median of ", found.microseconds.size())});
    }
    /// What was computed is used, so that no compiler leaves it out.
    static void keep(std::uint64_t value) { asm volatile("" : : "r"(value) : "memory"); }

    const sdk::sysroot& root_;
    const std::string& work_path_;
    const limits within_;
    sdk::probe_run& run_;
    result_sheet sheet_;
};

}  // namespace

void measure(const sdk::sysroot& root, const std::string& work_path, const limits& within, sdk::probe_run& run) {
    suite(root, work_path, within, run).measure();
}

}  // namespace sigrun::benchmark
