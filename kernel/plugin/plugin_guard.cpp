#include "kernel/plugin/plugin_guard.hpp"

#include "kernel/guard/ed25519.hpp"
#include "kernel/guard/folder_check.hpp"
#include "kernel/log/loggers.hpp"
#include "kernel/plugin/stage.hpp"

#include <filesystem>

namespace sigrun {
namespace {

constexpr std::size_t k_max_signature = 4096;

}  // namespace

result<std::unique_ptr<plugin_guard>> plugin_guard::open(const plugin_host_options& options, const settings& config) {
    std::unique_ptr<plugin_guard> out(new plugin_guard);
    auto signing_of = [](const std::string& word) {
        return word == "require" ? signing::require : word == "warn" ? signing::warn : signing::off;
    };
    out->folder_ = options.plugin_dir;
    out->trust_dir_ = options.trust_dir;
    out->default_ = signing_of(options.signature);
    for (const config_section* section : config.of_kind("plugin"))
        if (auto found = section->values.find("signature"); found != section->values.end())
            out->by_name_[section->name.substr(section->name.find(' ') + 1)] = signing_of(found->second.value);
    out->private_ = options.private_folder;
    if (out->private_) return out;
    SIGRUN_TRY(folder, checked_folder::open(options.plugin_dir));
    for (const auto& warning : folder.warnings()) SIGRUN_LOG(logs::plugin, warning, "plugin folder: ", warning);
    if (!options.remember) return out;
    std::error_code ignored;
    std::filesystem::create_directories(options.state_dir, ignored);
    SIGRUN_TRY(ledger, crash_ledger::open(options.state_dir));
    out->ledger_.emplace(std::move(ledger));
    SIGRUN_TRY(good, last_good::open(options.state_dir));
    out->good_.emplace(std::move(good));
    for (const auto& crash : out->ledger_->newly_crashed())
        SIGRUN_LOG(logs::plugin, error, "the last run ended with ", crash.text(), ": ",
                   crash.of_plugin() ? "plugin " + crash.plugin + " " + crash.version : crash.blame);
    for (const auto& held : out->ledger_->newly_held())
        SIGRUN_LOG(logs::plugin, error, "plugin ", held.plugin, " ", held.version, " is quarantined: ", held.reason);
    // What is in quarantine is no good version, even if it took long enough to be kept as one.
    for (const auto& held : out->ledger_->quarantined()) out->good_->drop(held.plugin, held.sha256);
    return out;
}

result<plugin_guard::plugin_bytes> plugin_guard::read(const std::string& path) const {
    if (private_) return read_private(path);
    SIGRUN_TRY(folder, checked_folder::open(folder_));
    const auto below = std::filesystem::path(path).lexically_relative(folder_).string();
    SIGRUN_TRY(file, folder.open_file(below));
    plugin_bytes out;
    SIGRUN_TRY(bytes, read_plugin_file(file.get(), path));
    out.bytes = std::move(bytes);
    out.sha256 = sha256_hex(out.bytes);
    if (auto signature = folder.open_file(below + ".sig")) {
        SIGRUN_TRY(text, read_all(signature->get(), path + ".sig", k_max_signature));
        out.signature = std::move(text);
    } else if (signature.error().code != errc::not_found) {
        return signature.error();
    }
    return out;
}

result<plugin_guard::plugin_bytes> plugin_guard::read_private(const std::string& path) const {
    plugin_bytes out;
    SIGRUN_TRY(bytes, read_plugin_file(path));
    out.bytes = std::move(bytes);
    out.sha256 = sha256_hex(out.bytes);
    if (auto signature = read_file(path + ".sig", k_max_signature)) out.signature = std::move(*signature);
    return out;
}

plugin_guard::signing plugin_guard::wanted(std::string_view id, std::string_view name) const {
    // Named twice, by file and by id: the stricter word counts.
    const auto by_file = by_name_.find(name), by_id = by_name_.find(id);
    if (by_file == by_name_.end() && by_id == by_name_.end()) return default_;
    auto out = signing::off;
    for (const auto& found : {by_file, by_id})
        if (found != by_name_.end()) out = std::max(out, found->second);
    return out;
}

result<std::string> plugin_guard::check_signature(const plugin_bytes& file, std::string_view id,
                                                  std::string_view name) const {
    // Read each time: a key or a revocation that was added counts for the next file without a restart.
    SIGRUN_TRY(trusted, trust_store::read(trust_dir_));
    if (auto why = trusted.revoked(file.sha256))
        return bad_value("sha256", "one that is not revoked (" + trust_dir_ + "/revoked)",
                         file.sha256 + (why->empty() ? "" : ": " + *why));
    const auto need = wanted(id, name);
    if (need == signing::off) return std::string();
    auto check = [&]() -> result<std::string> {
        if (!trusted.keys().empty()) SIGRUN_CHECK_OK(checked_folder::open(trust_dir_));
        return trusted.check(file.bytes, file.signature, id, clock::system().wall_ns());
    };
    auto by = check();
    if (by || need == signing::require) return by;
    SIGRUN_LOG(logs::plugin, warning, "plugin ", id,
               " is loaded although it is not signed as it should be: ", by.error().text());
    return std::string();
}

result<plugin_guard::verdict> plugin_guard::judge(const plugin_bytes& file, std::string_view name) const {
    SIGRUN_TRY(identity, inspect_plugin(file.bytes));
    SIGRUN_TRY(by, check_signature(file, identity.id, name));
    std::lock_guard lock(mutex_);
    if (const auto* held = ledger_ ? ledger_->find(file.sha256) : nullptr)
        return problem{errc::conflict, "this version is in quarantine", "quarantine",
                       "a version that has not crashed (`sigrun plugin admit " + identity.id + "` lifts it)",
                       held->reason};
    return verdict{std::move(identity), std::move(by)};
}

std::optional<plugin_guard::substitute> plugin_guard::instead_of(std::string_view id, std::string_view name) const {
    std::vector<std::pair<good_version, std::string>> kept;
    {
        std::lock_guard lock(writing_);
        if (!good_) return std::nullopt;
        for (const auto& each : good_->versions(id.empty() ? name : id))
            if (auto bytes = good_->bytes(each)) kept.emplace_back(each, std::move(*bytes));
    }
    for (auto& [about, bytes] : kept) {
        plugin_bytes file{std::move(bytes), about.sha256, about.signature};
        auto judged = judge(file, name);
        if (judged && judged->identity.id == about.id) return substitute{about, std::move(file), std::move(*judged)};
        if (!judged)
            SIGRUN_LOG(logs::plugin, warning, "the kept version ", about.version, " of ", about.id,
                       " may not run either: ", judged.error().text());
    }
    return std::nullopt;
}

// On a copy, so that whoever asks meanwhile does not wait for the disk.
template <class Change>
auto plugin_guard::change_ledger(Change change) {
    std::optional<crash_ledger> changed;
    {
        std::lock_guard lock(mutex_);
        changed = ledger_;
    }
    auto outcome = change(*changed);
    std::lock_guard lock(mutex_);
    ledger_ = std::move(changed);
    return outcome;
}

void plugin_guard::on_probation(const std::string& sha256) {
    std::lock_guard lock(writing_);
    if (!ledger_) return;
    auto begun = change_ledger([&](crash_ledger& l) { return l.begin_probation(sha256); });
    if (!begun) SIGRUN_LOG(logs::plugin, warning, begun.error().text());
}

void plugin_guard::served(const good_version& what, const std::string& staged_file, bool even_if_young) {
    std::lock_guard lock(writing_);
    if (!ledger_ || !good_) return;
    if (even_if_young ? !good_->versions(what.id).empty() : ledger_->crashes_of(what.sha256) > 0) return;
    if (!even_if_young) {
        auto ended = change_ledger([&](crash_ledger& l) { return l.end_probation(what.sha256); });
        if (!ended) SIGRUN_LOG(logs::plugin, warning, ended.error().text());
    }
    auto bytes = read_file(staged_file, k_max_plugin_file);
    auto kept = bytes ? good_->keep(what, *bytes) : result<void>(bytes.error());
    if (!kept)
        SIGRUN_LOG(logs::plugin, warning, "plugin ", what.id, " ", what.version,
                   " has served well and is not kept: ", kept.error().text());
}

std::optional<crash_ledger::held> plugin_guard::quarantine_of(std::string_view id) const {
    std::lock_guard lock(mutex_);
    if (ledger_)
        for (const auto& each : ledger_->quarantined())
            if (each.plugin == id) return each;
    return std::nullopt;
}

std::size_t plugin_guard::crashes_of(std::string_view id) const {
    std::lock_guard lock(mutex_);
    std::size_t out = 0;
    if (ledger_)
        for (const auto& each : ledger_->crashes()) out += each.of_plugin() && each.plugin == id;
    return out;
}

result<std::size_t> plugin_guard::admit(std::string_view id) {
    std::lock_guard lock(writing_);
    if (!ledger_) return std::size_t{0};
    return change_ledger([&](crash_ledger& l) { return l.admit(id); });
}

std::optional<crash_ledger> plugin_guard::ledger() const {
    std::lock_guard lock(mutex_);
    return ledger_;
}

}  // namespace sigrun
