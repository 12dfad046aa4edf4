// What may be loaded: asked for every file, at start and before every replacement, about the very bytes that are loaded then.
// Rights of folder and file, revocation, signature, quarantine; and what runs in place of a file that may not. The parts are in
// kernel/guard; a host that does not remember has neither quarantine nor last good versions.
//
// All [any]; what writes or reads files may take as long as the disk does.
#pragma once

#include "kernel/guard/crash_ledger.hpp"
#include "kernel/guard/last_good.hpp"
#include "kernel/guard/trust_store.hpp"
#include "kernel/plugin/elf_gate.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <sigrun/cpp/options.hpp>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

/// The option of [plugins]; [plugin NAME] has the same.
inline constexpr sigrun_opt k_signature_option = sdk::option(
    "signature", SIGRUN_OPT_CHOICE,
    {.def = "off",
     .doc = "Whether plugin files need a signature by a key of trust.d: not, with a warning, or to be loaded.",
     .choices = "off,warn,require"});

class plugin_guard {
public:
    /// A file as it was read, once.
    struct plugin_bytes {
        std::string bytes, sha256, signature;
    };
    struct verdict {
        plugin_identity identity;
        std::string signed_by;  // name of the trusted key; empty: not signed, or not asked for
    };

    static result<std::unique_ptr<plugin_guard>> open(const plugin_host_options& options, const settings& config);

    /// Of a file in the plugin folder, whose rights are looked at each time.
    result<plugin_bytes> read(const std::string& path) const;
    /// Of a file that only this program can have written, in its state directory.
    result<plugin_bytes> read_private(const std::string& path) const;
    /// Whether these bytes may run. `name`: of the file, without .so.
    result<verdict> judge(const plugin_bytes& file, std::string_view name) const;

    struct substitute {
        good_version about;
        plugin_bytes file;
        verdict judged;
    };
    /// The newest good version that may run, of the plugin with this id or file name; nothing if there is none.
    std::optional<substitute> instead_of(std::string_view id, std::string_view name) const;

    /// A replacement is about to run: until it served well, one crash is enough. Writes a file.
    void on_probation(const std::string& sha256);
    /// It served well, and is kept, unless it crashed before. `even_if_young`: only if nothing of the plugin is kept so far.
    void served(const good_version& what, const std::string& staged_file, bool even_if_young);

    std::optional<crash_ledger::held> quarantine_of(std::string_view id) const;
    std::size_t crashes_of(std::string_view id) const;
    /// How many quarantines were lifted.
    result<std::size_t> admit(std::string_view id);
    /// A copy; nothing without memory.
    std::optional<crash_ledger> ledger() const;

private:
    enum class signing { off, warn, require };
    plugin_guard() = default;
    signing wanted(std::string_view id, std::string_view name) const;
    result<std::string> check_signature(const plugin_bytes& file, std::string_view id, std::string_view name) const;

    bool private_ = false;
    std::string folder_, trust_dir_;
    signing default_ = signing::off;
    std::map<std::string, signing, std::less<>> by_name_;
    template <class Change>
    auto change_ledger(Change change);

    mutable std::mutex writing_;  // held while files are written: of the ledger, and what is kept
    std::optional<last_good> good_;
    mutable std::mutex mutex_;  // never held while files are written; taken after the other one
    std::optional<crash_ledger> ledger_;
};

}  // namespace sigrun
