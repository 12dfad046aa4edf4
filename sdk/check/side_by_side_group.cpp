// Two versions in one process: each answers with its own code and its own version, whichever goes first.
#include "second_version.hpp"

namespace sigrun::check {
namespace {

using sdk::concat;

constexpr std::string_view k_two_version_rules[] = {"side-by-side/own-version", "side-by-side/own-code",
                                                    "side-by-side/any-order"};

// Every table an instance hands out lies in the library that made it.
bool own_code(rig& r, const char* which) {
    auto complain = [&](std::string_view what) {
        r.report().fail("side-by-side/own-code", concat(what, " lies in the ", which, "'s own file"),
                        "an address in another file");
        return false;
    };
    const auto& entry = r.entry();
    if (!r.code().contains(&entry)) return complain("the descriptor");
    if (!r.code().contains(reinterpret_cast<const void*>(entry.create))) return complain("create");
    for (const auto& component : r.about().components) {
        if (!r.bind(component)) continue;
        r.report().begin("side-by-side/any-order");
        auto* instance = r.running(component);
        if (!instance) return false;
        r.report().begin("side-by-side/own-code");
        if (!r.code().contains(reinterpret_cast<const void*>(instance->get_interface)))
            return complain("get_interface");
        const void* table = r.interface(instance, component.kind);
        // A table may live on the heap; one that lies in a library lies in this one.
        if (table && !r.code().contains(table) && library::lies_in_a_library(table))
            return complain("the table of " + component.kind);
        if (const auto problem = exercise(r, instance, component); !problem.empty()) {
            r.report().fail("side-by-side/any-order", concat("the ", which, " works"), problem);
            return false;
        }
    }
    return true;
}

bool as_expected(rig& r, const std::string& version) {
    const auto found = std::string(sdk::view(r.entry().version));
    if (found == version) return true;
    r.report().fail("side-by-side/own-version", concat("version ", version), concat("version ", found));
    return false;
}

void two_versions(session& s) {
    auto skip_all = [&](const std::string& why) {
        for (auto id : k_two_version_rules) s.report.skip(id, why);
    };
    if (s.file.note.flags & SIGRUN_PLUGIN_NO_SIDE_BY_SIDE)
        return skip_all("it is marked SIGRUN_PLUGIN_NO_SIDE_BY_SIDE");
    for (bool older_first : {true, false}) {
        s.report.begin("side-by-side/own-version");
        rig first(s);
        if (!first) return;
        const auto other = with_other_version(s.file, first.code(), 7);
        if (other.bytes.empty()) return skip_all(other.why);
        const subject newer = as_version(s.file, other);
        session with_newer{s.args, newer, s.report, s.scratch};
        auto second = std::make_unique<rig>(with_newer);
        // Its descriptor is read against a note with the new version: an old one shows here.
        if (!*second || !as_expected(*second, other.version) || !as_expected(first, s.file.note.version)) return;
        s.report.begin("side-by-side/own-code");
        if (!own_code(first, "first version") || !own_code(*second, "second version")) return;
        s.report.begin("side-by-side/any-order");
        if (older_first) {
            first.finish();
            first.close();
            if (!as_expected(*second, other.version) || !own_code(*second, "second version")) return;
            second->finish();
        } else {
            second->finish();
            second->close();
            second.reset();
            if (!as_expected(first, s.file.note.version) || !own_code(first, "first version")) return;
        }
    }
    for (auto id : k_two_version_rules) s.report.pass_unless_told(id);
}

}  // namespace

std::vector<test> side_by_side_tests() {
    return {{"two-versions", {std::begin(k_two_version_rules), std::end(k_two_version_rules)}, &two_versions}};
}

}  // namespace sigrun::check
