// What is different in the process after the plugin was there: this group's verdict earns a plugin its dlclose.
#include "interposed.hpp"
#include "rig.hpp"

namespace sigrun::check {
namespace {

using sdk::concat;

bool live(rig& r) {
    for (const auto& component : r.about().components) {
        if (!r.bind(component)) continue;
        auto* instance = r.running(component);
        if (!instance) return false;
        exercise(r, instance, component);
        r.interface(instance, component.kind);  // the main thread was in there, too
        if (const auto op = r.drain(instance, in_ms(500))) r.host().wait(op);
        r.destroy(instance);
    }
    r.finish();
    return true;
}

void same(reporter& report, std::string_view rule_id, std::string_view what, const std::string& before,
          const std::string& after) {
    if (before == after)
        report.pass_unless_told(rule_id);
    else
        report.fail(rule_id, concat(what, " as it was: ", before), after);
}

void compare(reporter& report, const process_settings& before, const process_settings& after) {
    auto none = [&](std::string_view rule_id, std::string_view what, const std::string& differs) {
        if (differs.empty())
            report.pass_unless_told(rule_id);
        else
            report.fail(rule_id, concat(what, " as they were"), differs);
    };
    none("unload-clean/signals", "signal handlers", difference(before.signals, after.signals));
    none("unload-clean/environment", "environment variables", difference(before.environment, after.environment));
    same(report, "unload-clean/locale", "the locale", before.locale, after.locale);
    same(report, "unload-clean/umask", "the umask", before.umask, after.umask);
    same(report, "unload-clean/folder", "the working directory", before.folder, after.folder);
    same(report, "unload-clean/terminate", "std::terminate's handler", before.terminate, after.terminate);
    same(report, "unload-clean/float-mode", "rounding and denormals", before.float_mode, after.float_mode);
}

void difference_of_the_process(session& s) {
    s.report.begin("unload-clean/unmapped");
    const auto before = read_settings();
    bool unmapped = false, asked = false;
    {
        rig r(s);
        if (!r) return;
        watch_exit_handlers();
        // Static constructors count as well.
        compare(s.report, before, read_settings());
        if (!live(r)) return;
        s.report.step("dlclose");
        if (!(s.file.note.flags & SIGRUN_PLUGIN_PIN)) {
            asked = true;
            unmapped = r.close();
        }
        compare(s.report, before, read_settings());
        if (const auto seen = exit_handlers_seen(); !seen.empty())
            s.report.fail("unload-clean/atexit", "no function registered for the process's end", seen);
        else
            s.report.pass("unload-clean/atexit");
    }
    if (!asked)
        s.report.skip("unload-clean/unmapped", "it is marked SIGRUN_PLUGIN_PIN");
    else if (unmapped)
        s.report.pass("unload-clean/unmapped");
    else
        s.report.fail("unload-clean/unmapped", "nothing of the file mapped after dlclose",
                      s.file.note.unique_symbols
                          ? "still mapped: it has GNU_UNIQUE symbols"
                          : "still mapped: a thread_local destructor is pending, or it is -z nodelete");
}

void memory(session& s) {
    constexpr unsigned k_turns = 60;
    constexpr std::size_t k_allowed = 24 * 1024;  // per load; the allocator's own noise is a few KiB
    s.report.begin("unload-clean/memory");
    if (s.file.note.flags & SIGRUN_PLUGIN_PIN)
        return s.report.skip("unload-clean/memory", "it is marked SIGRUN_PLUGIN_PIN");
    if (k_sanitized) return s.report.skip("unload-clean/memory", "a sanitizer keeps what was freed");
    std::size_t at[k_turns + 1] = {};
    for (unsigned turn = 1; turn <= k_turns; ++turn) {
        {
            rig r(s);
            if (!r || !live(r)) return;
            if (!r.close() && turn == 1)
                return s.report.skip("unload-clean/memory", "it stays mapped, see unload-clean/unmapped");
        }
        at[turn] = private_memory();
    }
    // Two stretches must both grow: one that grows alone is a cache that fills.
    auto slope = [&](unsigned from, unsigned to) {
        return at[to] > at[from] ? (at[to] - at[from]) / (to - from) : std::size_t{0};
    };
    const auto first = slope(20, 40), second = slope(40, 60);
    if (first > k_allowed && second > k_allowed)
        s.report.fail("unload-clean/memory", "private memory that does not grow with each load",
                      concat(std::min(first, second), " bytes more per load"));
    else
        s.report.pass("unload-clean/memory", concat(std::min(first, second), " bytes per load"));
}

}  // namespace

std::vector<test> unload_tests() {
    return {{"difference",
             {"unload-clean/unmapped", "unload-clean/signals", "unload-clean/environment", "unload-clean/locale",
              "unload-clean/umask", "unload-clean/folder", "unload-clean/terminate", "unload-clean/float-mode",
              "unload-clean/atexit"},
             &difference_of_the_process},
            {"memory", {"unload-clean/memory"}, &memory, {}, 3}};
}

}  // namespace sigrun::check
