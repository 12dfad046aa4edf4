// One load of the plugin's bytes from a path that was never used before in this process: dlopen answers a known path with
// the old code.
#pragma once

#include <sigrun/plugin.h>

#include <memory>
#include <string>
#include <string_view>

namespace sigrun::check {

class library {
public:
    /// Copies and maps. error() tells why it could not.
    library(std::string_view bytes, const std::string& folder);
    ~library();
    library(const library&) = delete;
    library& operator=(const library&) = delete;

    explicit operator bool() const noexcept { return handle_ != nullptr; }
    const std::string& error() const noexcept { return error_; }
    const std::string& path() const noexcept { return path_; }
    /// The descriptor for this host's major, or null.
    const sigrun_entry* entry() const;
    using entry_fn = const sigrun_entry*(const sigrun_hello*);
    entry_fn* entry_function() const noexcept { return entry_; }
    /// The library in which an address lies is this one.
    bool contains(const void* address) const noexcept;
    /// In some shared library or the program, not on a heap or stack.
    static bool lies_in_a_library(const void* address) noexcept;
    std::uintptr_t base() const noexcept { return base_; }
    /// dlclose. True: nothing of it is mapped any more.
    bool close() noexcept;
    bool mapped() const noexcept;

private:
    std::string path_, error_;
    void* handle_ = nullptr;
    entry_fn* entry_ = nullptr;
    std::uintptr_t base_ = 0;
};

sigrun_hello make_hello() noexcept;

}  // namespace sigrun::check
