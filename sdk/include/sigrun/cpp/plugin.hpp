// sigrun/cpp/plugin.hpp: from a C++ class to a loadable component.
//
//   class my_thing {
//    public:
//     my_thing(sigrun::sdk::host host, const sigrun::sdk::config_reader& config);   // may throw sdk::failure
//     const void* interface(std::string_view id) noexcept;                          // the kind's table, or null
//     void start();                                                                 // optional, may throw
//     void drain(std::uint64_t deadline_ns, sigrun::sdk::op done);                  // optional
//     bool reconfigure(const sigrun::sdk::config_reader&);  // optional: new values of hot options, to be checked and set
//                                                           // aside; may throw; false = needs a new instance
//     void commit();  // optional: what was set aside is used now,
//     void abort();   // optional: or never; one of both follows each reconfigure
//   };
//   SIGRUN_PLUGIN("com.vendor.thing", "1.0.0", "What it does", 0,
//                 sigrun::sdk::component<my_thing>("thing", SIGRUN_KIND_PROBE, "What it does", k_options))
//
// Values of options without SIGRUN_OPT_HOT never reach reconfigure: they mean a new instance, and nobody is asked.
//
// A slot of an interface table gets the object back with sdk::self<my_thing>(instance).
#pragma once

#include <sigrun/cpp/host.hpp>
#include <sigrun/cpp/options.hpp>
#include <sigrun/plugin.h>

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace sigrun::sdk {

template <class T>
T& self(sigrun_instance* instance) noexcept {
    return *static_cast<T*>(instance->self);
}

namespace detail {

/// All values that are not hot, as one text: the same text, the same values.
inline std::string fixed_values(const sigrun_component& what, const sigrun_config* config) {
    std::string out;
    const char* next = reinterpret_cast<const char*>(what.opts);
    for (std::uint32_t i = 0; i < what.n_opts; ++i) {
        const auto& option = *reinterpret_cast<const sigrun_opt*>(next);
        next += option.struct_size;
        if (option.flags & SIGRUN_OPT_HOT) continue;
        sigrun_str item{nullptr, 0};
        for (std::uint32_t n = 0; config->get_str(config, option.key, n, &item) == SIGRUN_OK; ++n)
            out += concat(view(option.key), ' ', item.len, ' ', view(item), '\n');
    }
    return out;
}

template <class T>
struct boxed {
    sigrun_instance abi{};  // first: the host's pointer to it is the pointer to the box
    const sigrun_host* owner = nullptr;
    const sigrun_component* what = nullptr;
    std::string fixed;
    bool asked = false;  // between reconfigure and what follows it
    T object;
    boxed(host h, const config_reader& config) : object(h, config) {}
};

template <class T>
sigrun_result create(const sigrun_host* h, const sigrun_component& what, const sigrun_config* config,
                     sigrun_instance** out, sigrun_error* error) {
    return guarded(error, [&] {
        auto box = std::make_unique<boxed<T>>(host(h), config_reader(config));
        sigrun_instance& abi = box->abi;
        abi.struct_size = sizeof abi;
        abi.self = &box->object;
        abi.get_interface = [](sigrun_instance* i, sigrun_str id) noexcept -> const void* {
            return self<T>(i).interface(view(id));
        };
        abi.start = [](sigrun_instance* i, sigrun_error* e) noexcept -> sigrun_result {
            return guarded(e, [&] {
                if constexpr (requires(T & t) { t.start(); }) self<T>(i).start();
            });
        };
        if constexpr (requires(T & t, const config_reader& c) { t.reconfigure(c); }) {
            box->what = &what;
            box->fixed = fixed_values(what, config);
            abi.config_prepare = [](sigrun_instance* i, const sigrun_config* c, std::uint32_t* effect,
                                    sigrun_error* e) noexcept -> sigrun_result {
                return guarded(e, [&] {
                    auto& me = *reinterpret_cast<boxed<T>*>(i);
                    *effect = SIGRUN_EFFECT_NEEDS_NEW_INSTANCE;
                    if (fixed_values(*me.what, c) != me.fixed) return;
                    me.asked = true;
                    if (me.object.reconfigure(config_reader(c))) *effect = SIGRUN_EFFECT_APPLIED_HOT;
                });
            };
        }
        abi.config_commit = [](sigrun_instance* i) noexcept {
            const bool asked = std::exchange(reinterpret_cast<boxed<T>*>(i)->asked, false);
            if constexpr (requires(T & t) { t.commit(); })
                if (asked) self<T>(i).commit();
        };
        abi.config_abort = [](sigrun_instance* i) noexcept {
            const bool asked = std::exchange(reinterpret_cast<boxed<T>*>(i)->asked, false);
            if constexpr (requires(T & t) { t.abort(); })
                if (asked) self<T>(i).abort();
        };
        box->owner = h;
        if constexpr (requires(T & t, op o) { t.drain(std::uint64_t{}, std::move(o)); }) {
            abi.drain = [](sigrun_instance* i, std::uint64_t deadline, sigrun_op done) noexcept -> sigrun_result {
                return guarded(nullptr, [&]() -> sigrun_result {
                    const sigrun_host* owner = reinterpret_cast<boxed<T>*>(i)->owner;
                    self<T>(i).drain(deadline, op(host(owner), done));
                    return SIGRUN_PENDING;
                });
            };
        }
        abi.destroy = [](sigrun_instance* i) noexcept { delete reinterpret_cast<boxed<T>*>(i); };
        *out = &box.release()->abi;
    });
}

}  // namespace detail

/// A component together with the function that makes it.
struct component_def {
    sigrun_component abi;
    sigrun_result (*create)(const sigrun_host*, const sigrun_component&, const sigrun_config*, sigrun_instance**,
                            sigrun_error*);
};

template <class T>
constexpr component_def component(std::string_view id, std::string_view kind, std::string_view doc,
                                  std::span<const sigrun_opt> options = {}) noexcept {
    return {{sizeof(sigrun_component), static_cast<std::uint32_t>(options.size()), str(id), str(kind), str(doc),
             options.data()},
            &detail::create<T>};
}

/// Storage behind the entry table of a plugin with N components.
template <std::size_t N>
struct plugin_tables {
    std::array<component_def, N> defs;
    std::array<sigrun_component, N> components{};

    constexpr explicit plugin_tables(std::array<component_def, N> d) noexcept : defs(d) {
        for (std::size_t i = 0; i < N; ++i) components[i] = defs[i].abi;
    }
    sigrun_result create(const sigrun_host* h, sigrun_str id, const sigrun_config* config, sigrun_instance** out,
                         sigrun_error* error) const noexcept {
        for (const auto& def : defs)
            if (view(def.abi.id) == view(id)) return def.create(h, def.abi, config, out, error);
        return report(error, SIGRUN_E_NOT_FOUND, "no such component");
    }
};
template <class... Defs>
constexpr auto make_tables(Defs... defs) noexcept {
    return plugin_tables<sizeof...(Defs)>(std::array<component_def, sizeof...(Defs)>{defs...});
}

}  // namespace sigrun::sdk

/// Emits note and entry. `flags_` = SIGRUN_PLUGIN_*; then one sdk::component<T>(...) per component.
#define SIGRUN_PLUGIN(id_, version_, doc_, flags_, ...)                                                                \
    SIGRUN_EMIT_NOTE(id_, version_, flags_);                                                                           \
    namespace {                                                                                                        \
    constexpr auto sigrun_tables_ = ::sigrun::sdk::make_tables(__VA_ARGS__);                                           \
    constexpr sigrun_entry sigrun_entry_ = {                                                                           \
        sizeof(sigrun_entry),                                                                                          \
        SIGRUN_ABI_MAJOR,                                                                                              \
        SIGRUN_ABI_MINOR,                                                                                              \
        flags_,                                                                                                        \
        ::sigrun::sdk::str(id_),                                                                                       \
        ::sigrun::sdk::str(version_),                                                                                  \
        ::sigrun::sdk::str("Sigrun"),                                                                                  \
        ::sigrun::sdk::str(""),                                                                                        \
        ::sigrun::sdk::str(doc_),                                                                                      \
        static_cast<std::uint32_t>(sigrun_tables_.components.size()),                                                  \
        0,                                                                                                             \
        sigrun_tables_.components.data(),                                                                              \
        nullptr,                                                                                                       \
        [](const sigrun_host* h, sigrun_str c, const sigrun_config* config, sigrun_instance** out,                     \
           sigrun_error* error) noexcept -> sigrun_result { return sigrun_tables_.create(h, c, config, out, error); }, \
        nullptr};                                                                                                      \
    }                                                                                                                  \
    extern "C" const sigrun_entry* sigrun_plugin_entry_v1(const sigrun_hello* hello) {                                 \
        return hello && hello->abi_major == SIGRUN_ABI_MAJOR ? &sigrun_entry_ : nullptr;                               \
    }
