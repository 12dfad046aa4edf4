// From dlopen to the descriptor: static constructors, the entry function, and ids that are {pointer, length}.
#include "rig.hpp"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cstring>
#include <set>

namespace sigrun::check {
namespace {

using sdk::concat;

std::set<std::string> loaded_libraries() {
    std::set<std::string> out;
    ::dl_iterate_phdr(
        [](struct dl_phdr_info* info, std::size_t, void* ctx) {
            static_cast<std::set<std::string>*>(ctx)->insert(info->dlpi_name ? info->dlpi_name : "");
            return 0;
        },
        &out);
    return out;
}

// Libraries that came with the load though nobody names them as needed.
std::string uninvited(const std::set<std::string>& before, const std::string& plugin) {
    std::set<std::string> needed;
    std::vector<const struct link_map*> maps;
    void* self = ::dlopen(nullptr, RTLD_NOW);
    struct link_map* map = nullptr;
    if (!self || ::dlinfo(self, RTLD_DI_LINKMAP, &map) != 0) return {};
    for (; map; map = map->l_next) maps.push_back(map);
    for (const auto* m : maps) {
        const char* strings = nullptr;
        for (const auto* d = m->l_ld; d && d->d_tag != DT_NULL; ++d)
            if (d->d_tag == DT_STRTAB) strings = reinterpret_cast<const char*>(d->d_un.d_ptr);
        for (const auto* d = m->l_ld; strings && d && d->d_tag != DT_NULL; ++d)
            if (d->d_tag == DT_NEEDED) needed.insert(strings + d->d_un.d_val);
    }
    ::dlclose(self);
    std::string out;
    for (const auto& name : loaded_libraries()) {
        if (name.empty() || before.contains(name) || name == plugin) continue;
        const auto file = name.substr(name.rfind('/') + 1);
        bool invited = needed.contains(file) || needed.contains(name);
        // A file may be needed by another name: its soname.
        for (const auto* m : maps) {
            if (name != m->l_name) continue;
            const char* strings = nullptr;
            for (const auto* d = m->l_ld; d && d->d_tag != DT_NULL; ++d)
                if (d->d_tag == DT_STRTAB) strings = reinterpret_cast<const char*>(d->d_un.d_ptr);
            for (const auto* d = m->l_ld; strings && d && d->d_tag != DT_NULL; ++d)
                if (d->d_tag == DT_SONAME) invited = invited || needed.contains(strings + d->d_un.d_val);
        }
        if (!invited) out += concat(out.empty() ? "" : ", ", file);
    }
    return out;
}

void constructors(session& s) {
    auto& report = s.report;
    report.begin("entry/constructor");
    report.step("dlopen with its static constructors");
    const auto fds = open_descriptors();
    const auto threads = threads_of_this_process().size();
    const auto libraries = loaded_libraries();
    const pid_t me = ::getpid();
    const auto began = now_ns();
    library code(s.file.bytes, s.scratch);
    const auto took_ms = static_cast<double>(now_ns() - began) / 1e6;
    if (::getpid() != me) ::_exit(0);  // it forked, and this is the other one
    if (!code) {
        report.fail("entry/loads", "a file that the dynamic loader takes", code.error());
        return;
    }
    if (!code.entry_function()) {
        report.fail("entry/loads", SIGRUN_ENTRY_SYMBOL, "no such function");
        return;
    }
    report.pass("entry/loads");
    std::string did;
    auto add = [&](const std::string& what) { did += (did.empty() ? "" : ", ") + what; };
    if (threads_of_this_process().size() > threads) add("it started a thread");
    for (const auto& [fd, what] : open_descriptors())
        if (!fds.contains(fd)) add(concat("it opened ", what));
    if (!children_of_this_process().empty()) add("it started a process");
    if (const auto more = uninvited(libraries, code.path()); !more.empty()) add("it loaded " + more);
    if (did.empty()) {
        report.pass("entry/constructor");
    } else {
        report.fail("entry/constructor", "static constructors that do nothing but initialise memory", did);
    }
    if (took_ms < 100) {
        report.pass("entry/scan-time", concat(static_cast<std::int64_t>(took_ms * 1000), " us"));
    } else {
        report.warn("entry/scan-time", "dlopen in less than 100 ms", concat(static_cast<std::int64_t>(took_ms), " ms"));
    }
}

const sigrun_entry* ask(library& code, check_host& host, const sigrun_hello& hello, std::uint32_t size) {
    const guarded_table<sigrun_hello> cut(hello, size);
    const sigrun_entry* got = nullptr;
    host.here(tag::any, "entry", [&] { got = code.entry_function()(cut.get()); });
    return got;
}

void descriptor(session& s) {
    auto& report = s.report;
    report.begin("entry/stable");
    check_host host(report);
    library code(s.file.bytes, s.scratch);
    if (!code || !code.entry_function()) return;
    sigrun_hello hello = make_hello();
    report.step("the first call of entry");
    const auto* first = ask(code, host, hello, sizeof hello);
    if (!first) {
        report.fail("entry/descriptor", "a descriptor for ABI major 1", "NULL");
        return;
    }
    const std::string bytes(reinterpret_cast<const char*>(first),
                            std::min<std::size_t>(first->struct_size, sizeof *first));
    report.step("the second call of entry");
    const auto* second = ask(code, host, hello, sizeof hello);
    if (second != first) {
        report.fail("entry/stable", "the same descriptor at every call", second ? "another one" : "NULL");
    } else if (std::memcmp(bytes.data(), second, bytes.size()) != 0) {
        report.fail("entry/stable", "the same descriptor at every call", "other content at the same address");
    } else {
        report.pass("entry/stable");
    }

    report.begin("entry/note-agrees");
    const auto& note = s.file.note;
    std::string wrong;
    auto text = [](sigrun_str t) { return t.ptr ? std::string(sdk::view(t)) : std::string(); };
    if (text(first->id) != note.id) wrong = concat("id \"", text(first->id), "\", in the note \"", note.id, "\"");
    if (text(first->version) != note.version)
        wrong = concat("version \"", text(first->version), "\", in the note \"", note.version, "\"");
    if (first->flags != note.flags) wrong = concat("flags ", first->flags, ", in the note ", note.flags);
    if (wrong.empty()) {
        report.pass("entry/note-agrees");
    } else {
        report.fail("entry/note-agrees", "id, version and flags as in the note", wrong);
    }

    report.begin("entry/descriptor");
    plugin_identity as_it_says = note;
    as_it_says.id = text(first->id);
    as_it_says.version = text(first->version);
    as_it_says.flags = static_cast<std::uint32_t>(first->flags);
    auto read = read_descriptor(*first, as_it_says);
    if (read) {
        report.pass("entry/descriptor");
    } else {
        report.fail("entry/descriptor", read.error().expected, concat(read.error().field, ": ", read.error().found));
    }

    report.begin("entry/hello-size");
    const auto* small = ask(code, host, hello, offsetof(sigrun_hello, features));
    const auto* large = ask(code, host, hello, sizeof hello + 64);
    if (small == first && large == first) {
        report.pass("entry/hello-size");
    } else {
        report.fail("entry/hello-size", "the same descriptor whatever the size of the hello",
                    small == first ? "another one for a larger hello" : "another one for a smaller hello");
    }

    report.begin("entry/wrong-major");
    hello.abi_major = SIGRUN_ABI_MAJOR + 1;
    if (ask(code, host, hello, sizeof hello)) {
        report.fail("entry/wrong-major", "NULL for an ABI major it does not serve", "a descriptor");
    } else {
        report.pass("entry/wrong-major");
    }
}

void unknown_ids(session& s) {
    auto& report = s.report;
    report.begin("entry/unknown-component");
    rig r(s);
    if (!r) return;
    if (auto a = r.load(); !a.ok()) {
        report.fail("entry/unknown-component", "load works", a.say());
        return;
    }
    const auto& component = r.about().components.front();
    auto config = r.bind(component);
    if (!config) {
        report.skip("entry/unknown-component", "its options need --config");
        return;
    }
    for (const std::string& id : {std::string("no-such-component"), component.id + "x", std::string()}) {
        component_record unknown{id, component.kind, {}, {}};
        sigrun_instance* made = nullptr;
        auto a = r.create(unknown, *config->abi(), &made);
        if (a.ok() || a.code == SIGRUN_E_INTERNAL) {
            report.fail("entry/unknown-component", "create refuses a component it does not have",
                        a.ok() ? concat("an instance of \"", id, "\"") : a.say());
            return;
        }
        if (a.text.empty()) report.fail("life/error-text", "create says why it refuses", result_name(a.code));
    }
    report.pass("entry/unknown-component");

    report.begin("entry/trailing-bytes");
    // An id that ends where its memory ends, and one followed by other letters.
    const guarded_bytes exact(component.id.data(), component.id.size());
    const std::string longer = component.id + "-and-more";
    const sigrun_str ids[] = {{exact.data(), exact.size()}, {longer.data(), component.id.size()}};
    for (const auto& id : ids) {
        component_record same{std::string(), component.kind, {}, {}};
        sigrun_instance* made = nullptr;
        sdk::error_text error;
        answer a;
        r.host().ctl("create",
                     [&] { a.code = r.entry().create(r.host().abi(), id, config->abi(), &made, &error.abi); });
        a.text = error.text();
        if (!a.ok() || !made) {
            report.fail("entry/trailing-bytes", "ids are compared by pointer and length",
                        concat("create of \"", component.id, "\": ", a.say()));
            return;
        }
        const std::string kind_and_more = component.kind + "0";
        const guarded_bytes kind(component.kind.data(), component.kind.size());
        const void *found = nullptr, *cut = nullptr, *none = nullptr, *more = nullptr;
        r.host().here(tag::any, "get_interface", [&] {
            found = made->get_interface(made, {kind.data(), kind.size()});
            cut = made->get_interface(made, {kind_and_more.data(), component.kind.size()});
            none = made->get_interface(made, sdk::str("com.vendor.nothing/1"));
            more = made->get_interface(made, sdk::str(kind_and_more));
        });
        r.host().ctl("destroy", [&] { made->destroy(made); });
        if (!found || !cut) {
            report.fail("entry/trailing-bytes", concat("a table for ", component.kind), "NULL");
            return;
        }
        if (none || more) {
            report.fail("entry/trailing-bytes", "NULL for an interface it does not have",
                        concat("a table for ", none ? std::string("com.vendor.nothing/1") : kind_and_more));
            return;
        }
    }
    report.pass("entry/trailing-bytes");
}

}  // namespace

std::vector<test> entry_tests() {
    return {{"constructors", {"entry/constructor", "entry/loads", "entry/scan-time"}, &constructors},
            {"descriptor",
             {"entry/stable", "entry/note-agrees", "entry/descriptor", "entry/hello-size", "entry/wrong-major"},
             &descriptor},
            {"ids", {"entry/unknown-component", "entry/trailing-bytes"}, &unknown_ids}};
}

}  // namespace sigrun::check
