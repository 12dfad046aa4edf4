// One load of the plugin under a checking host, and its instances. Every slot is called on the thread that its tag names.
#pragma once

#include "check_host.hpp"
#include "library.hpp"
#include "process_state.hpp"
#include "session.hpp"

#include <sigrun/cpp/error.hpp>
#include <sigrun/cpp/text.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace sigrun::check {

using option_values = std::map<std::string, std::string>;

struct answer {
    sigrun_result code = SIGRUN_OK;
    std::string text;
    bool ok() const noexcept { return code >= 0; }
    /// "CONFIG (-7): port: expected ..."
    std::string say() const;
};

class rig {
public:
    /// Maps the file and reads its descriptor; a problem is a failure of the rule that is checked now.
    explicit rig(session& s, faults withheld = {});
    ~rig();

    explicit operator bool() const noexcept { return entry_ != nullptr; }
    session& in() noexcept { return s_; }
    reporter& report() noexcept { return s_.report; }
    check_host& host() noexcept { return *host_; }
    library& code() noexcept { return *code_; }
    const sigrun_entry& entry() const noexcept { return *entry_; }
    const plugin_descriptor& about() const noexcept { return about_; }

    answer load();
    /// Values a component needs: those of --config, made-up ones for required keys, then `values`. Null: they do not fit.
    std::shared_ptr<const bound_section> bind(const component_record& component, const option_values& values = {},
                                              std::string* why = nullptr) const;
    answer create(const component_record& component, const sigrun_config& config, sigrun_instance** out);
    answer create(const component_record& component, sigrun_instance** out, const option_values& values = {});
    answer start(sigrun_instance* instance);
    /// Asks for a drain; the op. 0: refused or not there.
    sigrun_op drain(sigrun_instance* instance, std::uint64_t deadline_ns);
    void destroy(sigrun_instance* instance);
    void unload();
    const void* interface(sigrun_instance* instance, std::string_view id);
    template <class Table>
    const Table* table(sigrun_instance* instance, const component_record& component) {
        return static_cast<const Table*>(interface(instance, component.kind));
    }
    /// load, create and start of one component; what fails breaks the rule that is checked now. Null then.
    sigrun_instance* running(const component_record& component, const option_values& values = {});
    /// The first component of a kind; null if there is none.
    const component_record* component_of(std::string_view kind) const;
    /// Destroys what is left, unloads, and waits until no lane is inside the plugin; the file stays mapped until the rig goes.
    void finish();
    /// What is left of threads, descriptors, timers, buffers, ops and processes, reported on the life/*-left rules. True:
    /// nothing.
    bool report_leftovers();

private:
    session& s_;
    std::unique_ptr<check_host> host_;
    std::map<int, std::string> descriptors_before_;
    std::size_t threads_before_ = 0;
    std::unique_ptr<library> code_;
    const sigrun_entry* entry_ = nullptr;
    plugin_descriptor about_;
    std::vector<sigrun_instance*> instances_;
    bool loaded_ = false;
};

std::uint64_t now_ns() noexcept;
inline std::uint64_t in_ms(std::uint64_t ms) noexcept { return now_ns() + ms * 1'000'000; }
/// "IO (-8)"
std::string result_name(sigrun_result r);

/// Lets an instance do a little of what its kind is for, the same way every time. A problem as text; empty = it worked.
std::string exercise(rig& r, sigrun_instance* instance, const component_record& component);
/// What the tests of a kind use, too.
std::string executor_document(std::string_view kinds);

}  // namespace sigrun::check
