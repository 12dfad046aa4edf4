// Stores: what was appended comes back, also after a crash, and a former owner can write no more.
#include "rig.hpp"

#include <sigrun/store.h>

#include <boost/json.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

namespace sigrun::check {
namespace {

using sdk::concat;

constexpr std::string_view k_store = "sigrun.store/1";

struct record_text {
    std::uint32_t kind;
    std::string key, body;
    std::uint32_t flags = 0;
};

// A store and its slots as calls that wait.
class keeping {
public:
    explicit keeping(rig& r) : r_(r) {
        const auto* component = r ? r.component_of(k_store) : nullptr;
        instance_ = component ? r.running(*component) : nullptr;
        table_ = instance_ ? r.table<sigrun_store>(instance_, *component) : nullptr;
    }
    explicit operator bool() const noexcept {
        return table_ && SIGRUN_HAS(table_, own) && SIGRUN_HAS(table_, append) && SIGRUN_HAS(table_, scan);
    }

    check_host::completion own(std::uint32_t verb, sigrun_fence& fence) {
        auto how = call("store.own", [&](sigrun_op op) { return table_->own(instance_, verb, &fence, 0, op); });
        boost::system::error_code ec;
        const auto text = boost::json::parse(how.text, ec);
        if (const auto* o = ec ? nullptr : text.if_object())
            if (const auto* epoch = o->if_contains("epoch"); epoch && epoch->is_number())
                fence.epoch = epoch->to_number<std::uint64_t>();
        return how;
    }
    check_host::completion append(const sigrun_fence& fence, const std::vector<record_text>& records) {
        std::vector<sigrun_record> raw;
        for (const auto& one : records)
            raw.push_back({sizeof(sigrun_record), one.kind, one.flags, 0, sdk::str(one.key), sdk::bytes(one.body)});
        return call("store.append", [&](sigrun_op op) {
            return table_->append(instance_, &fence, raw.data(), static_cast<std::uint32_t>(raw.size()), SIGRUN_FSYNC,
                                  op);
        });
    }
    // Everything of a shard, in batches of `max`; `fault` says what cannot be read.
    std::vector<record_text> scan(std::uint32_t shard, std::uint32_t max, std::string& fault) {
        std::vector<record_text> out;
        std::uint64_t position = 0;
        for (int batch = 0; batch < 1000; ++batch) {
            const auto how =
                call("store.scan", [&](sigrun_op op) { return table_->scan(instance_, shard, position, max, op); });
            if (!how.done || how.result < 0) {
                fault = how.done ? concat("scan: ", result_name(how.result), " ", how.text)
                                 : std::string("scan did not complete");
                return out;
            }
            std::uint64_t next = 0;
            if (!unpack(how.text, out, next)) {
                fault = "scan: records that are not packed as sigrun/store.h says";
                return out;
            }
            if (!next) return out;
            if (next <= position) {
                fault = "scan: a next position that does not grow";
                return out;
            }
            position = next;
        }
        fault = "scan: no end after 1000 batches";
        return out;
    }

private:
    check_host::completion call(std::string_view slot, const std::function<sigrun_result(sigrun_op)>& start) {
        const auto op = r_.host().mint(slot);
        sigrun_result result = SIGRUN_OK;
        r_.host().work(slot, [&] { result = start(op); });
        if (result >= 0) return r_.host().wait(op, 2 * r_.host().patience());
        r_.host().forget(op);
        return {true, result, {}};
    }
    static bool unpack(const std::string& packed, std::vector<record_text>& out, std::uint64_t& next) {
        std::size_t at = 0;
        auto take = [&](auto& value) {
            if (packed.size() - at < sizeof value) return false;
            std::memcpy(&value, packed.data() + at, sizeof value);
            at += sizeof value;
            return true;
        };
        std::uint32_t count = 0;
        if (!take(count) || !take(next)) return false;
        for (std::uint32_t i = 0; i < count; ++i) {
            std::uint32_t kind = 0, key = 0, body = 0;
            std::uint64_t position = 0;
            if (!take(kind) || !take(key) || !take(body) || !take(position)) return false;
            if (packed.size() - at < std::size_t{key} + body) return false;
            out.push_back({kind, packed.substr(at, key), packed.substr(at + key, body)});
            at += std::size_t{key} + body;
        }
        return at == packed.size();
    }

    rig& r_;
    sigrun_instance* instance_ = nullptr;
    const sigrun_store* table_ = nullptr;
};

std::string outcome_text(const check_host::completion& how) {
    return how.done ? concat(result_name(how.result), how.text.empty() ? "" : ": ", how.text.substr(0, 200))
                    : std::string("no completion in time");
}

const record_text* find(const std::vector<record_text>& records, std::string_view key) {
    for (const auto& one : records)
        if (one.key == key) return &one;
    return nullptr;
}

void records(session& s) {
    s.report.begin("kind/append-scan");
    rig r(s);
    keeping k(r);
    if (!k) return;
    sigrun_fence fence{sizeof fence, 3, 0};
    if (auto how = k.own(SIGRUN_OWN_TAKE, fence); !how.done || how.result < 0 || !fence.epoch)
        return s.report.fail("kind/append-scan", "own gives a shard with its epoch", outcome_text(how));
    std::vector<record_text> many;
    for (int i = 0; i < 50; ++i) many.push_back({1, concat("key-", i), concat("{\"n\":", i, "}")});
    if (auto how = k.append(fence, many); !how.done || how.result < 0)
        return s.report.fail("kind/append-scan", "append of 50 records works", outcome_text(how));
    k.append(fence, {{1, "key-7", "{\"n\":700}"},
                     {1, "key-8", "", SIGRUN_RECORD_DELETE},
                     {1, "no-such-key", "", SIGRUN_RECORD_DELETE}});
    for (std::uint32_t max : {7u, 1000u}) {
        std::string fault;
        const auto all = k.scan(3, max, fault);
        if (!fault.empty()) return s.report.fail("kind/append-scan", concat("a scan in batches of ", max), fault);
        const auto* replaced = find(all, "key-7");
        if (all.size() != 49 || !replaced || replaced->body != "{\"n\":700}" || find(all, "key-8"))
            return s.report.fail("kind/append-scan", "the newest body of each record, without the deleted one",
                                 concat(all.size(), " records, key-7 is ", replaced ? replaced->body : "missing",
                                        find(all, "key-8") ? ", key-8 is still there" : ""));
    }
    s.report.pass("kind/append-scan");

    s.report.begin("kind/insert-exists");
    const auto how = k.append(fence, {{1, "fresh", "{}"}, {1, "key-1", "{}", SIGRUN_RECORD_INSERT}});
    std::string fault;
    const bool stored = find(k.scan(3, 1000, fault), "fresh");
    if (!how.done || how.result != SIGRUN_E_EXISTS)
        s.report.fail("kind/insert-exists", "EXISTS when a record to insert is there", outcome_text(how));
    else if (stored)
        s.report.fail("kind/insert-exists", "nothing of a refused batch is stored", "its other record is");
    else
        s.report.pass("kind/insert-exists");

    s.report.begin("kind/fence");
    sigrun_fence newer{sizeof newer, 3, 0};
    k.own(SIGRUN_OWN_TAKE, newer);
    const auto fenced = k.append(fence, {{1, "late", "{}"}});
    if (newer.epoch <= fence.epoch)
        s.report.fail("kind/fence", concat("an epoch above ", fence.epoch, " for the next owner"), concat(newer.epoch));
    else if (!fenced.done || fenced.result != SIGRUN_E_FENCED)
        s.report.fail("kind/fence", "FENCED for the former owner", outcome_text(fenced));
    else if (auto ok = k.append(newer, {{1, "on time", "{}"}}); !ok.done || ok.result < 0)
        s.report.fail("kind/fence", "the new owner can write", outcome_text(ok));
    else
        s.report.pass("kind/fence");
}

// A process appends and dies at once; the next one must find what had been acknowledged.
void crash(session& s) {
    s.report.begin("kind/crash-replay");
    if (s.args.in_process) return s.report.skip("kind/crash-replay", "not with --in-process");
    const pid_t writer = ::fork();
    if (writer == 0) {
        rig r(s);
        keeping k(r);
        if (!k) ::_exit(1);
        sigrun_fence fence{sizeof fence, 5, 0};
        k.own(SIGRUN_OWN_TAKE, fence);
        for (int i = 0; i < 5; ++i) {
            const auto how =
                k.append(fence, {{1, concat("batch-", i, "-a"), "{}"}, {1, concat("batch-", i, "-b"), "{}"}});
            if (!how.done || how.result < 0) ::_exit(2);
        }
        ::kill(::getpid(), SIGKILL);
        ::_exit(3);
    }
    int status = 0;
    while (::waitpid(writer, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        return s.report.fail(
            "kind/crash-replay", "a writer that gets its appends acknowledged",
            WIFEXITED(status) ? concat("its step ", WEXITSTATUS(status), " failed") : std::string("a crash"));
    rig r(s);
    keeping k(r);
    if (!k) return;
    std::string fault;
    const auto all = k.scan(5, 100, fault);
    if (!fault.empty()) return s.report.fail("kind/crash-replay", "the store opens after a crash", fault);
    if (all.size() != 10)
        return s.report.fail("kind/crash-replay", "the 10 acknowledged records after a crash", concat(all.size()));
    s.report.pass("kind/crash-replay");
}

}  // namespace

std::vector<test> store_tests() {
    return {{"records", {"kind/append-scan", "kind/insert-exists", "kind/fence"}, &records, k_store},
            {"crash", {"kind/crash-replay"}, &crash, k_store}};
}

}  // namespace sigrun::check
