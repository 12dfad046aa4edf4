// One load of one plugin file: the mapped code, its checked descriptor and its host record. Shared by its
// instances; the last one to let go unloads it: `unload`, then dlclose if nothing of it can still run,
// otherwise the code stays mapped.
#pragma once

#include "kernel/guard/private_file.hpp"
#include "kernel/plugin/descriptor.hpp"
#include "kernel/plugin/guest.hpp"
#include "kernel/plugin/stage.hpp"

#include <boost/dll/shared_library.hpp>

#include <memory>
#include <string>

namespace sigrun {

/// The field of problems that are about the folder for private copies, not about the plugin.
inline constexpr const char* k_stage_field = "state-dir";

class generation {
public:
    /// Stages and maps bytes that passed inspect_plugin, with their hash, and negotiates. Runs the plugin's static
    /// constructors and its entry function, nothing else. Numbers are unique in the process. `features`: what it is told
    /// in sigrun_hello.
    static result<std::shared_ptr<generation>> open(std::string_view bytes, const std::string& sha256,
                                                    const plugin_identity& identity, const stage& staging,
                                                    std::shared_ptr<runtime> rt, const std::string& program,
                                                    std::uint64_t features);
    /// The same in a child that its parent gave an open copy of such bytes.
    static result<std::shared_ptr<generation>> open_copy(int fd, std::string_view sha256, std::shared_ptr<runtime> rt,
                                                         const std::string& program);
    ~generation();
    generation(const generation&) = delete;
    generation& operator=(const generation&) = delete;

    /// Calls the plugin's `load`, if it has one. Once, before create.
    result<void> start();
    /// Makes and wraps an instance; a problem if the plugin refuses or what it returns is not an instance.
    static result<std::shared_ptr<instance>> create(const std::shared_ptr<generation>& self,
                                                    const component_record& component, const std::string& name,
                                                    const sigrun_config& config);

    std::uint64_t number() const noexcept { return number_; }
    const plugin_descriptor& descriptor() const noexcept { return descriptor_; }
    const plugin_identity& identity() const noexcept { return identity_; }
    const std::string& sha256() const noexcept { return sha256_; }
    /// The private copy it was mapped from.
    const std::string& staged() const noexcept { return staged_; }
    /// The same, open for reading: it can be mapped elsewhere even when its name is gone. Below 0: not kept, because no
    /// component may ask for that.
    int copy() const noexcept { return copy_.get(); }
    /// The code stays mapped when the last instance is gone.
    void keep_mapped() noexcept { stays_mapped_ = true; }
    call_counter& calls() const noexcept { return guest_->calls; }
    /// What may still run in it or call into it, one by one; empty = quiet.
    std::vector<std::string> open_things() const { return guest_->open_things(); }
    time_point since() const noexcept { return since_; }
    /// The text of the signature its bytes came with; empty = none.
    const std::string& signature() const noexcept { return signature_; }
    void keep_signature(std::string text) { signature_ = std::move(text); }

private:
    generation() = default;
    void keep_copy();
    result<void> map(const std::string& path, const std::string& program, std::uint64_t features);
    result<void> negotiate(const std::string& program, std::uint64_t features);

    std::uint64_t number_ = 0;
    plugin_identity identity_;
    plugin_descriptor descriptor_;
    std::string sha256_;
    std::string staged_;
    owned_fd copy_;
    std::string signature_;
    time_point since_ = std::chrono::steady_clock::now();
    boost::dll::shared_library library_;
    const sigrun_entry* entry_ = nullptr;
    guest* guest_ = nullptr;
    host_face* face_ = nullptr;
    bool started_ = false;
    bool stays_mapped_ = false;
};

}  // namespace sigrun
