#include "kernel/plugin/generation.hpp"

#include "kernel/guard/code_map.hpp"
#include "kernel/log/loggers.hpp"
#include "kernel/plugin/residents.hpp"

#include <sigrun/cpp/error.hpp>
#include <sigrun/probe.h>

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <filesystem>

namespace sigrun {
namespace {

std::uint64_t next_number() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
}

}  // namespace

result<std::shared_ptr<generation>> generation::open(std::string_view bytes, const std::string& sha256,
                                                     const plugin_identity& identity, const stage& staging,
                                                     std::shared_ptr<runtime> rt, const std::string& program,
                                                     std::uint64_t features) {
    std::shared_ptr<generation> made(new generation);
    made->number_ = next_number();
    made->identity_ = identity;
    made->sha256_ = sha256;
    auto staged = staging.add(bytes, identity.id, made->number_, made->sha256_);
    if (!staged) return problem{errc::io, staged.error().text(), k_stage_field, "room and permission to write", ""};
    const auto& path = *staged;
    made->staged_ = path;
    made->guest_ = &guest::make(made->number_, identity.id, std::move(rt));
    made->face_ = &made->guest_->add_face(identity.id);
    if (auto mapped = made->map(path, program, features); !mapped) {
        if (!made->library_.is_loaded()) staging.remove(path);
        return mapped.error();
    }
    made->keep_copy();
    return made;
}

result<std::shared_ptr<generation>> generation::open_copy(int fd, std::string_view sha256, std::shared_ptr<runtime> rt,
                                                          const std::string& program) {
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    const owned_fd own(::open(path.c_str(), O_RDONLY | O_CLOEXEC));  // with a position of its own
    if (!own) return system_problem("cannot open", path);
    SIGRUN_TRY(bytes, read_all(own.get(), path, k_max_plugin_file));
    SIGRUN_TRY(identity, inspect_plugin(bytes));
    std::shared_ptr<generation> made(new generation);
    made->number_ = next_number();
    made->identity_ = std::move(identity);
    made->sha256_ = std::string(sha256);
    made->guest_ = &guest::make(made->number_, made->identity_.id, std::move(rt));
    made->face_ = &made->guest_->add_face(made->identity_.id);
    SIGRUN_CHECK_OK(made->map(path, program, 0));
    return made;
}

void generation::keep_copy() {
    const auto& all = descriptor_.components;
    if (std::any_of(all.begin(), all.end(), [](const auto& each) { return each.kind == SIGRUN_KIND_PROBE; }))
        copy_ = owned_fd(::open(staged_.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
}

result<void> generation::map(const std::string& path, const std::string& program, std::uint64_t features) {
    namespace dll = boost::dll;
    const plugin_tag tag(identity_.id, identity_.version, sha256_, number_);
    try {
        loading_plugin constructors(tag);
        library_.load(path, dll::load_mode::rtld_now | dll::load_mode::rtld_local);
    } catch (const std::exception& e) {
        return make_problem(errc::invalid, std::string("the dynamic loader refuses it: ") + e.what());
    }
    if (!map_plugin_code(path, tag))
        SIGRUN_LOG(logs::plugin, warning, identity_.id, ": a crash in it could not be told from one in a library");
    return negotiate(program, features);
}

result<void> generation::negotiate(const std::string& program, std::uint64_t features) {
    using entry_fn = const sigrun_entry*(const sigrun_hello*);
    if (!library_.has(SIGRUN_ENTRY_SYMBOL)) return bad_value("exported function", SIGRUN_ENTRY_SYMBOL, "none");
    auto& entry = library_.get<entry_fn>(SIGRUN_ENTRY_SYMBOL);
    sigrun_hello hello{};
    hello.struct_size = sizeof hello;
    hello.abi_major = SIGRUN_ABI_MAJOR;
    hello.abi_minor = SIGRUN_ABI_MINOR;
    hello.features = features;
    hello.host_name = sdk::str(program);
    hello.host_version = sdk::str(SIGRUN_SDK_VERSION);
    const sigrun_entry* first = entry(&hello);
    if (!first)
        return bad_value("entry", "a descriptor for ABI major " + std::to_string(SIGRUN_ABI_MAJOR),
                         "NULL: the plugin does not serve this major");
    if (entry(&hello) != first) return bad_value("entry", "the same descriptor at every call", "another one");
    SIGRUN_TRY(descriptor, read_descriptor(*first, identity_));
    descriptor_ = std::move(descriptor);
    entry_ = first;
    return {};
}

result<void> generation::start() {
    if (entry_->load) {
        sdk::error_text text;
        sigrun_result r = entry_->load(&face_->abi, &text.abi);
        if (r < 0) return problem::from_abi(r, text.text());
    }
    started_ = true;
    return {};
}

result<std::shared_ptr<instance>> generation::create(const std::shared_ptr<generation>& self,
                                                     const component_record& component, const std::string& name,
                                                     const sigrun_config& config) {
    host_face& face = self->guest_->add_face(name);
    sdk::error_text text;
    sigrun_instance* raw = nullptr;
    sigrun_result r = self->entry_->create(&face.abi, sdk::str(component.id), &config, &raw, &text.abi);
    if (r < 0) return problem::from_abi(r, text.text());
    if (!raw) return bad_value("create", "an instance", "NULL");
    constexpr std::size_t needed = offsetof(sigrun_instance, destroy) + sizeof(raw->destroy);
    if (raw->struct_size < needed || !raw->get_interface || !raw->destroy)
        return bad_value("instance",
                         "get_interface and destroy in a table of at least " + std::to_string(needed) + " bytes",
                         raw->struct_size < needed ? std::to_string(raw->struct_size) + " bytes" : "NULL");
    // What it borrowed from other plugins goes back when it is gone, even if it forgot to.
    auto give_back = [exchange = self->guest_->rt->exchange, &face](instance* gone) {
        delete gone;
        exchange->drop(face);
    };
    std::shared_ptr<instance> made(new instance(self, name, self->descriptor_.id, component.id, component.kind, raw),
                                   std::move(give_back));
    if (!made->table<void>(component.kind))
        return bad_value("get_interface", "a table for its own kind " + component.kind, "NULL");
    face.holder = made;
    return made;
}

generation::~generation() {
    if (!library_.is_loaded()) {
        if (guest_) guest_->retire();
        return;
    }
    if (started_ && entry_->unload) entry_->unload(&face_->abi);
    guest_->rt->exchange->drop(*guest_);
    guest_->end_dials();
    const std::string open = guest_->still_open();
    guest_->retire();
    std::string why;
    if (!open.empty())
        why = open + " left";
    else if (identity_.flags & SIGRUN_PLUGIN_PIN)
        why = "the plugin asks for it";
    else if (identity_.unique_symbols)
        why = "it has symbols that the dynamic loader never lets go of";
    else if (stays_mapped_)
        why = "unload = never";
    resident about{identity_.id,
                   identity_.version,
                   sha256_,
                   number_,
                   mapped_bytes(staged_),
                   why,
                   std::chrono::steady_clock::now()};
    if (why.empty()) {
        library_.unload();
        about.bytes = mapped_bytes(staged_);
        if (about.bytes) about.why = "the dynamic loader keeps it, as for a destructor of a thread that still runs";
        if (!about.bytes) unmap_plugin_code(number_);
        std::error_code ignored;
        std::filesystem::remove(staged_, ignored);
    }
    if (!about.bytes) return;
    SIGRUN_LOG(logs::plugin, warning, identity_.id, " generation ", number_, " stays mapped: ", about.why);
    keep_resident(std::move(about), std::move(library_));
}

}  // namespace sigrun
